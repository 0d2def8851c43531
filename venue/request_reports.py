"""Reports of requests to the venue: method, path, outcome and time, and nothing of what was sent or answered.

A report is a record of the logger `pairity.venue`, with the request in its attribute `request`. Who wants to know
(the log, the metrics) hangs a handler on that logger; where nobody does, a report costs next to nothing.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from typing import NamedTuple

LOGGER = logging.getLogger("pairity.venue")
OUTCOMES = ("ok", "refused", "throttled", "failed", "timeout", "unreachable", "unreadable", "cancelled")
"""Kinds of outcomes. `refused`: a definite no; `failed`: the venue's own fault; `unreadable`: a page, not an answer."""
_CODE = re.compile(rb'"code" ?: ?"(\d{1,6})"')
_HEAD_BYTES = 256
"""The code stands at the beginning of an answer, or at its end."""
_THROTTLED_CODES = frozenset({"50011", "50061"})
_FAILED_CODES = frozenset({"50000", "50001", "50004", "50013", "50026"})
_TOO_MANY = 429
_REFUSED = 400
_FAILED = 500


class Outcome(NamedTuple):
    """Outcome of a request: its kind, and what the venue said of it: an HTTP status, a code, the error's class."""

    kind: str
    said: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.said})" if self.said else self.kind


@dataclass(frozen=True, slots=True)
class VenueRequest:
    """A request that has ended: `path` without its query, `seconds` of real time."""

    method: str
    path: str
    outcome: Outcome
    seconds: float


def read_outcome(status: int, body: bytes) -> Outcome:
    """Return the outcome of an answer, by its HTTP status and the code in its body.

    >>> str(read_outcome(200, b'{"code":"0","data":[],"msg":""}')), str(read_outcome(200, b'{"code":"51008"}'))
    ('ok', 'refused (51008)')
    """
    found = _CODE.search(body, 0, _HEAD_BYTES) or _CODE.search(body, max(len(body) - _HEAD_BYTES, 0))
    code = found[1].decode() if found else ""
    if status == _TOO_MANY or code in _THROTTLED_CODES:
        return Outcome("throttled", code or str(status))
    if status >= _FAILED or code in _FAILED_CODES:
        return Outcome("failed", code or str(status))
    if status >= _REFUSED or code not in {"", "0"}:
        return Outcome("refused", code or str(status))
    return Outcome("ok", "") if body.lstrip()[:1] in {b"{", b"["} else Outcome("unreadable", str(status))


def explain_failure(error: BaseException) -> Outcome:
    """Return the outcome of a request that got no answer."""
    name = type(error).__name__
    if isinstance(error, TimeoutError):
        return Outcome("timeout", "")
    if name == "CancelledError":
        return Outcome("cancelled", "")
    return Outcome("unreadable" if name == "OutOfBoundsError" else "unreachable", name)


def report_request(method: str, path: str, outcome: Outcome, begun: float) -> None:
    """Report a request that began at `begun` (of `time.perf_counter`) and has ended now."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    request = VenueRequest(method, path, outcome, time.perf_counter() - begun)
    level = logging.INFO if outcome.kind in {"ok", "cancelled"} else logging.WARNING
    text = "%s %s: %s, %.0f ms"
    LOGGER.log(level, text, method, path, outcome, request.seconds * 1000, extra={"request": request})
