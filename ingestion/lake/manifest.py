"""Manifest of a partition: what its file holds, and which time ranges the venue was asked for in full."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import RawDataset
from ingestion.lake.content import content_text, digest_partition
from ingestion.lake.spans import Span, union
from pairity.bounded_files import read_json_file
from pairity.bounded_numbers import parse_int, show
from pairity.digest import digest_bytes
from pairity.errors import LakeCorruptError

_VERSION = 2
_WITHOUT_CONTENT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Description of a partition. `sha256` is the digest of its file; None (and 0 rows) where the venue had nothing.

    `content` is the digest of its rows (see `content`); None in a manifest of version 1, which did not note it.
    `folded` is the number of the newest commit whose rows and coverage this partition has taken in already.
    """

    rows: int
    superseded: int
    """Rows that a correction has replaced; where there are none, a scan has nothing to choose between."""
    first: datetime | None
    last: datetime | None
    sha256: str | None
    schema: dict[str, str]
    coverage: tuple[Span, ...]
    content: int | None
    folded: int

    def to_bytes(self) -> bytes:
        """Return JSON, the same bytes for the same manifest."""
        assert self.content is not None
        fields = {**asdict(self), "content": content_text(self.content), "coverage": [list(s) for s in self.coverage]}
        return (json.dumps({"version": _VERSION, **fields}, default=_iso, indent=1, sort_keys=True) + "\n").encode()

    def covering(self, spans: Sequence[Span]) -> Manifest:
        """Return this manifest with `spans` added to its coverage."""
        return replace(self, coverage=union((*self.coverage, *spans)))


NOTHING = Manifest(
    rows=0, superseded=0, first=None, last=None, sha256=None, schema={}, coverage=(), content=0, folded=0
)


def describe(
    rows: pl.DataFrame, encoded: bytes, dataset: RawDataset, coverage: tuple[Span, ...], folded: int
) -> Manifest:
    """Return the manifest of sorted, non-empty `rows` whose file is `encoded`."""
    times = rows[dataset.time]
    schema = {name: str(kind) for name, kind in rows.schema.items()}
    superseded = rows.height - times.n_unique()
    return Manifest(
        rows=rows.height,
        superseded=superseded,
        first=times[0],
        last=times[-1],
        sha256=digest_bytes(encoded),
        schema=schema,
        coverage=coverage,
        content=digest_partition(dataset, rows),
        folded=folded,
    )


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest at `path`, None where there is none; LakeCorruptError where it cannot be read."""
    try:
        content = read_json_file(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _unreadable(path, error) from None
    try:
        version = content["version"]
        if version not in (_VERSION, _WITHOUT_CONTENT):
            raise ValueError(f"version {version}, expected {_VERSION}")
        return Manifest(
            rows=parse_int(content["rows"], 0),
            superseded=parse_int(content["superseded"], 0),
            first=parse_optional(content["first"]),
            last=parse_optional(content["last"]),
            sha256=None if content["sha256"] is None else parse_digest(content["sha256"]),
            schema=_parse_schema(content["schema"]),
            coverage=parse_spans(content["coverage"]),
            content=parse_content(content["content"]) if version == _VERSION else None if content["rows"] else 0,
            folded=parse_int(content["folded"], 0) if version == _VERSION else 0,
        )
    except KeyError as error:
        raise _unreadable(path, ValueError(f"it has no {show(error.args[0])}")) from None
    except (TypeError, ValueError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> LakeCorruptError:
    return LakeCorruptError(
        f"the manifest {path} cannot be read: {error}", f"delete the folder {path.parent} and ingest its month again"
    )


def _iso(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} has no place in a manifest")
    return value.isoformat()


def parse_optional(text: str | None) -> datetime | None:
    """Return the instant of an ISO text with a zone, None for None; ValueError or TypeError for anything else."""
    return None if text is None else parse_instant(text)


def parse_instant(text: str) -> datetime:
    """Return the instant of an ISO text with a zone; ValueError or TypeError for anything else."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{show(text)} names no time zone")
    return at


def parse_spans(spans: Sequence[tuple[str, str]]) -> tuple[Span, ...]:
    """Return time ranges from pairs of ISO texts; ValueError or TypeError for anything else."""
    return tuple((parse_instant(since), parse_instant(until)) for since, until in spans)


def parse_digest(text: object) -> str:
    """Return a SHA-256 in hexadecimal; ValueError for anything else."""
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError(f"{show(text)} is no SHA-256")
    return text


def parse_content(text: object) -> int:
    """Return the content of rows (see `content`); ValueError for what is no such number."""
    if not isinstance(text, str) or not _CONTENT.fullmatch(text):
        raise ValueError(f"{show(text)} is no content of rows")
    return int(text, 16)


def _parse_schema(schema: object) -> dict[str, str]:
    if not isinstance(schema, Mapping) or not all(isinstance(kind, str) for kind in schema.values()):
        raise ValueError(f"{show(schema)} is no schema")
    return dict(schema)
