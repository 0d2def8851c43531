"""Manifest of a partition: what its file holds, and which time ranges the venue was asked for in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import RawDataset
from ingestion.lake.content import content_text, digest_partition
from ingestion.lake.spans import Span, union
from pairity.digest import digest_bytes
from pairity.errors import LakeCorruptError

_VERSION = 2
_WITHOUT_CONTENT = 1


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
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _unreadable(path, error) from None
    try:
        version = content["version"]
        if version not in (_VERSION, _WITHOUT_CONTENT):
            raise ValueError(f"version {version}, expected {_VERSION}")
        return Manifest(
            rows=content["rows"],
            superseded=content["superseded"],
            first=parse_optional(content["first"]),
            last=parse_optional(content["last"]),
            sha256=content["sha256"],
            schema=content["schema"],
            coverage=parse_spans(content["coverage"]),
            content=int(content["content"], 16) if version == _VERSION else None if content["rows"] else 0,
            folded=int(content["folded"]) if version == _VERSION else 0,
        )
    except (KeyError, TypeError, ValueError) as error:
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
    """Return the instant of an ISO text, None for None."""
    return None if text is None else datetime.fromisoformat(text)


def parse_spans(spans: Sequence[tuple[str, str]]) -> tuple[Span, ...]:
    """Return time ranges from pairs of ISO texts."""
    return tuple((datetime.fromisoformat(since), datetime.fromisoformat(until)) for since, until in spans)
