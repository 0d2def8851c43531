"""Content of stored rows: a number that depends on the rows alone, and not on how files or commits cut them.

Each row is hashed to 128 bits, and the content of a partition is the sum of its rows' hashes modulo 2**128. Sums have
no order: a segment's content adds to its partition's, and rows have the same content in one file or in many.

The hash of a row takes in every column that is not null, in the order of the schema: the column's name and 64 bits of
its value (instants as microseconds since 1970, floats by their bits). A null column is left out, which no value can
imitate because each value is mixed with the name of its own column; and a nullable column that a dataset gets later
leaves the content of older rows as it is. The mixing is Stafford's 13th variant of MurmurHash3's finalizer, in two
lanes with keys of their own. It guards against accidents, not against somebody who looks for collisions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from feature_repo.raw_datasets import RawDataset
from feature_repo.transforms.compiled import compiled

MODULUS = 1 << 128
Words = npt.NDArray[np.uint64]

_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def digest_rows(kind: RawDataset, rows: pl.DataFrame) -> dict[str, int]:
    """Return the content of each asset's `rows` (columns `asset` and the dataset's, any order), by asset."""
    ordered = rows.sort("asset")
    lengths = ordered.group_by("asset", maintain_order=True).len()
    return dict(zip(lengths["asset"].to_list(), digest_runs(kind, ordered, lengths["len"].to_list()), strict=True))


def digest_partition(kind: RawDataset, rows: pl.DataFrame) -> int:
    """Return the content of all `rows` (the dataset's columns); 0 for none."""
    return digest_runs(kind, rows, [rows.height])[0]


def digest_runs(kind: RawDataset, rows: pl.DataFrame, lengths: Sequence[int]) -> list[int]:
    """Return the content of each run of neighbouring rows; `lengths` are the runs' numbers of rows."""
    low = np.full(rows.height, _key("")[0], np.uint64)
    high = np.full(rows.height, _key("")[1], np.uint64)
    # One call for all columns: small batches would spend their time in calls.
    words = rows.select(
        *(pl.col(name).to_physical().fill_null(0) for name in kind.schema),
        *(pl.col(name).is_not_null().alias(f"{name} is there") for name in kind.nullable),
    )
    everywhere = np.ones(rows.height, np.bool_)
    for name in kind.schema:
        values = words[name].to_numpy(writable=True).view(np.uint64)
        present = words[f"{name} is there"].to_numpy(writable=True) if name in kind.nullable else everywhere
        _absorb(low, high, values, present, *_key(name))
    ends = np.cumsum(np.asarray(lengths, np.int64), dtype=np.int64)
    lows, highs = np.zeros(len(ends), np.uint64), np.zeros(len(ends), np.uint64)
    _sum_runs(low, high, ends, lows, highs)
    return [(int(b) << 64) | int(a) for a, b in zip(lows, highs, strict=True)]


def content_text(content: int) -> str:
    """Return a content as it stands in files: 32 hexadecimal digits."""
    return f"{content:032x}"


@cache
def _key(column: str) -> tuple[np.uint64, np.uint64]:
    """Return the keys of a column in both lanes; those of the empty name are where every row starts."""
    digest = hashlib.sha256(f"pairity row/{column}".encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little")), np.uint64(int.from_bytes(digest[8:16], "little"))


@compiled
def _mix(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> _S30)) * _FIRST
    word = (word ^ (word >> _S27)) * _SECOND
    return word ^ (word >> _S31)


@compiled
def _absorb(
    low: Words, high: Words, values: Words, present: npt.NDArray[np.bool_], key_low: np.uint64, key_high: np.uint64
) -> None:
    """Take one column into both lanes of every row."""
    for i in range(values.size):
        if present[i]:
            low[i] = _mix((low[i] ^ key_low) + values[i])
            high[i] = _mix((high[i] ^ key_high) + values[i])


@compiled
def _sum_runs(low: Words, high: Words, ends: npt.NDArray[np.int64], lows: Words, highs: Words) -> None:
    """Add up the rows of each run modulo 2**128: where the lower half wraps around, one is carried to the upper."""
    start = 0
    for run in range(ends.size):
        for i in range(start, ends[run]):
            lows[run] += low[i]
            highs[run] += high[i]
            if lows[run] < low[i]:
                highs[run] += np.uint64(1)
        start = ends[run]
