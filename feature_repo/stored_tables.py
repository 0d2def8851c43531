"""Parquet files that this product wrote, and others may have damaged since: read whole, or refused by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from feature_repo.placeholders import bring
from pairity.bounded_files import digest_plain_file, open_plain_file, read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError
from pairity.bounded_parquet import TableLimits, read_table
from pairity.errors import DataError, LakeCorruptError

STORED = TableLimits(size=2048 * MIB, rows=100_000_000, columns=2_000, chunks=1_000_000, expanded=8192 * MIB)
"""Most that a file of ours holds: a month of features of thousands of pairs is the largest."""
_RESTORE = "restore it from a copy, or delete it and run pairity ingest again"
NAME_DIGITS = 24
"""Digits of the SHA-256 in the name of a file that is named by its content."""
_BY_CONTENT = re.compile(f"[0-9a-f]{{{NAME_DIGITS}}}")
_END = b"PAR1"
_Signature = tuple[int, int, int]
_verified: dict[Path, _Signature] = {}


def read_stored(path: Path, remedy: str = _RESTORE) -> pl.DataFrame:
    """Return all rows of a file; FileNotFoundError where there is none, LakeCorruptError where it cannot be read."""
    bring(path)
    with naming(path, remedy):
        return read_table(read_file(path, STORED.size), STORED)


def verify_file(path: Path) -> None:
    """Raise LakeCorruptError unless a file ends as Parquet does and is what its name says.

    A name of 24 hexadecimal digits is the beginning of the content's SHA-256; other names say nothing. A file is read
    for it once per process, and again when it was replaced.
    """
    if _verified.get(path) == _sign(path):
        return
    bring(path)
    signature = _sign(path)
    with naming(path, _RESTORE):
        with open_plain_file(path) as file:
            file.seek(-min(len(_END), signature[2]), os.SEEK_END)
            if file.read() != _END:
                raise OutOfBoundsError("is cut short")
        if _BY_CONTENT.fullmatch(path.stem):
            found = digest_plain_file(path)[: len(path.stem)]
            if found != path.stem:
                raise OutOfBoundsError(f"is damaged: its digest is {found}, not the one in its name")
    _verified[path] = signature


def _sign(path: Path) -> _Signature:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_ino, status.st_size


@contextmanager
def naming(path: Path, remedy: str) -> Iterator[None]:
    """Name the file in whatever is wrong with it: LakeCorruptError. One that is gone stays a FileNotFoundError."""
    try:
        yield
    except OutOfBoundsError as error:
        raise LakeCorruptError(f"{path} {error.what}", remedy) from None
    except LakeCorruptError:
        raise
    except DataError as error:
        raise LakeCorruptError(f"{path}: {error.what}", remedy) from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise LakeCorruptError(f"{path} cannot be read: {said[:160]}", remedy) from None
