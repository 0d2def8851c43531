"""Staging: rows that were fetched and not judged yet, by dataset and calendar month, of all instruments together.

History is staged on disk, one file per unit and month: what a killed run had fetched is not fetched again. Files are
not flushed. Each carries the digest of its content in its name, so that what a power failure tore is noticed, dropped
and fetched again. A live hour is small and is staged in memory: it is asked again after a kill.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import RawDataset, find_dataset
from feature_repo.stored_tables import naming
from ingestion.known_from import CHOICES, Choice
from ingestion.lake.manifest import parse_spans
from ingestion.lake.partitions import HOME_VENUE, parse_month
from ingestion.lake.spans import Span, clip, union
from ingestion.staged_versions import BATCH, drop_repetitions
from pairity.bounded_files import digest_plain_file
from pairity.bounded_json import OWN_FILE, parse_json
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import discard_folder, remove_unfinished, replace_file
from pairity.layout import Layout
from pairity.names import VENUE
from pairity.number_formats import format_count
from pairity.timeline import month_key, months_between, next_month
from pairity.universe import short_name

Coverage = Mapping[str, Sequence[Span]]
"""Ranges for which the source was asked in full, by asset."""
_FOLDER = "staging"
_CHOSEN = "known-from-"
_COVERED = "pairity.covered"
_SOURCE = "pairity.source"
_REMEDY = "delete it: what it holds is fetched again"
_NAME = re.compile(r"(\d+)-([0-9a-f]{32})\.parquet")
_Place = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one call added to a month: its rows, or the file that holds them, what it covers, and who was asked."""

    rows: pl.DataFrame | Path
    covered: Coverage
    source: str


