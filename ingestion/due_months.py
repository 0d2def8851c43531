"""Which months' features must be computed: those whose inputs are not the ones they were last computed from.

The ledger holds, for each published month, one digest over everything that its chunk reads: the raw files from the
chunk's start on, their units, the universe, the feature settings, what the catalogue declares, and the end of the
range. New rows, corrections, another universe, a release with another view or column, and a run that was killed before
it published all show in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from feature_repo.catalog import VIEWS, View
from feature_repo.raw_datasets import BAR_SOURCES, CANDLES, find_dataset
from feature_repo.transforms.view_transforms import MAX_REACH
from ingestion.lake import Lake
from ingestion.lake.content import content_text
from ingestion.lake.partitions import Partition
from ingestion.withheld import MonthInput
from pairity.bounded_files import read_json_file
from pairity.digest import digest_bytes, digest_parts
from pairity.durable import remove_flushed, replace_file
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, floor_to, month_key, month_start, months_between, next_month
from pairity.universe import inst_id

_REACH = max(view.lookback for view in VIEWS.values()) + MAX_REACH


@dataclass(frozen=True, slots=True)
class DueMonth:
    """A month to compute: its first instant and the digest of its inputs."""

    month: datetime
    inputs: str


def find_first_input(month: datetime) -> datetime:
    """Return the first month whose raw rows the features of a month depend on."""
    return month_start(month - _REACH)


def locate_ledger(layout: Layout) -> Path:
    """Return the ledger's file."""
    return layout.features / "inputs.json"


class MonthLedger:
    """Ledger of what each month's features were computed from: `features/inputs.json`."""

    def __init__(self, layout: Layout) -> None:
        self._path = locate_ledger(layout)
        self._snapshot = self._path.with_name("snapshot.json")

    def list_due(
        self,
        settings: Settings,
        lake: Lake,
        until: datetime,
        withheld: Sequence[MonthInput] = (),
        *,
        units: Sequence[MonthInput] = (),
        since: datetime | None = None,
    ) -> tuple[DueMonth, ...]:
        """Return the months with raw data whose inputs changed, oldest first; hours after `until` do not count.

        `withheld` (see `WithheldRows`) is part of the inputs: what is released or repaired makes its months due. So is
        `units` (see `Units.list_inputs`): a redenomination makes all months due that reach before it.
        `since` is the first month that can be due: who knows that nothing earlier changed need not look at all history.
        """
        contents = lake.contents(None if since is None else find_first_input(since))
        stored = _of_universe(settings, contents)
        recorded = self._read()
        months = (
            DueMonth(month, digest_inputs(settings, stored, month, until, withheld, units))
            for month in _months(stored, until)
            if since is None or month >= since
        )
        return tuple(item for item in months if recorded.get(month_key(item.month)) != item.inputs)

    def remove_unfinished(self) -> None:
        """Delete what killed processes left of notes that they were writing; call it with the writer lock held."""
        notes = (self._path, self._snapshot)
        # Not flushed: what a power failure brings back is removed by the next.
        remove_flushed((left for note in notes for left in note.parent.glob(f".{note.name}.*.tmp")), durable=False)

    def record(self, done: DueMonth) -> None:
        """Note that the month was published and is online."""
        known = self._read() | {month_key(done.month): done.inputs}
        replace_file(self._path, (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())

    def stamp_snapshot(self, snapshot_id: str) -> None:
        """Note beside the features from which raw snapshot they come; an unchanged note is left alone."""
        content = {"snapshot_id": snapshot_id}
        if _read_ledger(self._snapshot) != content:
            replace_file(self._snapshot, (json.dumps(content) + "\n").encode())

    def _read(self) -> dict[str, str]:
        return _read_ledger(self._path)


def digest_inputs(
    settings: Settings,
    stored: Mapping[Partition, int],
    month: datetime,
    until: datetime,
    withheld: Sequence[MonthInput] = (),
    units: Sequence[MonthInput] = (),
) -> str:
    """Return one digest over all that a month's chunk depends on."""
    since = find_first_input(month)
    raw = [(part.relative, content_text(content)) for part, content in stored.items() if since <= part.month <= month]
    raw += [(name, digest) for at, name, digest in withheld if since <= at <= month]
    raw += [(name, digest) for at, name, digest in units if since <= at]  # everything before it is in another unit
    # What is not set says nothing: a home keeps its months when a setting is added.
    universe = settings.universe.model_dump_json(exclude_none=True)
    windows = settings.features.model_dump_json(exclude={"bar_interval"})  # of studies alone
    configured = f"{universe}{windows}{settings.vwap.model_dump_json()}"
    end = min(floor_to(until, HOUR), next_month(month))
    declared = ("catalogue", digest_catalogue(tuple(VIEWS.values())))
    return digest_parts([*raw, ("settings", digest_bytes(configured.encode())), declared, ("end", end.isoformat())])


@cache
def digest_catalogue(views: tuple[View, ...]) -> str:
    """Return one digest over what `views` declare of their rows: columns, formulas, inputs, windows; not descriptions.

    A directory that an earlier release made lacks what this one declares: its months are due until they have it.
    """
    rows = [(view.name, repr((view.entity, view.lookback, view.every, view.inputs, view.features))) for view in views]
    return digest_parts([(name, digest_bytes(text.encode())) for name, text in rows])


def find_newest_close(settings: Settings, lake: Lake, since_month: datetime | None = None) -> datetime | None:
    """Return the close of the newest stored candle of the universe, None where there is none since `since_month`."""
    with_candles = [part for part in _of_universe(settings, lake.contents(since_month)) if part.dataset in CANDLES]
    newest = max((part.month for part in with_candles), default=None)
    # A month of an asset has rows: those of an earlier month cannot be newer.
    closes = [
        last + find_dataset(part.dataset).known_after
        for part in with_candles
        if part.month == newest and (last := lake.manifest(part).last) is not None
    ]
    return max(closes, default=None)


def _of_universe(settings: Settings, stored: Mapping[Partition, int]) -> dict[Partition, int]:
    instruments = {inst_id(asset) for asset in settings.universe.assets}
    return {part: content for part, content in stored.items() if part.instrument in instruments}


def _months(stored: Mapping[Partition, int], until: datetime) -> Iterator[datetime]:
    """Yield the months that candles or trades reach into, and those before `until` that look back at them."""
    with_candles = sorted({part.month for part in stored if part.dataset in BAR_SOURCES})
    if with_candles:
        last = min(until, next_month(with_candles[-1]))
        yield from months_between(with_candles[0], last)


def _read_ledger(path: Path) -> dict[str, str]:
    """Return what a ledger holds; nothing where it is missing or unreadable, and then everything is due."""
    try:
        content = read_json_file(path)
    except (FileNotFoundError, ValueError):
        return {}
    return {str(month): str(inputs) for month, inputs in content.items()} if isinstance(content, dict) else {}
