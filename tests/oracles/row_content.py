"""The content of stored rows by hand: bytes packed one value at a time, whole numbers of Python, no array."""

from __future__ import annotations

import hashlib
import math
import struct
from datetime import UTC, datetime, timedelta

MASK = (1 << 64) - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def word_of(value: object) -> int:
    """64 bits of an instant (microseconds since 1970) or a float (its bits), as a whole number without sign."""
    if isinstance(value, datetime):
        packed = struct.pack("<q", (value - EPOCH) // timedelta(microseconds=1))
    else:
        assert isinstance(value, float)
        packed = struct.pack("<d", value)
    return int.from_bytes(packed, "little")


def mixed(word: int) -> int:
    word ^= word >> 30
    word = word * 0xBF58476D1CE4E5B9 & MASK
    word ^= word >> 27
    word = word * 0x94D049BB133111EB & MASK
    return word ^ word >> 31


def row_hash(row: dict[str, object]) -> int:
    """128 bits of one row: the upper lane in front of the lower one."""
    lanes = []
    for lane in (slice(8, 16), slice(0, 8)):

        def key(name: str, lane: slice = lane) -> int:
            return int.from_bytes(hashlib.sha256(b"pairity row/" + name.encode()).digest()[lane], "little")

        state = key("")
        for name, value in row.items():
            if value is not None:
                state = mixed(((state ^ key(name)) + word_of(value)) & MASK)
        lanes.append(state)
    return lanes[0] << 64 | lanes[1]


def content(rows: list[dict[str, object]]) -> int:
    """Sum of the rows' hashes; `rows` have the columns of the dataset in its order."""
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())
    return sum(row_hash(row) for row in rows) % (1 << 128)
