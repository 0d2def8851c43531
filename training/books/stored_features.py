"""Features of a panel's names as the feature store has them: at each decision the newest version that was known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.catalog import ASSET_BOOKS, CREATED_TIME, EVENT_TIME
from feature_repo.raw_datasets import instant
from feature_repo.transforms.asset_books import BOOK_COLUMNS
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings
from training.books.history_features import DayRows
from training.books.panel import BookPanel


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """Reader of the published rows of `asset_books`, as `FeatureHistory` asks for them.

    A decision at a close sees the newest version of that close's row whose `created_timestamp` is not later than
    `features.decision_lag` after the close, nor than `now`: what the feature store's point-in-time join returns then. A
    name without one is not known at that decision; no older row stands in.
    """

    settings: Settings
    now: datetime

    def __call__(self, panel: BookPanel, begin: int) -> DayRows:
        """Return the rows of `panel` that lie whole days after its row `begin`.

        MissingDataError where nothing is published of the view.
        """
        from feature_repo.offline_files import scan_view

        days = DayRows.empty(panel, begin)
        stored = scan_view(Layout.of(self.settings), ASSET_BOOKS)
        hours = (pl.col(EVENT_TIME) - instant(panel.start)).dt.total_hours()
        place = {name: column for column, name in enumerate(panel.names)}
        in_time = pl.min_horizontal(pl.col(EVENT_TIME) + self.settings.features.decision_lag, instant(self.now))
        rows = (
            stored.filter(
                pl.col(EVENT_TIME).is_between(panel.close_of(begin), panel.close_of(panel.hours - 1)),
                hours % 24 == begin,
                pl.col("asset").is_in(list(panel.names)),
                pl.col(CREATED_TIME) <= in_time,
            )
            .sort("asset", EVENT_TIME, CREATED_TIME)
            .unique(["asset", EVENT_TIME], keep="last", maintain_order=True)
            .with_columns((hours // 24).alias("__day"))
            .collect()
        )
        if rows.is_empty() and stored.limit(1).collect().is_empty():
            raise MissingDataError(
                f"no rows of {ASSET_BOOKS.name} are stored, from which books choose names",
                "run `pairity features`: it computes them from what is collected",
            )
        day = rows["__day"].to_numpy()
        column = rows["asset"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
        days.bars[day, column] = rows["bars"].to_numpy()
        days.values[day, column] = np.column_stack([rows[name].fill_null(np.nan).to_numpy() for name in BOOK_COLUMNS])
        return days
