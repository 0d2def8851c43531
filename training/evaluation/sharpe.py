"""What a Sharpe ratio is worth: its error, and the luck in the best of many.

Returns are plain fractions per period (hours, unless said otherwise), in order of time; Sharpe ratios are per period
until `annualised` scales them. Riskless rate 0. Nothing here fills or drops a value: NaN is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairity.errors import DataError

HOURS_PER_YEAR = 8760
EULER_GAMMA = 0.5772156649015329
_LEAST = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SharpeEstimate:
    """A Sharpe ratio per period, and what its error depends on."""

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
        """Both ends of the two-sided confidence interval."""
        from scipy.stats import norm

        reach = float(norm.ppf(0.5 + confidence / 2.0)) * self.standard_error
        return self.value - reach, self.value + reach

    def probability_above(self, benchmark: float = 0.0) -> float:
        """Probabilistic Sharpe ratio: P(true SR > `benchmark`) (Bailey & López de Prado 2012, eq. 9)."""
        from scipy.stats import norm

        return float(norm.cdf((self.value - benchmark) / self.standard_error))

    def least_periods(self, benchmark: float = 0.0, confidence: float = 0.95) -> float:
        """Minimum track record length in periods (ibid., eq. 13); infinite where the ratio is not above `benchmark`."""
        from scipy.stats import norm

        if self.value <= benchmark:
            return math.inf
        return 1.0 + self._variance * (float(norm.ppf(confidence)) / (self.value - benchmark)) ** 2


def estimate_sharpe(returns: Floats) -> SharpeEstimate | None:
    """Sharpe ratio of `returns` with its higher moments (population moments of the standardised returns).

    None for fewer than 3 returns, for returns that do not vary (no ratio), and where so few returns have such skew that
    the error's formula is not positive. DataError for NaN or infinite values.
    """
    if not np.isfinite(returns).all():
        raise DataError("returns hold values that are no numbers", "mark equity at every period before measuring it")
    periods = len(returns)
    if periods < _LEAST:
        return None
    mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
    if deviation <= abs(mean) * 1e-12:
        return None
    scaled = (returns - mean) / float(returns.std())
    found = SharpeEstimate(mean / deviation, periods, float((scaled**3).mean()), float((scaled**4).mean()))
    return found if 1.0 - found.skew * found.value + (found.kurtosis - 1.0) / 4.0 * found.value**2 > 0 else None


def compute_expected_maximum(trials: Sequence[float]) -> float:
    """Sharpe ratio that the best of N trials without any edge shows by luck (Bailey & López de Prado 2014, eq. 1).

    √V·((1 − γ)·Φ⁻¹(1 − 1/N) + γ·Φ⁻¹(1 − 1/(N·e))), V the variance (ddof 1) of the trials' ratios. Trials are counted as
    independent: neighbours of a grid are not, so the result errs on the strict side. 0 for a single trial.
    """
    from scipy.stats import norm

    count = len(trials)
    if count < 2:
        return 0.0
    spread = float(np.std(np.asarray(trials, dtype=np.float64), ddof=1))
    quantiles = norm.ppf([1.0 - 1.0 / count, 1.0 - 1.0 / (count * math.e)])
    return spread * ((1.0 - EULER_GAMMA) * float(quantiles[0]) + EULER_GAMMA * float(quantiles[1]))


def deflate_sharpe(found: SharpeEstimate, trials: Sequence[float]) -> float:
    """Deflated Sharpe ratio: P(true SR > what the best of `trials` shows by luck) (ibid., eq. 2).

    `trials`: Sharpe ratios per period of **every** trial that was made, the chosen one included.
    """
    return found.probability_above(compute_expected_maximum(trials))


def annualise(per_period: float, periods_per_year: int = HOURS_PER_YEAR) -> float:
    """A ratio per period × √periods a year; exact for returns without autocorrelation only."""
    return per_period * math.sqrt(periods_per_year)
