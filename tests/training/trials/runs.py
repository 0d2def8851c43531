"""Made-up runs of trials on a made-up market."""

from datetime import UTC, datetime, timedelta

import numpy as np

from training.trials.book import count_hours
from training.trials.records import Run

HOUR = timedelta(hours=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def closes_of(first, hours, market=0):
    days = range(count_hours(first) // 24, count_hours(first + hours * HOUR) // 24 + 1)
    return {day: 100.0 + day % 17 + 1000 * market for day in days}


def make_run(line="a", first=START, hours=240, seed=0, data=None, market=0, returns=None):
    values = np.random.default_rng(seed).normal(0, 0.01, hours) if returns is None else returns
    return Run(
        line=line,
        name=f"trial {line}",
        data=f"{data or seed}",
        first=first,
        returns=values,
        closes=closes_of(first, len(values), market),
    )
