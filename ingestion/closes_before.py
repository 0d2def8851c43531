"""The last accepted close before a batch: without it a level that is wrong from the first row on shows no jump."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from feature_repo.raw_datasets import RawDataset
from ingestion.lake import Lake
from ingestion.withheld import WithheldRows
from validation.row_verdicts import Verdicts
from validation.sequence_rules import find_longest_comparable_hole, is_round_factor

_FAR = timedelta(days=366)
"""How long before its first row an asset's last close is looked for, where the units may have changed since."""


@dataclass(frozen=True, slots=True)
class _LastClose:
    """The last accepted close of an asset's month; rows that are withheld bridge the way from it up to `until`."""

    time: datetime
    close: float
    until: datetime


@dataclass(slots=True)
class CloseCarrier:
    """Finds the closes before a month of one dataset: those of the month before in the same run, else the lake's.

    All are in the newest unit of their asset.
    """

    lake: Lake
    before: WithheldRows
    _carried: dict[str, _LastClose] = field(default_factory=dict)

    def find(self, kind: RawDataset, rows: pl.DataFrame) -> dict[str, float]:
        """Return per asset the last accepted close shortly before its first row; assets without one are left out.

        Across a hole, however long (a year at most), it is returned where the first row is about a power of ten away:
        the contract was redenominated meanwhile. Elsewhere the price may have become another one.

        Rows that are withheld bridge the way to it: a level that was wrong for days does not become right by that.
        """
        if "close" not in kind.values:
            return {}
        hole = find_longest_comparable_hole(kind)
        ordered = rows.drop_nulls(kind.time).sort("asset", kind.time)
        ordered = self._express(kind, ordered)
        firsts = ordered.group_by("asset", maintain_order=True).agg(pl.col(kind.time, "close").first())
        found: dict[str, float] = {}
        far: dict[str, float] = {}
        sought: list[tuple[str, datetime, datetime]] = []
        opened = dict(firsts.select("asset", "close").iter_rows())
        for asset, first in firsts.select("asset", kind.time).iter_rows():
            carried = self._carried.get(asset)
            if carried is not None and first - carried.until <= hole:
                found[asset] = carried.close
            elif carried is not None:
                far[asset] = carried.close
            else:
                sought.append((asset, self._bridge(kind, asset, first) - hole, first))
        # Nearly always the bar before is there, and the newest hours are in memory: no month file is opened for them.
        last_bar = 2 * kind.known_after
        near = [(asset, max(since, first - last_bar), first) for asset, since, first in sought]
        found |= self._look_up(kind, near)
        found |= self._look_up(kind, [item for item in sought if item[0] not in found])
        beyond = [(asset, since, first) for asset, since, first in sought if asset not in found]
        far |= self._look_up(kind, [(asset, first - _FAR, first) for asset, _, first in beyond])
        # Rows that continue what is withheld are measured by what was accepted before it, others only by their units.
        withheld = {asset for asset, since, first in beyond if since < first - hole}
        return found | {a: close for a, close in far.items() if a in withheld or _is_other_unit(close, opened[a])}

    def carry(self, kind: RawDataset, split: Verdicts) -> None:
        """Note the last accepted closes of a month for the next, and until when rows after them were withheld."""
        if "close" not in kind.values:
            return
        newest = (
            self._express(kind, split.accepted.sort(kind.time)).group_by("asset").agg(pl.col(kind.time, "close").last())
        )
        accepted = {asset: (at, float(close)) for asset, at, close in newest.select("asset", kind.time, "close").rows()}
        wrong = dict(split.withheld.group_by("asset").agg(pl.col(kind.time).max()).rows())
        for asset in {*accepted, *(wrong.keys() & self._carried.keys())}:
            if asset in accepted:
                at, close = accepted[asset]
            else:
                at, close = self._carried[asset].time, self._carried[asset].close
            last = wrong.get(asset)
            self._carried[asset] = _LastClose(at, close, until=max(at, last) if last is not None else at)

    def _express(self, kind: RawDataset, rows: pl.DataFrame) -> pl.DataFrame:
        return self.before.units.express(kind, rows.lazy()).collect() if self.before.units.steps else rows

    def _bridge(self, kind: RawDataset, asset: str, first: datetime) -> datetime:
        since = first
        if self.before.instants.height:
            for instant in reversed(self.before.of_asset(kind.name, asset).to_list()):
                if instant < since and since - instant <= find_longest_comparable_hole(kind):
                    since = instant
        return since

    def _look_up(self, kind: RawDataset, sought: list[tuple[str, datetime, datetime]]) -> dict[str, float]:
        if not sought:
            return {}
        ranges = {asset: (since, first) for asset, since, first in sought}
        since, until = min(since for since, _ in ranges.values()), max(first for _, first in ranges.values())
        stored = self.before.units.express(kind, self.lake.scan(kind.name, ranges, since, until))
        near = stored.select("asset", kind.time, "close").collect()
        found: dict[str, float] = {}
        for asset, at, close in near.iter_rows():  # by asset and time: the last one stays
            if ranges[asset][0] <= at < ranges[asset][1]:
                found[asset] = float(close)
        return found


def _is_other_unit(before: float, close: float | None) -> bool:
    """Return whether two closes are about a power of ten apart; a close that is no price says nothing."""
    if close is None or not 0 < close < math.inf or not 0 < before < math.inf:
        return False
    return is_round_factor(math.log(close / before))
