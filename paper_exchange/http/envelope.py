"""What every answer is wrapped in, and how numbers are written on the wire (OKX-V5 section 2).

Every number inside `data` is a string without exponent; "not applicable" is the empty string.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pairity.universe import exact

Json = Any
"""A JSON value: dict, list, str, bool, int or None."""


class WireError(Exception):
    """A refusal as the venue writes it: `code`, `msg` and HTTP status.

    `data` carries the refused elements of a batch (top-level code "1" or "2"); None leaves the key out, as the
    venue's gateway does for authentication and throttling.
    """

    def __init__(self, code: str, msg: str, http_status: int = 200, data: Sequence[Json] | None = ()) -> None:
        super().__init__(f"{code}: {msg}")
        self.code, self.msg, self.http_status, self.data = code, msg, http_status, data

    def body(self) -> dict[str, Json]:
        """The JSON object of the answer."""
        if self.data is None:
            return {"msg": self.msg, "code": self.code}
        return {"code": self.code, "data": list(self.data), "msg": self.msg}


def ok(data: Sequence[Json]) -> dict[str, Json]:
    """Success: code "0" and the rows."""
    return {"code": "0", "data": list(data), "msg": ""}


def text(value: Decimal | float | None) -> str:
    """A number on the wire: shortest exact decimal, no exponent, no trailing zeros; None and NaN are "".

    >>> text(Decimal("1E+2")), text(0.00001), text(84429.0), text(None), text(Decimal("-0.00"))
    ('100', '0.00001', '84429', '', '0')
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        value = exact(value)
    written = format(value, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written
