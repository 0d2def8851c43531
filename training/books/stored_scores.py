"""Z-scores of pairs as the feature store has them: at each decision the newest version that was known."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import combinations

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_BOOKS
from feature_repo.raw_datasets import instant
from pairity.books.continuation import Z_COLUMN, PairNames
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from training.books.history_features import compute_z_scores
from training.books.panel import BookPanel

_SPAN = timedelta(days=30)
"""Closes that are read at once: rows ascend, and thousands of pairs do not fit into memory for years."""


class StoredScores:
    """Reader of `pair_books`, as `FeatureHistory` asks for z-scores.

    A decision at a close sees the newest version of that close's row whose `created_timestamp` is not later than
    `features.decision_lag` after the close, nor than `now`. A pair without one is not known at that decision. What the
    view does not have, pairs of names outside `universe.pair_assets` and closes of other hours, is computed from the
    bars by the same kernel.
    """

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._settings, self._now = settings, now
        self._layout = Layout.of(settings)
        self._ids = {tuple(sorted(pair.assets)): pair for pair in settings.universe.pairs}
        self._span: tuple[datetime, datetime] | None = None
        self._scores: dict[datetime, dict[str, float]] = {}

    def __call__(self, panel: BookPanel, hour: int, names: tuple[str, ...]) -> dict[PairNames, float]:
        """Return the z-scores of all pairs of `names` (sorted) that are known at row `hour`.

        MissingDataError where nothing is published of the view.
        """
        close = panel.close_of(hour)
        wanted: list[PairNames] = list(combinations(names, 2))
        if int(close.timestamp()) % int(PAIR_BOOKS.every.total_seconds()) or not any(
            pair in self._ids for pair in wanted
        ):
            return compute_z_scores(panel, hour, names)
        stored = self._read(close)
        computed = {} if all(pair in self._ids for pair in wanted) else compute_z_scores(panel, hour, names)
        found: dict[PairNames, float] = {}
        for one in wanted:
            pair = self._ids.get(one)
            if pair is None:
                score = computed.get(one)
            else:
                score = stored.get(pair.pair_id)
                score = -score if score is not None and pair.base != one[0] else score
            if score is not None:
                found[one] = score
        return found

    def _read(self, close: datetime) -> dict[str, float]:
        if self._span is None or not self._span[0] <= close < self._span[1]:
            self._span = close, close + _SPAN
            self._scores = self._read_span(*self._span)
        return self._scores.get(close, {})

    def _read_span(self, since: datetime, until: datetime) -> dict[datetime, dict[str, float]]:
        from feature_repo.offline_files import scan_view

        stored = scan_view(self._layout, PAIR_BOOKS)
        in_time = pl.min_horizontal(pl.col(EVENT_TIME) + self._settings.features.decision_lag, instant(self._now))
        rows = (
            stored.filter(
                pl.col(EVENT_TIME).is_between(since, until, closed="left"),
                pl.col(CREATED_TIME) <= in_time,
            )
            .select("pair_id", EVENT_TIME, CREATED_TIME, Z_COLUMN)
            .sort("pair_id", EVENT_TIME, CREATED_TIME)
            .unique(["pair_id", EVENT_TIME], keep="last", maintain_order=True)
            .drop_nulls(Z_COLUMN)
            .collect()
        )
        if rows.is_empty() and stored.limit(1).collect().is_empty():
            raise MissingDataError(
                f"no rows of {PAIR_BOOKS.name} are stored, from which books choose pairs",
                "run `pairity features`: it computes them from what is collected",
            )
        found: dict[datetime, dict[str, float]] = {}
        for pair_id, event, score in rows.select("pair_id", EVENT_TIME, Z_COLUMN).iter_rows():
            found.setdefault(event, {})[pair_id] = score
        return found
