"""What features must not be computed from: hours and settlements with rows that are held back.

An instant is held back when a row of it lies in quarantine, neither released nor repaired, and the lake has no accepted
row for it (a refused correction leaves the accepted row in force). What depends on it is null, in backfill and live
alike: an hour with a held-back minute has no minutes at all, hence no bar; a value that lasts until the next one (a
settlement, a sample of open interest) is null from the held-back instant on instead of the older one living longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT, RawDataset
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE
from pairity.digest import digest_bytes
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import DAY, HISTORY_LAG, HOUR, month_start
from validation.quarantine import read_items, read_withheld_instants

LASTING = frozenset({"funding", "open_interest"})
"""Datasets whose newest row stays in force until the next."""
_ALSO_HIDDEN_BY = {"candles_1h": ("candles_1m",)}
"""The venue's own hour of a minute that cannot be right is made of that minute."""
_TICK = timedelta(microseconds=1)
Withheld = tuple[datetime, str, str]
"""Month, name and digest of something that changes what features are computed from."""


@dataclass(frozen=True)
class HeldBack:
    """The held-back instants (dataset, asset, time) of one moment, and the feature rows that were released."""

    instants: pl.DataFrame
    released: tuple[Withheld, ...] = ()

    @classmethod
    def of(cls, layout: Layout, lake: Lake) -> HeldBack:
        """Read the quarantine and compare it with the lake."""
        found = read_withheld_instants(layout, venue_of(lake))
        parts = [
            _not_stored(lake, str(name), str(asset), own)
            for (name, asset), own in found.group_by("dataset", "asset", maintain_order=True)
        ]
        released = [
            (month_start(item.first - _TICK), f"released/{item.dataset}", item.id)
            for item in read_items(layout, state="released")
            if item.dataset not in DATASETS and item.first is not None
        ]
        return cls(pl.concat([found.clear(), *parts]), tuple(released))

    def of_asset(self, dataset: str, asset: str) -> pl.Series:
        """Held-back instants of one dataset and asset, ascending."""
        return self.instants.filter(dataset=dataset, asset=asset)["time"]

    def withheld(self, assets: Iterable[str]) -> tuple[Withheld, ...]:
        """One digest per month, dataset and asset: part of what a month's features are computed from."""
        own = self.instants.filter(pl.col("asset").is_in(list(assets)))
        grouped = own.group_by(pl.col("time").dt.truncate("1mo").alias("month"), "dataset", "asset").agg(
            pl.col("time").sort().dt.to_string()
        )
        held = [
            (month, f"held/{name}/{asset}", digest_bytes("\n".join(times).encode()))
            for month, name, asset, times in grouped.sort("month", "dataset", "asset").iter_rows()
        ]
        return (*held, *self.released)

    def hide(self, name: str, rows: pl.LazyFrame, since: datetime, until: datetime) -> pl.LazyFrame:
        """`rows` (asset, the dataset's columns) without what must not be used, sorted by asset and time."""
        dataset = DATASETS[name]
        causes = (name, *_ALSO_HIDDEN_BY.get(name, ()))
        held = self.instants.filter(
            pl.col("dataset").is_in(causes), pl.col("time").is_between(since - DAY, until + DAY)
        )
        if not held.height:
            return rows
        if name in LASTING:
            return _with_markers(dataset, rows, held.filter(pl.col("time").is_between(since, until, closed="left")))
        blocked = held.lazy().select("asset", _period(dataset, "time")).unique()
        with_period = rows.with_columns(_period(dataset, dataset.time))
        return with_period.join(blocked, on=["asset", "_period"], how="anti", maintain_order="left").drop("_period")


def venue_of(lake: Lake) -> str:
    """How the quarantine calls the lake's venue: the one that is traded has no name there."""
    return "" if lake.venue == HOME_VENUE else lake.venue


def reader(settings: Settings, lake: Lake, held: HeldBack) -> Callable[[str, datetime, datetime], pl.LazyFrame]:
    """How features read raw rows: the newest known of the universe, without what is held back."""

    def read(name: str, since: datetime, until: datetime) -> pl.LazyFrame:
        return held.hide(name, lake.scan(name, settings.universe.assets, since, until), since, until)

    return read


def _not_stored(lake: Lake, name: str, asset: str, held: pl.DataFrame) -> pl.DataFrame:
    first, last = held["time"].min(), held["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    stored = lake.scan(name, [asset], first, last + _TICK).select(pl.col(DATASETS[name].time).alias("time")).collect()
    return held.join(stored, on="time", how="anti", maintain_order="left")


def _with_markers(dataset: RawDataset, rows: pl.LazyFrame, held: pl.DataFrame) -> pl.LazyFrame:
    """A row without values at each held-back instant: from there on nothing is known."""
    nothing = [pl.lit(None, pl.Float64).alias(name) for name in dataset.values]
    known = (pl.col("time") + dataset.known_after + HISTORY_LAG).cast(INSTANT).alias(KNOWN_AT)
    markers = held.lazy().select("asset", pl.col("time").alias(dataset.time), *nothing, known)
    return pl.concat([rows, markers]).sort("asset", dataset.time)


def _period(dataset: RawDataset, time: str) -> pl.Expr:
    """The close of the hour (of the row's own period where that is longer) in which a row is used."""
    length = max(dataset.every or HOUR, HOUR)
    floor = pl.col(time).dt.truncate(length)
    if dataset.time == "open_time":
        return (floor + length).alias("_period")
    return pl.when(pl.col(time) == floor).then(floor).otherwise(floor + length).alias("_period")
