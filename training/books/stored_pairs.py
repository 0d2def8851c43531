"""What models of outcomes ask of pairs, as the feature store has it: at each decision the newest known version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_BOOKS, PAIR_SPREADS, View
from feature_repo.raw_datasets import instant
from model_registry.outcome_fits import PAIR_COLUMNS, list_pairs, read_pair_columns
from pairity.layout import Layout
from pairity.settings import Settings
from training.books.pair_features import compute_pair_columns
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
_SPAN = timedelta(days=30)
"""Closes that are read at once: rows ascend, and thousands of pairs do not fit into memory for years."""
_VIEWS, _COLUMNS = (PAIR_BOOKS, PAIR_SPREADS), set(PAIR_COLUMNS)


class StoredPairs:
    """Reader of `pair_books` and `pair_spreads`, as `FeatureHistory` asks for the columns of pairs.

    Which version of a row is seen is as of `StoredScores`. What the views do not have is computed from the bars that
    were known at the decision, by the same kernels: pairs of names outside `universe.pair_assets`, closes of other
    hours, and hours of before a view was first computed in this data directory.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings, self._now = settings, now
        self._layout = Layout.of(settings)
        self._ids = {tuple(sorted(pair.assets)): pair for pair in settings.universe.pairs}
        self._span: tuple[datetime, datetime] | None = None
        self._rows: Mapping[tuple[datetime, str], dict[str, float]] = {}

    def __call__(self, panel: BookPanel, hour: int, names: tuple[str, ...]) -> Floats:
        """Return the pairs of `names` (sorted) × `PAIR_COLUMNS` at row `hour`; NaN where one is not known."""
        close, wanted = panel.close_of(hour), list_pairs(names)
        known = [self._ids.get(pair) for pair in wanted]
        if int(close.timestamp()) % int(PAIR_SPREADS.every.total_seconds()) or not any(known):
            return compute_pair_columns(panel, hour, names)
        self._read(close)
        rows = [None if own is None else self._rows.get((close, own.pair_id)) for own in known]
        whole = all(row is not None and row.keys() == _COLUMNS for row in rows)
        found = np.empty((len(wanted), len(PAIR_COLUMNS))) if whole else compute_pair_columns(panel, hour, names)
        for place, (own, row, pair) in enumerate(zip(known, rows, wanted, strict=True)):
            if own is not None and row is not None and row.keys() == _COLUMNS:
                found[place] = read_pair_columns(row, turned=own.base != pair[0])
        return found

    def _read(self, close: datetime) -> None:
        if self._span is not None and self._span[0] <= close < self._span[1]:
            return
        self._span = close, close + _SPAN
        rows: dict[tuple[datetime, str], dict[str, float]] = {}
        for view in _VIEWS:
            names = [name for name in view.feature_names if name in PAIR_COLUMNS]
            for pair_id, event, *values in self._read_view(view, names).iter_rows():
                rows.setdefault((event, pair_id), {}).update(zip(names, values, strict=True))
        self._rows = rows

    def _read_view(self, view: View, names: list[str]) -> pl.DataFrame:
        from feature_repo.offline_files import scan_view

        assert self._span is not None
        stored = scan_view(self._layout, view)
        in_time = pl.min_horizontal(pl.col(EVENT_TIME) + self._settings.features.decision_lag, instant(self._now))
        return (
            stored.filter(
                pl.col(EVENT_TIME).is_between(*self._span, closed="left"),
                pl.col(CREATED_TIME) <= in_time,
            )
            .select("pair_id", EVENT_TIME, CREATED_TIME, *names)
            .sort("pair_id", EVENT_TIME, CREATED_TIME)
            .unique(["pair_id", EVENT_TIME], keep="last", maintain_order=True)
            .drop(CREATED_TIME)
            .collect()
        )
