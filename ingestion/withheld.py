"""What features must not be computed from: hours and settlements with rows that are withheld.

An instant is withheld when a row of it lies in quarantine, neither released nor repaired, and the lake has no accepted
row for it (a refused correction leaves the accepted row in force). What depends on it is null, in backfill and live
alike. An hour with a withheld minute has no minutes at all, hence no bar. A value that lasts until the next one (a
settlement, a sample of open interest) is null from the withheld instant on; the older value does not live longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, RawDataset
from feature_repo.redenominations import NO_CHANGES, Units, read_units
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE
from pairity.digest import digest_bytes
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, month_start
from validation.quarantine import Quarantine

LASTING = frozenset({"funding", "open_interest"})
"""Datasets whose newest row stays in force until the next."""
_ALSO_HIDDEN_BY = {"candles_1h": ("candles_1m",)}
"""The venue's own hour of a minute that cannot be right is made of that minute."""
# The smallest step between instants: it makes an upper bound inclusive, and it moves an event at the first instant of
# a month, which is a close, into the month that ends there.
_STEP = timedelta(microseconds=1)
MonthInput = tuple[datetime, str, str]
"""Month, name and digest of something that changes what features are computed from."""


@dataclass(frozen=True)
class WithheldRows:
    """What features are computed from besides the lake's rows: what is withheld, what was released, and units.

    `instants` are those (dataset, asset, time) that are withheld, `released` the feature rows that were released, and
    `units` says in which coins rows are counted.
    """

    instants: pl.DataFrame
    released: tuple[MonthInput, ...] = ()
    units: Units = NO_CHANGES

    @classmethod
    def of(cls, layout: Layout, lake: Lake, quarantine: Quarantine | None = None) -> WithheldRows:
        """Compare the quarantine with the lake; a run that has read the quarantine gives it."""
        quarantine = quarantine or Quarantine.read(layout)
        quarantined = quarantine.list_withheld_instants(quarantine_venue(lake))
        parts = [
            _not_stored(lake, str(name), str(asset), own)
            for (name, asset), own in quarantined.group_by("dataset", "asset", maintain_order=True)
        ]
        released = [
            (month_start(item.first - _STEP), f"released/{item.dataset}", item.id)
            for item in quarantine.list_items(state="released")
            if item.dataset not in DATASETS and item.first is not None
        ]
        return cls(pl.concat([quarantined.clear(), *parts]), tuple(released), read_units(layout, lake.venue))

    def of_asset(self, dataset: str, asset: str) -> pl.Series:
        """Withheld instants of one dataset and asset, ascending."""
        return self.instants.filter(dataset=dataset, asset=asset)["time"]

    def list_inputs(self, assets: Iterable[str]) -> tuple[MonthInput, ...]:
        """Return one digest per month, dataset and asset: part of what a month's features are computed from."""
        own = self.instants.filter(pl.col("asset").is_in(list(assets)))
        grouped = own.group_by(pl.col("time").dt.truncate("1mo").alias("month"), "dataset", "asset").agg(
            pl.col("time").sort().dt.to_string()
        )
        withheld = [
            # The name is part of stored digests: another one would make every month with withheld rows due again.
            (month, f"held/{name}/{asset}", digest_bytes("\n".join(times).encode()))
            for month, name, asset, times in grouped.sort("month", "dataset", "asset").iter_rows()
        ]
        return (*withheld, *self.released)

    def hide(self, name: str, rows: pl.LazyFrame, since: datetime, until: datetime) -> pl.LazyFrame:
        """Return `rows` (asset, the dataset's columns) without what must not be used, sorted by asset and time."""
        if self.instants.is_empty():
            return rows
        kind = DATASETS[name]
        causes = (name, *_ALSO_HIDDEN_BY.get(name, ()))
        # A day more on both sides: a withheld row outside the range can lie in an hour or a day that reaches into it.
        near = pl.col("dataset").is_in(causes), pl.col("time").is_between(since - DAY, until + DAY)
        withheld = self.instants.filter(*near)
        if not withheld.height:
            return rows
        if name in LASTING:
            return _with_markers(kind, rows, withheld.filter(pl.col("time").is_between(since, until, closed="left")))
        blocked = withheld.lazy().select("asset", _period(kind, "time")).unique()
        with_period = rows.with_columns(_period(kind, kind.time))
        return with_period.join(blocked, on=["asset", "_period"], how="anti", maintain_order="left").drop("_period")


def quarantine_venue(lake: Lake) -> str:
    """Return how the quarantine calls the lake's venue: the one that is traded has no name there."""
    return "" if lake.venue == HOME_VENUE else lake.venue


def make_reader(
    settings: Settings, lake: Lake, withheld: WithheldRows
) -> Callable[[str, datetime, datetime], pl.LazyFrame]:
    """Return how features read raw rows: the newest known of the universe, without those that are withheld.

    They are in the newest unit of their asset (`feature_repo.redenominations`).
    """

    def read(name: str, since: datetime, until: datetime) -> pl.LazyFrame:
        rows = withheld.units.express(DATASETS[name], lake.scan(name, settings.universe.assets, since, until))
        return withheld.hide(name, rows, since, until)

    return read


def _not_stored(lake: Lake, name: str, asset: str, withheld: pl.DataFrame) -> pl.DataFrame:
    """Return the instants for which the lake has no accepted row."""
    first, last = withheld["time"].min(), withheld["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    stored = lake.scan(name, [asset], first, last + _STEP).select(pl.col(DATASETS[name].time).alias("time")).collect()
    return withheld.join(stored, on="time", how="anti", maintain_order="left")


def _with_markers(kind: RawDataset, rows: pl.LazyFrame, withheld: pl.DataFrame) -> pl.LazyFrame:
    """Add a row without values at each withheld instant: from there on nothing is known."""
    nothing = [pl.lit(None, pl.Float64).alias(name) for name in kind.values]
    markers = withheld.lazy().select("asset", pl.col("time").alias(kind.time), *nothing)
    return pl.concat([rows, markers.with_columns(history_known_at(kind))]).sort("asset", kind.time)


def _period(kind: RawDataset, time: str) -> pl.Expr:
    """Return the close of the hour (of the row's own period where that is longer) in which a row is used."""
    length = max(kind.every or HOUR, HOUR)
    floor = pl.col(time).dt.truncate(length)
    if kind.time == "open_time":
        return (floor + length).alias("_period")
    # A settlement at the full hour is known at that close and used in the hour that ends there.
    return pl.when(pl.col(time) == floor).then(floor).otherwise(floor + length).alias("_period")