class Staging:
    """Staged rows of one venue. `persistent`: on disk below the data directory, else in memory.

    Rows of a run with a `choice` lie apart from all others: whoever admits them after a kill knows what was chosen.
    `source` is the name of the source that is asked, and is noted with what is added. Only the holder of the data
    directory's writer lock may add, clear or recover.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        venue: str = HOME_VENUE,
        persistent: bool = True,
        choice: Choice | None = None,
        source: str = "",
    ) -> None:
        self.persistent = persistent
        self.choice = choice
        self.source = source
        self._all = layout.root / _FOLDER
        apart = self._all if choice is None else self._all / f"{_CHOSEN}{choice.key}"
        self._root = apart / f"venue={VENUE.check(venue)}"
        self._batches: dict[_Place, list[_Batch]] | None = None if persistent else {}
        self._last = 0

    def recover(self) -> tuple[str, ...]:
        """Drop what a killed or torn write left, and what an earlier version staged; return a line on each kind."""
        if not self.persistent or not self._all.is_dir():
            return ()
        remove_unfinished(self._all)
        said = []
        chosen = {f"{_CHOSEN}{key}" for key in CHOICES}
        old = [path for path in sorted(self._all.glob("*/venue=*")) if path.parent.name not in chosen]
        if old:
            for folder in old:
                discard_folder(folder)
            said.append(f"{self._all} held rows that an earlier version had fetched: dropped, they are fetched again")
        torn = [path for path in self._root.rglob("*.parquet") if not _is_whole(path)]
        if torn:
            for path in torn:
                discard_folder(path) if path.is_dir() else path.unlink()
            said.append(
                f"{format_count(len(torn), 'torn file')} of {self._root} were dropped: their rows are fetched again"
            )
        self._batches = None
        return tuple(said)

    def add(self, dataset: str, asset: str, rows: pl.DataFrame, covered: Sequence[Span] = ()) -> None:
        """Stage `rows` of one instrument (the dataset's columns, any order) and note `covered` ranges."""
        name = short_name(asset)
        self.add_all(dataset, rows.with_columns(pl.lit(name).alias("asset")), {name: covered})

    def add_all(self, dataset: str, rows: pl.DataFrame, covered: Coverage) -> None:
        """Stage `rows` of any instruments: column `asset` (short name) and the dataset's, in the order they came in.

        `covered` may name instruments without rows. DataError where a required column is missing or has nulls.
        """
        kind = find_dataset(dataset)
        conformed = kind.conform(rows).insert_column(0, rows["asset"])
        times = conformed[kind.time]
        months = set(times.dt.truncate("1mo").unique())
        months |= {month for spans in covered.values() for span in spans for month in months_between(*span)}
        for month in sorted(months):
            end = next_month(month)
            inside = conformed
            if len(months) > 1:
                inside = conformed.filter(pl.col(kind.time).is_between(month, end, closed="left"))
            of_month = {asset: clipped for asset, spans in covered.items() if (clipped := clip(spans, month, end))}
            if inside.height or of_month:
                self._add(kind, month, inside, of_month)

    def coverage(self, dataset: str, asset: str, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Return the parts of [since, until) that are staged as asked in full."""
        name = short_name(asset)
        batches = (batch for month in months_between(since, until) for batch in self._of(dataset, month))
        return clip(union(span for batch in batches for span in batch.covered.get(name, ())), since, until)

    def datasets(self) -> tuple[str, ...]:
        """Return the names of the datasets with something staged, sorted."""
        return tuple(sorted({dataset for dataset, _ in self._index()}))

    def months(self, dataset: str) -> tuple[datetime, ...]:
        """Return the first instants of the months with rows or coverage of `dataset`, sorted."""
        return tuple(sorted(month for name, month in self._index() if name == dataset))

    def read(self, dataset: str, month: datetime) -> pl.DataFrame:
        """Return all rows of a month: `asset`, then the dataset's columns, sorted by asset, time and `known_at`.

        Repetitions are dropped; versions and rows that contradict each other are kept (see `drop_repetitions`).
        """
        kind = find_dataset(dataset)
        batches = self._of(dataset, month)
        frames = [batch.rows for batch in batches if isinstance(batch.rows, pl.DataFrame)]
        paths = [batch.rows for batch in batches if isinstance(batch.rows, Path)]
        return drop_repetitions(kind, _concat(kind, frames) if frames or not paths else _read(kind, paths))

    def covered(self, dataset: str, month: datetime) -> dict[str, tuple[Span, ...]]:
        """Return the ranges of a month that the source was asked for in full, by asset; sorted by asset."""
        spans: dict[str, list[Span]] = {}
        for batch in self._of(dataset, month):
            for asset, own in batch.covered.items():
                spans.setdefault(asset, []).extend(own)
        return {asset: union(spans[asset]) for asset in sorted(spans)}

    def sources(self) -> tuple[str, ...]:
        """Return the names of the sources that the staged rows came from, sorted; those that were not noted are not."""
        return tuple(sorted({batch.source for batches in self._index().values() for batch in batches} - {""}))

    def clear(self, dataset: str, month: datetime) -> None:
        """Forget a month of a dataset: its rows were published or quarantined."""
        self._index().pop((dataset, month), None)
        if self.persistent and (folder := self._folder(dataset, month)).exists():
            discard_folder(folder)

    def _add(self, kind: RawDataset, month: datetime, rows: pl.DataFrame, covered: Coverage) -> None:
        index = self._index()
        place: pl.DataFrame | Path = rows
        if self.persistent:
            self._last += 1
            content = _encode(rows, covered, self.source)
            place = self._folder(kind.name, month) / f"{self._last:08d}-{_digest(content)}.parquet"
            replace_file(place, content, durable=False)
        index.setdefault((kind.name, month), []).append(_Batch(place, covered, self.source))

    def _of(self, dataset: str, month: datetime) -> Sequence[_Batch]:
        return self._index().get((dataset, month), ())

    def _folder(self, dataset: str, month: datetime) -> Path:
        return self._root / dataset / month_key(month)

    def _index(self) -> dict[_Place, list[_Batch]]:
        if self._batches is None:
            self._batches = {}
            for path in sorted(self._root.glob("*/*/*.parquet"), key=lambda path: path.name):
                if _is_whole(path):
                    with naming(path, _REMEDY):
                        place = find_dataset(path.parents[1].name).name, _read_month(path)
                        covered, source = _read_covered(path), _read_source(path)
                    self._batches.setdefault(place, []).append(_Batch(path, covered, source))
                    self._last = max(self._last, int(path.name.partition("-")[0]))
        return self._batches


def _concat(kind: RawDataset, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the rows of all frames and the number of the frame of each."""
    if not frames:
        return pl.DataFrame(schema={"asset": pl.String, **kind.schema, BATCH: pl.UInt32})
    numbers = pl.Series(BATCH, range(len(frames)), pl.UInt32).gather(
        [number for number, frame in enumerate(frames) for _ in range(frame.height)]
    )
    return pl.concat(frames).with_columns(numbers)


def _read(kind: RawDataset, paths: Sequence[Path]) -> pl.DataFrame:
    """Return the rows of all files and the number of the file of each."""
    schema = {"asset": pl.String(), **kind.schema}
    rows = pl.scan_parquet(
        list(paths),
        glob=False,
        hive_partitioning=False,
        include_file_paths=BATCH,
        schema=schema,
        missing_columns="insert",
    )
    order = pl.Enum([str(path) for path in paths])
    with naming(paths[0].parent, _REMEDY):
        return rows.select(*schema, pl.col(BATCH).cast(order).to_physical().cast(pl.UInt32)).collect()


def _encode(rows: pl.DataFrame, covered: Coverage, source: str) -> bytes:
    spans = {asset: [[since.isoformat(), until.isoformat()] for since, until in own] for asset, own in covered.items()}
    buffer = io.BytesIO()
    noted = {_COVERED: json.dumps(spans), _SOURCE: source}
    rows.write_parquet(buffer, compression="lz4", statistics=False, metadata=noted)
    return buffer.getvalue()


def _read_covered(path: Path) -> Coverage:
    noted = pl.read_parquet_metadata(path).get(_COVERED, "")
    try:
        spans = parse_json(noted, OWN_FILE)
        return {str(asset): parse_spans(own) for asset, own in spans.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise OutOfBoundsError(f"does not say what it covers: {error}") from None


def _read_source(path: Path) -> str:
    """Return who was asked; nothing where an earlier version did not note it."""
    return pl.read_parquet_metadata(path).get(_SOURCE, "")


def _read_month(path: Path) -> datetime:
    try:
        return parse_month(path.parent.name)
    except ValueError as error:
        raise OutOfBoundsError(f"lies in a folder that is no month: {error}") from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _is_whole(path: Path) -> bool:
    """Return whether a file holds what was written: its name carries the digest."""
    named = _NAME.fullmatch(path.name)
    if named is None:
        return False
    try:
        return digest_plain_file(path)[: len(named[2])] == named[2]
    except (FileNotFoundError, OutOfBoundsError):
        return False
