"""Commits: what a batch of small changes added to many partitions, made visible by one file.

A commit is one JSON record, and one Parquet file (a segment) per dataset with the new rows of all its instruments,
sorted by asset, time and `known_at`. The record is written last and in one step: its rows are visible all together or
not at all, and a segment without a record is garbage. Records are never changed; their number grows with each commit,
and compaction deletes them once every partition has taken its rows in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from feature_repo.raw_datasets import find_dataset
from feature_repo.raw_files import COMMIT_DIGITS, SEGMENTS
from ingestion.lake.content import content_text
from ingestion.lake.manifest import parse_content, parse_digest, parse_optional, parse_spans
from ingestion.lake.partitions import Partition, parse_month, require_asset
from ingestion.lake.spans import Span
from pairity.bounded_files import read_file
from pairity.bounded_json import OWN_FILE, parse_json
from pairity.bounded_numbers import parse_int, show
from pairity.digest import digest_bytes
from pairity.errors import LakeCorruptError, UnknownNameError
from pairity.timeline import month_key
from pairity.universe import inst_id, short_name

_VERSION = 1
_TAG_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """What a commit adds to one partition: new rows (`superseded`: those that do not add an instant) and coverage."""

    rows: int
    superseded: int
    first: datetime | None
    last: datetime | None
    content: int
    coverage: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """File of a commit with all new rows of one dataset."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: its number, a segment per dataset with new rows, and what it adds to each partition."""

    number: int
    segments: Mapping[str, Segment]
    pieces: Mapping[Partition, Piece]
    name: str
    """File name of the record: the number, and a digest of the record by which damage shows."""


def encode_commit(
    number: int, segments: Mapping[str, Segment], pieces: Mapping[Partition, Piece]
) -> tuple[Commit, bytes]:
    """Return a commit and its record (JSON, the same bytes for the same commit)."""
    datasets: dict[str, dict[str, object]] = {}
    for partition, piece in sorted(pieces.items()):
        segment = segments.get(partition.dataset)
        entry = {"file": segment.file if segment else None, "sha256": segment.sha256 if segment else None}
        own = datasets.setdefault(partition.dataset, {**entry, "partitions": {}})["partitions"]
        assert isinstance(own, dict)
        own[f"{short_name(partition.instrument)}/{month_key(partition.month)}"] = _piece_fields(piece)
    # On one line: the encoder that indents takes five times as long.
    record = json.dumps({"version": _VERSION, "number": number, "datasets": datasets}, sort_keys=True) + "\n"
    return Commit(number, segments, pieces, _record_name(number, record.encode())), record.encode()


def segment_name(number: int, dataset: str) -> str:
    """Return the file name of a dataset's segment."""
    return f"{number:0{COMMIT_DIGITS}d}-{dataset}.parquet"


def segments_folder(root: Path, venue: str) -> Path:
    """Where the commits of a venue lie below the lake."""
    return root / SEGMENTS / f"venue={venue}"


def list_records(folder: Path) -> list[str]:
    """Return the names of all commit records, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name.endswith(".json") and not name.startswith("."))


def list_orphans(folder: Path) -> list[Path]:
    """Return everything in the folder that belongs to no commit: what a killed writer left."""
    numbers = {name[:COMMIT_DIGITS] for name in list_records(folder)}
    names = os.listdir(folder) if folder.exists() else []
    return [
        folder / name
        for name in sorted(names)
        if name.startswith(".") or not (name.endswith(".json") or name[:COMMIT_DIGITS] in numbers)
    ]


def read_commit(folder: Path, name: str, venue: str) -> Commit:
    """Return the commit of a record; FileNotFoundError where it is gone, LakeCorruptError where it is damaged."""
    path = folder / name
    try:
        content = read_file(path, OWN_FILE.size)
        record = parse_json(content, OWN_FILE)
        if record["version"] != _VERSION:
            raise ValueError(f"version {record['version']}, expected {_VERSION}")
        number = parse_int(record["number"], 0)
        if name != _record_name(number, content):
            raise ValueError("its digest is not the one in its name")
        pieces, segments = {}, {}
        for dataset, entry in record["datasets"].items():
            find_dataset(dataset)
            if entry["file"] is not None:
                # Its name follows from the record: a record does not choose which file is read.
                if entry["file"] != segment_name(number, dataset):
                    raise ValueError(f"{show(entry['file'])} is not the name of its segment")
                segments[dataset] = Segment(entry["file"], parse_digest(entry["sha256"]))
            for key, fields in entry["partitions"].items():
                asset, _, month = key.rpartition("/")
                require_asset(asset)
                pieces[Partition(dataset, inst_id(asset), parse_month(month), venue)] = _parse_piece(fields)
        return Commit(number, segments, pieces, name)
    except (LookupError, TypeError, ValueError, AttributeError, UnknownNameError) as error:
        raise LakeCorruptError(
            f"the commit record {path} cannot be read: {type(error).__name__} {error}",
            f"delete it and run pairity ingest --since with the day on which it was written, {_written_on(path)}",
        ) from None


def describe_remedy(path: Path, pieces: Iterable[Piece], assets: Iterable[str]) -> str:
    """Return what to do about a damaged segment: delete the record at `path` and fetch its range again."""
    bounds = [bound for piece in pieces for span in _extent(piece) for bound in span]
    command = f"pairity ingest --since {min(bounds):%Y-%m-%dT%H:%M} --instruments {','.join(sorted(set(assets)))}"
    return f"delete the commit record {path} and run: {command}"


def _extent(piece: Piece) -> Iterable[Span]:
    yield from piece.coverage
    if piece.first is not None and piece.last is not None:
        yield piece.first, piece.last


def _written_on(path: Path) -> str:
    return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d}"


def _piece_fields(piece: Piece) -> dict[str, object]:
    return {
        "rows": piece.rows,
        "superseded": piece.superseded,
        "first": piece.first.isoformat() if piece.first else None,
        "last": piece.last.isoformat() if piece.last else None,
        "content": content_text(piece.content),
        "coverage": [[since.isoformat(), until.isoformat()] for since, until in piece.coverage],
    }


def _parse_piece(fields: Mapping[str, object]) -> Piece:
    entry: dict = dict(fields)
    return Piece(
        rows=parse_int(entry["rows"], 0),
        superseded=parse_int(entry["superseded"], 0),
        first=parse_optional(entry["first"]),
        last=parse_optional(entry["last"]),
        content=parse_content(entry["content"]),
        coverage=parse_spans(entry["coverage"]),
    )


def _record_name(number: int, content: bytes) -> str:
    return f"{number:0{COMMIT_DIGITS}d}-{digest_bytes(content)[:_TAG_DIGITS]}.json"
