"""Manifest of a partition: what its file holds, and which time ranges the venue was asked for in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import RawDataset
from ingestion.lake.spans import Span, union
from pairity.digest import digest_bytes
from pairity.errors import LakeCorruptError

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """Description of a partition. `sha256` is the digest of its file; None (and 0 rows) where the venue had nothing."""

    rows: int
    superseded: int
    """Rows that a correction has replaced; where there are none, a scan has nothing to choose between."""
    first: datetime | None
    last: datetime | None
    sha256: str | None
    schema: dict[str, str]
    coverage: tuple[Span, ...]

    def to_bytes(self) -> bytes:
        """Return JSON, the same bytes for the same manifest."""
        content = {"version": _VERSION, **asdict(self), "coverage": [list(span) for span in self.coverage]}
        return (json.dumps(content, default=_iso, indent=1, sort_keys=True) + "\n").encode()

    def covering(self, spans: Sequence[Span]) -> Manifest:
        """Return this manifest with `spans` added to its coverage."""
        return replace(self, coverage=union((*self.coverage, *spans)))


NOTHING = Manifest(rows=0, superseded=0, first=None, last=None, sha256=None, schema={}, coverage=())


def describe(rows: pl.DataFrame, content: bytes, dataset: RawDataset, coverage: tuple[Span, ...]) -> Manifest:
    """Return the manifest of sorted, non-empty `rows` that are encoded as `content`."""
    times = rows[dataset.time]
    schema = {name: str(kind) for name, kind in rows.schema.items()}
    superseded = rows.height - times.n_unique()
    return Manifest(
        rows=rows.height,
        superseded=superseded,
        first=times[0],
        last=times[-1],
        sha256=digest_bytes(content),
        schema=schema,
        coverage=coverage,
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
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}, expected {_VERSION}")
        return Manifest(
            rows=content["rows"],
            superseded=content["superseded"],
            first=_instant(content["first"]),
            last=_instant(content["last"]),
            sha256=content["sha256"],
            schema=content["schema"],
            coverage=tuple((datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in content["coverage"]),
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


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
