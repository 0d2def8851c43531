"""Drift of inputs: features far outside of what a model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import ceil, gcd
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME, Service, find_view
from feature_repo.offline_files import scan_view
from model_registry.drift_file import Range, find_range, read_drift_file, read_ranges
from model_registry.records import DRIFT_TAG, ModelRef
from pairity.errors import PairityError
from pairity.layout import Layout
from pairity.trading_settings import LimitSettings

_MOST_ROWS = 500_000
"""Rows of so many hours, evenly spread over all that is stored, are read where there are more: a year of 45 pairs is
below it. Memory does not grow with history, and a quantile of half a million rows is as good as one of all."""
_AT_ONCE = 8
"""Features that are read together."""
_WEEK_H = 168
_NAMED = 3
"""Features and pairs with the most outside that a reason names."""
_PAIR = "pair_id"
Flags = NDArray[np.bool_]


class Shares(NamedTuple):
    """Shares of values that are far outside: of all values together, of those of each feature and of each entity."""

    together: float
    by_feature: dict[str, float]
    by_entity: dict[str, float]

    def name_furthest(self) -> str:
        """Return in words which features and which entities have the most outside; empty where none has any."""
        said = [_name_highest(shares) for shares in (self.by_feature, self.by_entity)]
        return "; ".join(words for words in said if words)


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
                found = find_range(column)
                if found is not None:
                    ranges[column.name] = found
        return cls(ranges)

    def find_share_outside(self, rows: pl.DataFrame) -> float:
        """Return the share of values in `rows` (one column per feature) that are far outside; 0 without any value.

        Nulls and NaN are no values: what is missing is seen elsewhere.
        """
        return self.find_shares(rows).together

    def find_shares(self, rows: pl.DataFrame) -> Shares:
        """Return that share of all values together, and by feature and by entity for those with any value.

        Entities are the pairs, or where there is no such column the numbers of the rows.
        """
        if not self.ranges:
            return Shares(0.0, {}, {})
        # One matrix instead of a query per feature: this is on the path of every decision. Nulls become NaN.
        values = rows.select(pl.col(list(self.ranges)).cast(pl.Float64)).to_numpy()
        least, most = np.array([*self.ranges.values()]).T
        far, known = (values < least) | (values > most), ~np.isnan(values)
        total = int(np.count_nonzero(known))
        names = rows[_PAIR].to_list() if _PAIR in rows.columns else [str(number) for number in range(len(values))]
        return Shares(
            int(np.count_nonzero(far)) / total if total else 0.0,
            _share(self.ranges, far, known, axis=0),
            _share(names, far, known, axis=1),
        )


def _share(names: Iterable[str], far: Flags, known: Flags, *, axis: int) -> dict[str, float]:
    counts = zip(
        names, np.count_nonzero(far, axis=axis).tolist(), np.count_nonzero(known, axis=axis).tolist(), strict=True
    )
    return {name: outside / count for name, outside, count in counts if count}


def _name_highest(shares: Mapping[str, float]) -> str:
    highest = sorted(((share, name) for name, share in shares.items() if share > 0), key=lambda one: (-one[0], one[1]))
    return ", ".join(f"{name} {share:.0%}" for share, name in highest[:_NAMED])


def _thin_out(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows of every n-th hour, as few as keep below `_MOST_ROWS`; n shares no factor with a week's hours."""
    count = rows.select(pl.len()).collect().item()
    step = ceil(count / _MOST_ROWS)
    while step > 1 and gcd(step, _WEEK_H) != 1:  # else some hours of the day, or days of the week, would be left out
        step += 1
    return rows if step <= 1 else rows.filter(pl.col(EVENT_TIME).dt.epoch("s") // 3600 % step == 0)


class Drift:
    """What of the inputs has drifted away from what the champion was trained on; it is read once per champion."""

    def __init__(self, layout: Layout, limits: LimitSettings) -> None:
        self._layout = layout
        self._most = limits.drift
        self._known: tuple[tuple[str, str, str], KnownRanges] | None = None
        self.seen: Shares | None = None
        """What the rows that were last looked at had outside."""

    def find_refusal(self, model: ModelRef, rows: pl.DataFrame) -> str | None:
        """Return why nothing may be opened on these rows of the model's service, or None. Raises DataError.

        The ranges are those that were frozen with the model; where these cannot be read, that is the reason, and exits
        go on. Of a version of a release without them, what is stored up to the end of its training is read.
        """
        if self._known is None or self._known[0] != model.key:
            if DRIFT_TAG in model.tags:
                try:
                    ranges = KnownRanges(read_ranges(read_drift_file(self._layout, model)))
                except PairityError as error:
                    return f"limits.drift: nothing to compare the features with: {error.what}"
            else:
                ranges = KnownRanges.read(self._layout, model.service, datetime.fromisoformat(model.train_end))
            self._known = model.key, ranges
        self.seen = self._known[1].find_shares(rows)
        share = self.seen.together
        if share <= self._most:
            return None
        return (
            f"limits.drift: {share:.1%} of the features are far outside of training's, the limit is {self._most:.1%} "
            f"(most: {self.seen.name_furthest()})"
        )
