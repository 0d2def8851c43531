"""What may be chosen about a trade sheet: the VWAP, the window of the return, the horizon of the Sharpe ratio."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from feature_repo.catalog import ASSET_HOURLY, ASSET_VWAP_DISTANCE, CREATED_TIME, EVENT_TIME, VWAP_DISTANCE
from feature_repo.offline_files import keep_newest, make_schema, scan_view
from feature_repo.transforms.vwap_distance import compute_vwap_distance, find_last_bar_close
from pairity.layout import Layout
from pairity.settings import Settings, VwapSettings
from pairity.timeline import HOUR, floor_to


@dataclass(frozen=True, slots=True)
class SheetChoice:
    """Choices of one sheet. Bars are those of `vwap.bar_hours`; None is `vwap.window_bars`."""

    vwap: Literal["weighted", "simple"] = "weighted"
    """`weighted` by volume, or the `simple` mean of the bars' central prices."""
    return_bars: int | None = None
    """`rolling_return` is from the first to the last close of so many bars."""
    sharpe_bars: int | None = None
    """`sharpe` is the return of so many bars over the standard deviation of their changes, scaled to as many."""

    def describe(self, universe: str | None = None) -> str:
        """Return what tells this sheet from the reference one, for the names of its files.

        >>> SheetChoice().describe(), SheetChoice("simple", 12).describe("top12")
        ('', '-top12-simple-r12')
        """
        parts = [
            universe,
            None if self.vwap == "weighted" else self.vwap,
            None if self.return_bars is None else f"r{self.return_bars}",
            None if self.sharpe_bars is None else f"s{self.sharpe_bars}",
        ]
        return "".join(f"-{part}" for part in parts if part is not None)


REFERENCE = SheetChoice()


def rank_again(rows: pl.DataFrame, choice: SheetChoice) -> pl.DataFrame:
    """Return `rows` (day, asset, features of a bar) with `vwap`, the distance from it, and its rank among them a day.

    `ranked_dist` and `assets_ranked` as in docs/formulas.md, Distance from VWAP; an asset without a distance has no
    rank, and is not counted.
    """
    if choice.vwap == "simple":
        simple = pl.col("vwap_simple")
        distance = pl.when(simple > 0).then(100.0 * (pl.col("close") - simple) / simple)
        rows = rows.with_columns(simple.alias("vwap"), distance.alias("dist_from_vwap"))
    signal = pl.col("dist_from_vwap")
    return rows.with_columns(
        (signal.rank("average").over("day") / signal.count().over("day")).alias("ranked_dist"),
        signal.count().over("day").cast(pl.Int64).alias("assets_ranked"),
    )


def empty_signals() -> list[pl.Expr]:
    """Return the columns of the ranking's features for a frame without rows."""
    types = make_schema(ASSET_VWAP_DISTANCE)
    return [pl.lit(None, types[name]).alias(name) for name in VWAP_DISTANCE.features]


def choose_windows(settings: Settings, rows: pl.DataFrame, decided: datetime, choice: SheetChoice) -> pl.DataFrame:
    """Return `rows` of one sheet with `rolling_return` and `sharpe` over the chosen windows.

    They are computed by the transform of the view itself, from the hours as they were known at the decision. Null where
    the window is not complete.
    """
    for column, bars in (("rolling_return", choice.return_bars), ("sharpe", choice.sharpe_bars)):
        if bars is not None and bars != settings.vwap.window_bars:
            found = _compute_window(settings, rows["asset"].to_list(), decided, bars).select("asset", column)
            rows = rows.drop(column).join(found, on="asset", how="left", maintain_order="left")
    return rows


def _compute_window(settings: Settings, assets: list[str], decided: datetime, bars: int) -> pl.DataFrame:
    own = VwapSettings(**(settings.vwap.model_dump() | {"window_bars": bars}))
    end = floor_to(decided, HOUR)
    start = end - (own.reach_hours + own.bar_hours) * HOUR
    hours = scan_view(Layout.of(settings), ASSET_HOURLY).filter(
        pl.col("asset").is_in(assets),
        pl.col(EVENT_TIME).is_between(start, end, closed="right"),
        pl.col(CREATED_TIME) <= decided + settings.features.decision_lag,
    )
    rows = compute_vwap_distance(keep_newest(hours, ASSET_HOURLY), start, end, own).collect()
    return rows.filter(pl.col(EVENT_TIME) == find_last_bar_close(decided, own))
