"""Where a partition lies, and how its file is encoded."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import polars as pl

from feature_repo.placeholders import bring
from feature_repo.raw_files import MANIFEST, PART
from feature_repo.stored_tables import naming
from pairity.bounded_files import digest_plain_file
from pairity.errors import LakeCorruptError
from pairity.names import IDENTIFIER, INSTRUMENT, MONTH, VENUE
from pairity.timeline import month_key, next_month

__all__ = ["MANIFEST", "NEXT_MANIFEST", "PART", "Partition", "digest_file", "encode", "list_partitions", "parse_month"]

NEXT_MANIFEST = "manifest.next.json"
HOME_VENUE = "okx"
"""The venue that is traded."""
# Part of the format: other values give other bytes, hence another snapshot id for the same rows.
_ZSTD_LEVEL = 3
_ROW_GROUP_ROWS = 65_536


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """Partition of the lake: dataset, instrument (canonical id), calendar month (its first instant) and venue.

    ConfigError for names that are none: they become folders.
    """

    dataset: str
    instrument: str
    month: datetime
    venue: str = HOME_VENUE

    def __post_init__(self) -> None:
        _check_names(self.dataset, self.instrument, self.venue)

    @property
    def relative(self) -> str:
        """Path below the lake: part of the snapshot id."""
        return f"{self.dataset}/venue={self.venue}/instrument={self.instrument}/month={month_key(self.month)}"

    @property
    def end(self) -> datetime:
        """First instant after the month."""
        return next_month(self.month)

    def folder(self, root: Path) -> Path:
        """The partition's folder."""
        return root / self.relative


@cache
def _check_names(dataset: str, instrument: str, venue: str) -> None:
    """Raise ConfigError for names that are none. Remembered: the same few names make all partitions."""
    IDENTIFIER.check(dataset, "dataset of the lake")
    INSTRUMENT.check(instrument, "instrument of the lake")
    VENUE.check(venue, "venue of the lake")


def list_partitions(root: Path, venue: str) -> Iterator[Partition]:
    """Yield all partitions of a venue that have a folder, sorted by dataset, instrument and month.

    LakeCorruptError for a folder whose name is none of ours.
    """
    for dataset in _folders(root):
        below = f"{root}/{dataset}/venue={venue}"
        for instrument in _folders(below, "instrument="):
            name = INSTRUMENT.check(instrument.partition("=")[2], f"folder of {below}", LakeCorruptError)
            IDENTIFIER.check(dataset, f"folder of {root}", LakeCorruptError)
            for month in _folders(f"{below}/{instrument}", "month="):
                key = MONTH.check(month.partition("=")[2], f"folder of {below}/{instrument}", LakeCorruptError)
                yield Partition(dataset, name, parse_month(key), venue)


@cache
def parse_month(text: str) -> datetime:
    """Return the first instant of a month from its key `YYYY-MM`; ValueError for anything else."""
    MONTH.require(text)
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


def _folders(path: Path | str, prefix: str = "") -> list[str]:
    """Return the names of the folders below `path` that begin with `prefix`, sorted; hidden ones are left out."""
    # Path.glob takes four times as long, and a lake of years has tens of thousands of folders.
    try:
        with os.scandir(path) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(prefix) and not entry.name.startswith(".") and entry.is_dir()
            )
    except FileNotFoundError:
        return []


def encode(rows: pl.DataFrame) -> bytes:
    """Return the Parquet bytes of sorted rows; the same rows always give the same bytes."""
    # One chunk: how rows lie in memory would show in the row groups otherwise.
    buffer = io.BytesIO()
    rows.rechunk().write_parquet(
        buffer, compression="zstd", compression_level=_ZSTD_LEVEL, row_group_size=_ROW_GROUP_ROWS, statistics=True
    )
    return buffer.getvalue()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hexadecimal; LakeCorruptError where it is no plain file."""
    bring(path)
    with naming(path, "delete it and ingest its month again"):
        return digest_plain_file(path)
