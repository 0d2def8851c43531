"""Rows that local files gave once and hold no longer: they stay in the lake, and are named.

A file that has lost rows may have been cleaned, cut or rotated. What was published from them stays known, so nothing is
removed; but nobody shall take the lake for the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.instant_runs import InstantRuns, Instants, round_down
from ingestion.lake import Lake
from ingestion.lake.spans import Span
from pairity.bounded_files import read_json_file
from pairity.durable import replace_file
from pairity.layout import Layout
from pairity.names import VENUE

_Key = tuple[str, str, str]
"""Root, dataset and asset."""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows of the lake that files below `root` gave once and hold no longer: how many, and the instant of the first."""

    asset: str
    dataset: str
    root: Path
    rows: int
    first: datetime


@dataclass(slots=True)
class GivenRows:
    """Which instants the files of each root gave for one venue, ever; of what was read now, what is gone.

    Instants are kept as coarsely as they must (`InstantRuns`): a minute or an hour counts as gone when nothing of it is
    left.
    """

    path: Path
    given: dict[_Key, InstantRuns] = field(default_factory=dict)
    unreadable: bool = False
    """Whether a record stands at `path` that cannot be read: what files held before it was damaged is not known."""
    _gone: dict[_Key, list[tuple[int, Instants]]] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: Layout, venue: str) -> GivenRows:
        """Return what is noted of a venue; nothing where it is the first time, or where the record is `unreadable`."""
        path = layout.root / "reference" / f"given-{VENUE.check(venue)}.json"
        try:
            given = {
                (str(item["root"]), str(item["dataset"]), str(item["asset"])): InstantRuns.parse(
                    item["unit"], item["runs"]
                )
                for item in read_json_file(path)
            }
        except FileNotFoundError:
            return cls(path)
        except (LookupError, TypeError, ValueError, AttributeError):
            return cls(path, unreadable=True)
        return cls(path, given)

    def note(self, root: Path, dataset: str, asset: str, span: Span, times: pl.Series) -> None:
        """Note that the files below `root` were read for `span` and gave rows of the instants `times` alone."""
        key = (str(root.resolve()), dataset, asset)
        before = self.given.get(key, InstantRuns())
        now = np.unique(times.cast(INSTANT).to_physical().to_numpy())
        if not before.runs and not now.size:
            return
        known = before.list_instants()
        since, until = pl.Series(span, dtype=INSTANT).to_physical().to_list()
        asked = known[(known >= since) & (known + before.unit <= until)]
        gone = np.setdiff1d(asked, round_down(now, before.unit))
        self._gone.setdefault(key, []).append((before.unit, gone))
        self.given[key] = InstantRuns.of(np.union1d(known, round_down(now, before.unit)), before.unit)

    def list_kept(self, lake: Lake) -> tuple[KeptRows, ...]:
        """Return what the lake has of the instants that are gone, sorted by asset and dataset."""
        found = [self._find_kept(lake, key, parts) for key, parts in self._gone.items()]
        return tuple(sorted((kept for kept in found if kept), key=lambda kept: (kept.asset, kept.dataset)))

    def save(self) -> None:
        """Write what was noted, if anything is new; the caller has the writer lock."""
        items = [
            {"root": root, "dataset": dataset, "asset": asset, "unit": own.unit, "runs": own.runs}
            for (root, dataset, asset), own in sorted(self.given.items())
        ]
        content = ("[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n").encode()
        if self._gone and (not self.path.exists() or self.path.read_bytes() != content):
            replace_file(self.path, content)

    def _find_kept(self, lake: Lake, key: _Key, parts: list[tuple[int, Instants]]) -> KeptRows | None:
        root, dataset, asset = key
        time, stored = DATASETS[dataset].time, []
        for unit, gone in parts:
            if gone.size:
                ends = pl.Series([int(gone[0]), int(gone[-1]) + unit], dtype=pl.Int64).cast(INSTANT)
                rows = lake.scan(dataset, [asset], ends[0], ends[1]).select(time).collect()[time]
                is_gone = np.isin(rows.to_physical().to_numpy() // unit * unit, gone)
                stored.append(rows.filter(pl.Series(is_gone, dtype=pl.Boolean)))
        own = pl.concat([pl.Series(time, dtype=INSTANT), *stored])
        first = own.min()
        if first is None:
            return None
        assert isinstance(first, datetime)
        return KeptRows(asset, dataset, Path(root), own.len(), first)
