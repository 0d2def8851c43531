"""How often the whole gate says yes, by simulation: `python -m tests.training.promotion.error_rates 400` prints it.

Models are series of hourly returns with fat tails and a known true Sharpe ratio; gate and ledger are the real ones.
What cannot pass any more is not taken to the end: its net return, its look, its leads, or its Sharpe ratio deflated by
the trials of its world already fail.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pairity.evaluation_settings import GateSettings
from tests.training.promotion.worlds import Court
from tests.training.trials.runs import HOUR, START
from training.evaluation.sharpe import compare_sharpe, deflate_sharpe, estimate_sharpe
from training.evaluation.trial_clusters import count_trials
from training.trials.records import LookRecord

YEAR = 8760
GATE = GateSettings()
NULLS = (-2.0, -2.0, 0.5)
"""True ratios of the baseline, the rule without a model, and the coin: losers and a coin, as on recorded markets."""


@dataclass(frozen=True)
class Row:
    """One world: true ratio, years of test hours, and the trials that were made beside or before."""

    name: str
    sharpe: float
    years: float
    others: int = 0
    """Trials of the ledger besides the model, the first 13 of them as a leaderboard has them."""
    correlation: float = 0.0
    """Of the other trials with each other and with the model."""
    is_best: bool = False
    """The model is the trial with the best ratio before the look: it was chosen by looking."""
    days: int = 0
    """Days of retraining; 0: one training."""


ROWS = (
    *(Row("fresh ledger", sharpe, years) for years in (0.6, 1.5) for sharpe in (0, 1, 2, 3, 5)),
    *(
        Row("beside a board of 13 and 27 settings", sharpe, years, 40)
        for years in (0.6, 1.5)
        for sharpe in (0, 1, 2, 3, 5)
    ),
    *(Row("best of 13 nulls", 0, years, 12, is_best=True) for years in (0.6, 1.5)),
    *(Row("best of 50 nulls", 0, years, 49, is_best=True) for years in (0.6, 1.5)),
    *(Row(f"best of 50 nulls, correlation {c:g}", 0, 0.6, 49, c, is_best=True) for c in (0.5, 0.9)),
    Row("retrained daily for a year", 0, 0.6, days=365),
)


def draw(rng, hours, count, sharpe, correlation=0.0):
    """Return hours × count returns of 0.2% an hour with Student's tails of five degrees of freedom."""
    shared, own = rng.standard_t(5, (hours, 1)), rng.standard_t(5, (hours, count))
    noise = (np.sqrt(correlation) * shared + np.sqrt(1.0 - correlation) * own) / np.sqrt(5 / 3)
    return 0.002 * (noise + np.asarray(sharpe) / np.sqrt(YEAR))


def simulate(row, seed, folder):
    """Return whether the gate promotes the model of one world."""
    rng, hours = np.random.default_rng([seed, abs(int(row.sharpe * 10)), row.others, row.days]), round(row.years * YEAR)
    if row.days:
        return _retrain(row, rng, hours, folder)
    walked = hours - int(hours * GATE.last_look)
    table = draw(rng, hours, row.others + 1, 0.0, row.correlation)
    table[:, 0] += 0.002 * row.sharpe / np.sqrt(YEAR)
    if row.others == 40:  # a board with its losers, and a grid that is much like the model
        table[:, 1:14] += 0.002 * np.linspace(-9.0, 1.0, 13) / np.sqrt(YEAR)
        table[:, 14:] = np.sqrt(0.8) * table[:, :1] + np.sqrt(0.2) * table[:, 14:]
    if row.is_best:
        best = int((table[:walked].mean(axis=0) / table[:walked].std(axis=0)).argmax())
        table[:, [0, best]] = table[:, [best, 0]]
    nulls = draw(rng, hours, 3, NULLS).T
    known = table[:walked, 1:]
    if not _may_pass(table[:, 0], nulls, walked, max(1.0, count_trials(table[:walked]).effective - 1.0)):
        return False
    court = Court(folder, hours, GATE)
    if row.others:
        court.record(known)
    return court.judge(table[:, 0], nulls, walked).verdict.passed


def _retrain(row, rng, hours, folder):
    """A null that is trained again every day on a test period that begins 0.7 days later and ends a day later."""
    total = hours + 24 * row.days
    court = Court(folder, total, GATE)
    market, nulls, looked_until = draw(rng, total, 1, 0.0)[:, 0], draw(rng, total, 3, NULLS).T, -1
    for day in range(row.days):
        begin, end = int(16.8 * day), hours + 24 * day
        walked = end - begin - int((end - begin) * GATE.last_look)
        returns = np.sqrt(0.9) * market[begin:end] + np.sqrt(0.1) * draw(rng, end - begin, 1, 0.0)[:, 0]
        if begin + walked <= looked_until or np.prod(1.0 + returns[:walked]) <= 1.0:
            continue
        first, last = START + (begin + walked) * HOUR, START + (end - 1) * HOUR
        looked_until = end - 1
        if _may_pass(returns, nulls[:, begin:end], walked, 1.0):
            judgement = court.judge(returns, nulls[:, begin:end], walked, START + begin * HOUR, f"day {day}")
            assert judgement.looked
            if judgement.verdict.passed:
                return True
        else:
            court.ledger.record_look(LookRecord("a", last, first, last, court.market.closes, ""))
    return False


def _may_pass(returns, nulls, walked, trials):
    """Return whether nothing that is cheap to compute refuses the model."""
    if np.prod(1.0 + returns[:walked]) <= 1.0 or np.prod(1.0 + returns[walked:]) <= 1.0:
        return False
    if deflate_sharpe(estimate_sharpe(returns), trials) < GATE.deflated_sharpe_min:
        return False
    return all(compare_sharpe(returns, null).probability >= GATE.ahead_min for null in nulls)


def measure(row, worlds):
    """Return the share of the worlds in which the gate says yes."""
    yes = 0
    for seed in range(worlds):
        with tempfile.TemporaryDirectory() as folder:
            yes += simulate(row, seed, Path(folder))
    return yes / worlds


if __name__ == "__main__":
    print("| world | years | true Sharpe ratio | promoted |\n| --- | ---: | ---: | ---: |")
    for one in ROWS:
        # A world that may pass costs the whole gate, and a year of days many worlds
        worlds = int(sys.argv[1]) // (1 if one.sharpe == 0 and not one.days else 4)
        share = measure(one, worlds)
        print(f"| {one.name} | {one.years:g} | {one.sharpe:g} | {share:.1%} |", flush=True)
