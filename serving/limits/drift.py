"""Drift of inputs: features far outside of what a model was trained on."""

from __future__ import annotations

from datetime import datetime
from math import ceil, gcd
from typing import NamedTuple

import numpy as np
import polars as pl

from feature_repo.catalog import EVENT_TIME, Service, find_view
from feature_repo.offline_files import scan_view
from model_registry.records import ModelRef
from pairity.layout import Layout
from pairity.trading_settings import LimitSettings

_LOW, _HIGH = 0.01, 0.99
_LEAST_ROWS = 100
"""Fewer stored rows say nothing about what is usual."""
_MOST_ROWS = 500_000
"""Rows of so many hours, evenly spread over all that is stored, are read where there are more: a year of 45 pairs is
below it. Memory does not grow with history, and a quantile of half a million rows is as good as one of all."""
_AT_ONCE = 8
"""Features that are read together."""
_WEEK_H = 168


class Range(NamedTuple):
    """Values of a feature that are not far outside: the middle 98% of the known ones, and as much on either side."""

    least: float
    most: float


class Shares(NamedTuple):
    """Shares of values that are far outside: of all values together, and of those of each feature."""

    together: float
    by_feature: dict[str, float]


class KnownRanges:
    """Ranges of a service's features as known up to an instant, pooled over entities as models are."""

    def __init__(self, ranges: dict[str, Range]) -> None:
        self.ranges = ranges

    @classmethod
    def read(cls, layout: Layout, service: Service, until: datetime) -> KnownRanges:
        """Read the stored rows with event_timestamp <= `until`, in all their versions.

        Of more rows than `_MOST_ROWS`, those of every n-th hour. Names, and features of which all values are the same
        or few are known, have no range. Raises DataError where files are damaged.
        """
        view = find_view(service.view)
        rows = _thin_out(scan_view(layout, view).filter(pl.col(EVENT_TIME) <= until))
        types = rows.collect_schema()
        names = [name for name in service.features if types[name].is_numeric()]
        ranges: dict[str, Range] = {}
        for first in range(0, len(names), _AT_ONCE):
            for column in rows.select(names[first : first + _AT_ONCE]).collect():
                found = _find_range(column)
                if found is not None:
                    ranges[column.name] = found
        return cls(ranges)

    def find_share_outside(self, rows: pl.DataFrame) -> float:
        """Return the share of values in `rows` (one column per feature) that are far outside; 0 without any value.

        Nulls and NaN are no values: what is missing is seen elsewhere.
        """
        return self.find_shares(rows).together

    def find_shares(self, rows: pl.DataFrame) -> Shares:
        """Return that share of all values together, and feature by feature for those with any value."""
        if not self.ranges:
            return Shares(0.0, {})
        # One matrix instead of a query per feature: this is on the path of every decision. Nulls become NaN.
        values = rows.select(pl.col(list(self.ranges)).cast(pl.Float64)).to_numpy()
        least, most = np.array([*self.ranges.values()]).T
        outside = np.count_nonzero((values < least) | (values > most), axis=0).tolist()
        known = np.count_nonzero(~np.isnan(values), axis=0).tolist()
        total = sum(known)
        by_feature = {name: far / count for name, far, count in zip(self.ranges, outside, known, strict=True) if count}
        return Shares(sum(outside) / total if total else 0.0, by_feature)


def _thin_out(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of every n-th hour, as few as keep below `_MOST_ROWS`; n shares no factor with a week's hours."""
    count = rows.select(pl.len()).collect().item()
    step = ceil(count / _MOST_ROWS)
    while step > 1 and gcd(step, _WEEK_H) != 1:  # else some hours of the day, or days of the week, would be left out
        step += 1
    return rows if step <= 1 else rows.filter(pl.col(EVENT_TIME).dt.epoch("s") // 3600 % step == 0)


def _find_range(column: pl.Series) -> Range | None:
    known = column.cast(pl.Float64).fill_nan(None).drop_nulls()
    if len(known) < _LEAST_ROWS:
        return None
    low, high = known.quantile(_LOW, "nearest"), known.quantile(_HIGH, "nearest")
    assert low is not None
    assert high is not None
    return Range(2 * low - high, 2 * high - low) if high > low else None


class Drift:
    """What of the inputs has drifted away from what the champion was trained on; it is read once per champion."""

    def __init__(self, layout: Layout, limits: LimitSettings) -> None:
        self._layout = layout
        self._most = limits.drift
        self._known: tuple[tuple[str, str, str], KnownRanges] | None = None
        self.seen: Shares | None = None
        """What the rows that were last looked at had outside."""

    def find_refusal(self, model: ModelRef, rows: pl.DataFrame) -> str | None:
        """Return why nothing may be opened on these rows of the model's service, or None. Raises DataError."""
        if self._known is None or self._known[0] != model.key:
            until = datetime.fromisoformat(model.train_end)
            self._known = model.key, KnownRanges.read(self._layout, model.service, until)
        self.seen = self._known[1].find_shares(rows)
        share = self.seen.together
        if share <= self._most:
            return None
        return f"limits.drift: {share:.1%} of the features are far outside of training's, the limit is {self._most:.1%}"
