"""How the venue writes JSON: refusals, and numbers (docs/okx-protocol.md, Envelope and errors).

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
    """A refusal of a whole request: `code`, `msg` and HTTP status.

    `data` carries the refused elements of a batch (top-level code "1" or "2"); None leaves the key out, as the
    venue's gateway does for authentication and throttling.
    """

    def __init__(self, code: str, msg: str, http_status: int = 200, data: Sequence[Json] | None = ()) -> None:
        super().__init__(f"{code}: {msg}")
        self.code, self.msg, self.http_status, self.data = code, msg, http_status, data

    def body(self) -> dict[str, Json]:
        """Return the JSON object of the answer."""
        if self.data is None:
            return {"msg": self.msg, "code": self.code}
        return {"code": self.code, "data": list(self.data), "msg": self.msg}


def bad_parameter(name: str) -> WireError:
    """Return the refusal of an impossible value: 51000, which the venue answers with HTTP 200."""
    return WireError("51000", f"Parameter {name} error")


def unknown_instrument(inst_id: str) -> WireError:
    """Return the refusal of an instrument that does not exist: 51001."""
    return WireError("51001", f"Instrument ID, Instrument ID code, or Spread ID {inst_id} doesn't exist.")


def empty_fields(names: str) -> dict[str, Json]:
    """Return the fields named in a text, separated by spaces, each with "": not applicable."""
    return dict.fromkeys(names.split(), "")


_MOST_DECIMALS = 16


def format_number(value: Decimal | float | None) -> str:
    """Return a number as the wire has it: shortest decimal, no exponent, no trailing zeros, at most 16 decimals.

    None and NaN are "".

    >>> format_number(Decimal("1E+2")), format_number(0.00001), format_number(84429.0), format_number(None)
    ('100', '0.00001', '84429', '')
    >>> format_number(Decimal("-0.00")), format_number(Decimal(1) / 3)
    ('0', '0.3333333333333333')
    """
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        value = exact(value)  # through the shortest text: 0.1 stays 0.1, not its binary expansion
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_MOST_DECIMALS:
        value = round(value, _MOST_DECIMALS)  # thirds, as of margins, have no end
    written = format(value, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


def format_padded(value: Decimal, places: int = 16) -> str:
    """Return a number with a fixed number of decimals, as the venue writes some fields.

    >>> format_padded(Decimal("0.5"), 4), format_padded(Decimal(0), 2)
    ('0.5000', '0.00')
    """
    return f"{value:.{places}f}"


def format_leverage(leverage: Decimal) -> str:
    """Return a leverage with at least one decimal, as rows of orders and closed positions have it.

    >>> format_leverage(Decimal(3)), format_leverage(Decimal("2.50"))
    ('3.0', '2.5')
    """
    written = format_number(leverage)
    return written if "." in written else f"{written}.0"
