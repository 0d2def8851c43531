"""What a Sharpe ratio is worth: its error, and the luck in the best of many.

Returns are plain fractions per period (hours, unless said otherwise), in order of time. Sharpe ratios are per period
until `annualise` scales them; the riskless rate is 0. Nothing here fills or drops a value: NaN is refused.

Source: docs/formulas.md, What a Sharpe ratio is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairity.errors import DataError

HOURS_PER_YEAR = 8760
EULER_GAMMA = 0.5772156649015329
_LEAST = 3
_ROUNDING = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SharpeEstimate:
    """Sharpe ratio per period, with the moments that its error depends on."""

    value: float
    periods: int
    skew: float
    kurtosis: float
    """Not in excess of the normal's 3."""

    @property
    def standard_error(self) -> float:
        """√((1 − γ₃·SR + (γ₄ − 1)/4·SR²) / (T − 1)) (Mertens 2002; Lo 2002 for normal returns)."""
        return math.sqrt(self._variance / (self.periods - 1))

    @property
    def _variance(self) -> float:
        return 1.0 - self.skew * self.value + (self.kurtosis - 1.0) / 4.0 * self.value**2

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return both ends of the two-sided confidence interval."""
        from scipy.stats import norm

        reach = float(norm.ppf(0.5 + confidence / 2.0)) * self.standard_error
        return self.value - reach, self.value + reach

    def probability_above(self, benchmark: float = 0.0) -> float:
        """Return the probabilistic Sharpe ratio: P(true SR > `benchmark`) (Bailey & López de Prado 2012, eq. 9)."""
        from scipy.stats import norm

        return float(norm.cdf((self.value - benchmark) / self.standard_error))

    def least_periods(self, benchmark: float = 0.0, confidence: float = 0.95) -> float:
        """Return the minimum track record length in periods (ibid., eq. 13); inf for a ratio not above `benchmark`."""
        from scipy.stats import norm

        if self.value <= benchmark:
            return math.inf
        return 1.0 + self._variance * (float(norm.ppf(confidence)) / (self.value - benchmark)) ** 2


def estimate_sharpe(returns: Floats) -> SharpeEstimate | None:
    """Estimate the Sharpe ratio of `returns` (mean/std, ddof 1) and its higher moments.

    Skew and kurtosis are population moments of the standardised returns. None for fewer than 3 returns, for returns
    that do not vary (no ratio), and where few returns are so skewed that the error's formula is not positive. DataError
    for NaN or infinite values.
    """
    if not np.isfinite(returns).all():
        raise DataError("returns hold values that are no numbers", "mark equity at every period before measuring it")
    periods = len(returns)
    if periods < _LEAST:
        return None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    # Returns that are all the same have a deviation of rounding errors: a ratio to it would be noise.
    if deviation <= abs(mean) * 1e-12:
        return None
    scaled = (returns - mean) / float(returns.std())
    ratio = SharpeEstimate(mean / deviation, periods, float((scaled**3).mean()), float((scaled**4).mean()))
    return ratio if 1.0 - ratio.skew * ratio.value + (ratio.kurtosis - 1.0) / 4.0 * ratio.value**2 > 0 else None


@dataclass(frozen=True, slots=True)
class SharpeLead:
    """By how much one series' Sharpe ratio per period is above another's over the same periods, and the error of it."""

    value: float
    standard_error: float
    periods: int
    """Periods that both series have."""

    @property
    def probability(self) -> float:
        """Probability that the true lead is above 0; 0 where the two series cannot be told apart."""
        from scipy.stats import norm

        if self.standard_error == 0.0:
            return 1.0 if self.value > 0 else 0.0
        return float(norm.cdf(self.value / self.standard_error))


def compare_sharpe(returns: Floats, others: Floats) -> SharpeLead:
    """Compare the Sharpe ratios of two series over the same periods; one that does not vary has the ratio 0.

    The error is that of the ratios' influence functions, ψ = z − SR·(z² − 1)/2 with z = (r − mean)/std: for one series
    Mertens' error, for two that of Jobson & Korkie (1981) without its assumption of normal returns (Ledoit & Wolf 2008,
    section 3, periods taken as independent). What moves both series falls out. DataError for series of different length
    or with fewer than 3 periods.
    """
    if len(returns) != len(others) or len(returns) < _LEAST:
        raise DataError(f"{len(returns)} and {len(others)} returns cannot be compared", "use the same periods")
    own, other = estimate_sharpe(returns), estimate_sharpe(others)
    difference = _influence(returns, own) - _influence(others, other)
    value = (own.value if own is not None else 0.0) - (other.value if other is not None else 0.0)
    spread = float(difference.std())
    if spread < _ROUNDING:  # the same series, or a multiple of it: what is left is rounding, and no lead
        return SharpeLead(0.0, 0.0, len(returns))
    return SharpeLead(value, spread / math.sqrt(len(returns) - 1), len(returns))


def _influence(returns: Floats, estimate: SharpeEstimate | None) -> Floats:
    """Return what each period adds to the error of the ratio; nothing where there is no ratio."""
    if estimate is None:
        return np.zeros(len(returns))
    scaled = (returns - returns.mean()) / returns.std()
    influence: Floats = scaled - estimate.value / 2.0 * (scaled**2 - 1.0)
    return influence


def compute_expected_maximum(count: float, spread: float = 1.0) -> float:
    """Return the Sharpe ratio that the best of `count` independent trials without any edge shows by luck.

    Bailey & López de Prado 2014, eq. 1: √V·((1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))), √V being `spread`, the
    standard deviation of one trial's ratio around 0. `count` need not be whole (see `trial_clusters`). 0 for a single
    trial, and never below 0. DataError for fewer than one trial.
    """
    from scipy.stats import norm

    if not 1.0 <= count < math.inf:
        raise DataError(f"{count} trials have no best one", "count the trial itself")
    if count == 1.0:
        return 0.0
    quantiles = norm.ppf([1.0 - 1.0 / count, 1.0 - 1.0 / (count * math.e)])
    luck = (1.0 - EULER_GAMMA) * float(quantiles[0]) + EULER_GAMMA * float(quantiles[1])
    return spread * max(0.0, luck)


def compute_hurdle(periods: int, count: float) -> float:
    """Return the Sharpe ratio per period that the best of `count` independent trials shows by luck over `periods`.

    The spread of a trial without an edge is known and is not estimated from other trials: √(1/(T − 1)), the standard
    error at a true ratio of 0. Each trial's luck is thus measured at its own length: a short run beside this one, or
    one that loses its costs every hour, does not raise the hurdle, and copies of this one do not lower it.
    """
    return compute_expected_maximum(count, math.sqrt(1.0 / (periods - 1)))


def deflate_sharpe(estimate: SharpeEstimate, count: float) -> float:
    """Return the deflated Sharpe ratio: P(true SR > what the best of `count` trials shows by luck) (ibid., eq. 2).

    `count` is the effective number of **all** trials that were made, the chosen one included: one at least.
    """
    return estimate.probability_above(compute_hurdle(estimate.periods, max(1.0, count)))


def annualise(per_period: float, periods_per_year: int = HOURS_PER_YEAR) -> float:
    """Scale a ratio per period by √(periods a year); exact only for returns without autocorrelation."""
    return per_period * math.sqrt(periods_per_year)
