"""Lines of the ledger's file: JSON objects, each about returns that were seen for the first time, or about a look.

Returns are little-endian float64, compressed, in base64, with their SHA-256 beside them.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairity.digest import digest_bytes
from pairity.timeline import HOUR

Floats = NDArray[np.float64]
_MOST_BYTES = 8 * 24 * 366 * 50
"""Fifty years of hours: more than any history has."""


class BrokenRecordError(ValueError):
    """Line of the file that no version of the ledger has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Returns of one trial over consecutive hours.

    `line` is the digest of what was tried, whatever the day: the next day's training of the same family with the same
    settings is the same trial, longer. `data` is the digest of what it was made from. `closes` are the closes of a
    reference asset at midnight (day since 1970 → close): two runs with the same ones are of one market.
    """

    line: str
    name: str
    """The same for people."""
    data: str
    first: datetime
    returns: Floats
    """Fractional change of equity in each hour, the first one ending at `first`."""
    closes: Mapping[int, float]

    @property
    def last(self) -> datetime:
        """End of the last hour."""
        return self.first + (len(self.returns) - 1) * HOUR


@dataclass(frozen=True, slots=True)
class ReturnsRecord:
    """Part of a run that no earlier record of its trial has, as it is kept."""

    run: Run
    variant: int
    """Number of the market or code that the line was run with: 0, 1, …"""
    source: str
    """Command that made the run."""
    at: datetime


@dataclass(frozen=True, slots=True)
class LookRecord:
    """The gate's look at hours that were kept back: written before the look is taken."""

    line: str
    at: datetime
    first: datetime
    last: datetime
    closes: Mapping[int, float]
    reason: str
    """Why hours that had been looked at before were judged again; empty for a first look."""


def format_record(record: ReturnsRecord | LookRecord) -> str:
    """Return the record as one line, without a line feed."""
    what = record if isinstance(record, LookRecord) else record.run
    common = {
        "line": what.line,
        "at": record.at.isoformat(),
        "first": what.first.isoformat(),
        "closes": {str(day): close for day, close in what.closes.items()},
    }
    if isinstance(record, LookRecord):
        return json.dumps({"kind": "look", **common, "last": record.last.isoformat(), "reason": record.reason})
    raw = np.ascontiguousarray(record.run.returns, dtype="<f8").tobytes()
    own = {
        "variant": record.variant,
        "name": record.run.name,
        "source": record.source,
        "data": record.run.data,
        "returns": base64.b64encode(zlib.compress(raw, 6)).decode(),
        "sha256": digest_bytes(raw),
    }
    return json.dumps({"kind": "returns", **common, **own})


def parse_record(line: bytes) -> ReturnsRecord | LookRecord:
    """Return the record of a line; BrokenRecordError for anything that `format_record` does not write."""
    try:
        read = json.loads(line)
        kind, first, at = read["kind"], _read_instant(read["first"]), _read_instant(read["at"])
        closes = {int(day): float(close) for day, close in read["closes"].items()}
        if kind == "look":
            last = _read_instant(read["last"])
            return LookRecord(
                line=_text(read["line"]), at=at, first=first, last=last, closes=closes, reason=_text(read["reason"])
            )
        if kind != "returns":
            raise BrokenRecordError(f"its kind is {str(kind)[:20]!r}")
        run = Run(
            line=_text(read["line"]),
            name=_text(read["name"]),
            data=_text(read["data"]),
            first=first,
            returns=_read_returns(read["returns"], read["sha256"]),
            closes=closes,
        )
        return ReturnsRecord(run, int(read["variant"]), _text(read["source"]), at)
    except BrokenRecordError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, zlib.error) as error:
        raise BrokenRecordError(f"it cannot be read ({type(error).__name__})") from None


def _read_returns(text: str, digest: str) -> Floats:
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
    if not unpacker.eof or digest_bytes(raw) != digest:
        raise BrokenRecordError("its returns are not those of its digest")
    returns: Floats = np.frombuffer(raw, dtype="<f8").astype(np.float64)
    if not len(returns) or not np.isfinite(returns).all():
        raise BrokenRecordError("its returns are no numbers")
    return returns


def _read_instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise BrokenRecordError("a time has no offset")
    return instant


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        raise BrokenRecordError("a text is none")
    return value
