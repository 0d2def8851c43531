"""Quarantine: rows that were withheld, with the rules they broke, until they are released or repaired.

`Quarantine` is what one run knows of it. The run walks through the folders once, whatever the number of instruments and
views, and its own changes show at once. Only one process at a time (the data directory's writer) may change anything;
what others do in the meantime shows in the next run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT
from pairity.layout import Layout
from pairity.references import find_named
from validation.quarantine_items import REASON, QuarantineItem, State, keep_item, read_item, record_action
from validation.row_rules import find_time_column
from validation.row_verdicts import BROKEN, ReleasedRows, list_value_columns

__all__ = ["Quarantine", "QuarantineItem", "find_item", "read_items", "record_action"]


@dataclass(slots=True)
class Quarantine:
    """All items of a data directory, as one run found them and as it changed them; rows are read when asked for."""

    layout: Layout
    _items: dict[Path, QuarantineItem]
    _rows: dict[Path, pl.DataFrame] = field(default_factory=dict)

    @classmethod
    def read(cls, layout: Layout) -> Quarantine:
        """Read all items; LakeCorruptError names a file that cannot be read."""
        items = (read_item(path) for path in _walk(layout.quarantine))
        return cls(layout, {item.path: item for item in items})

    def list_items(
        self,
        dataset: str | None = None,
        entity: str | None = None,
        *,
        venue: str | None = None,
        state: State | None = None,
    ) -> list[QuarantineItem]:
        """Return the items by dataset, partition and age, all or those of what is given (venue: see the item)."""
        found = (
            item
            for item in self._items.values()
            if dataset in {None, item.dataset}
            and entity in {None, item.entity}
            and venue in {None, item.venue}
            and state in {None, item.state}
        )
        return sorted(found, key=lambda item: (item.dataset, item.key, item.at, item.id))

    def withhold(self, dataset: str, key: str, withheld: pl.DataFrame, *, now: datetime) -> list[QuarantineItem]:
        """Put `withheld` rows (with `broken_rules`) into quarantine; return the items that are new or open again.

        There is one item per combination of rules. Rows that are withheld already for the same rules make no new item.
        """
        changed = []
        for (names,), rows in withheld.group_by(pl.col(BROKEN).list.join("+"), maintain_order=True):
            rules = str(names).split("+")
            known = [
                item
                for item in self.list_items(dataset, state="held")
                if item.key == key and item.rules == tuple(rules)
            ]
            new_rows = self._without(rows, known)
            if new_rows.height:
                item = keep_item(self.layout, dataset, key, rules, new_rows, now)
                self._items[item.path] = item
                changed.append(item)
        return changed

    def record(self, item: QuarantineItem, action: str, reason: str, *, now: datetime) -> None:
        """Append one action to the item's journal."""
        record_action(item, action, reason, now=now)
        self._items[item.path] = read_item(item.path / REASON)

    def read_rows(self, item: QuarantineItem) -> pl.DataFrame:
        """Read the rows of an item as they came, with `broken_rules`; once per run."""
        if item.path not in self._rows:
            self._rows[item.path] = item.read_rows()
        return self._rows[item.path]

    def list_released(self, dataset: str, venue: str = "") -> list[ReleasedRows]:
        """Return the rows of a raw dataset or view that a person has declared right, by asset or pair and age."""
        return [
            ReleasedRows(item.entity, frozenset(item.rules), self.read_rows(item), item.journal[-1].at)
            for item in self.list_items(dataset, venue=venue, state="released")
        ]

    def list_withheld_instants(self, venue: str = "") -> pl.DataFrame:
        """Return dataset, asset and time of every raw row of a venue that is neither released nor repaired."""
        by_dataset: dict[str, list[QuarantineItem]] = {}
        for item in self.list_items(venue=venue, state="held"):
            if item.dataset in DATASETS:
                by_dataset.setdefault(item.dataset, []).append(item)
        schema: dict[str, pl.DataType] = {"dataset": pl.String(), "asset": pl.String(), "time": INSTANT}
        frames = [_read_instants(dataset, items) for dataset, items in by_dataset.items()]
        instants = pl.concat([pl.DataFrame(schema=schema), *frames])
        return instants.drop_nulls().unique().sort("dataset", "asset", "time")

    def explain_withheld(self, event: datetime, since: datetime) -> dict[str, str]:
        """Explain per asset or pair which of its rows in [since, event] are withheld: why features are missing."""
        lines_by_entity: dict[str, list[str]] = {}
        for item in self.list_items(state="held"):
            if item.first is not None and item.last is not None and item.first <= event and item.last >= since:
                lines = lines_by_entity.setdefault(item.entity, [])
                lines.append(f"held back: {item.dataset} {'+'.join(item.rules)} ({item.id})")
        return {entity: "; ".join(lines) for entity, lines in lines_by_entity.items()}

    def _without(self, rows: pl.DataFrame, known: Iterable[QuarantineItem]) -> pl.DataFrame:
        on = list_value_columns(rows)
        for item in known:
            have = self.read_rows(item).select(on)
            rows = rows.join(have, on=on, how="anti", nulls_equal=True, maintain_order="left")
        return rows


def read_items(layout: Layout, *, state: State | None = None) -> list[QuarantineItem]:
    """Return all items by dataset, partition and age; LakeCorruptError names a file that cannot be read."""
    return Quarantine.read(layout).list_items(state=state)


def find_item(layout: Layout, id_: str) -> QuarantineItem:
    """Return the item whose id begins with `id_`; `latest` is the newest.

    UnknownNameError names the nearest ids, ConfigError says that several begin so.
    """
    everything = sorted(read_items(layout), key=lambda item: item.at, reverse=True)
    chosen = find_named("quarantine item", id_, [item.id for item in everything])
    return next(item for item in everything if item.id == chosen)


def _read_instants(dataset: str, items: Sequence[QuarantineItem]) -> pl.DataFrame:
    """Return dataset, asset and time of all rows of items of one dataset, read in one go."""
    for item in items:
        if not item.rows_path.is_file():  # a scan would wait for a pipe
            item.read_rows()
    time = find_time_column(dataset)
    assets = {str(item.rows_path): item.entity for item in items}
    rows = pl.scan_parquet(
        list(assets),
        glob=False,
        hive_partitioning=False,
        schema={time: INSTANT},
        extra_columns="ignore",
        include_file_paths="_path",
    )
    asset = pl.col("_path").replace_strict(assets, return_dtype=pl.String).alias("asset")
    try:
        return rows.select(pl.lit(dataset).alias("dataset"), asset, pl.col(time).alias("time")).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        for item in items:  # the one that cannot be read names itself
            item.read_rows()
        raise


def _walk(root: Path) -> Iterator[Path]:
    """Yield the reasons of all items; what a writer has not finished is hidden."""
    for dataset in _folders(root):
        for partition in _folders(dataset):
            for item in _folders(partition):
                reason = Path(item, REASON)
                if reason.exists():
                    yield reason


def _folders(folder: str | Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except FileNotFoundError:
        return []
