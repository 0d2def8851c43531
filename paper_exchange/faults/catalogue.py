"""Faults that tests and drills inject: what real venues do to clients, on demand.

See docs/okx-protocol.md, Fault catalogue.

A fault has a kind from the catalogue, a path pattern, a count of times it strikes (None: until cleared) and
parameters. *Wire* faults replace or damage the answer. Whether the request is executed first is part of the kind; the
parameter `executed` overrides it. *Batch* faults withhold one element of a batch. *State* faults change what handlers
answer; the handlers ask for them with `find_active` or `consume`. *Stream* faults strike WebSocket connections and
their messages; the method of those is `WS`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from pairity.errors import ConfigError, UnknownNameError
from paper_exchange.wire import Json

Stage = Literal["wire", "batch", "state", "stream"]


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of the catalogue: where it acts, whether the request is executed first, and what it does."""

    stage: Stage
    executed: bool
    meaning: str


CATALOGUE: Mapping[str, FaultKind] = {
    "latency": FaultKind("wire", True, "answer delayed by params.ms (default 15000)"),
    "reset": FaultKind("wire", True, "connection reset instead of an answer"),
    "abort_body": FaultKind("wire", True, "headers and half the body, then the connection closes"),
    "rate_limit_json": FaultKind("wire", False, "429 with code 50011"),
    "rate_limit_html": FaultKind("wire", False, "429 with an HTML page"),
    "html_502": FaultKind("wire", False, "502 with an HTML page"),
    "html_503": FaultKind("wire", False, "503 with an HTML page"),
    "html_504": FaultKind("wire", False, "504 with an HTML page"),
    "html_520": FaultKind("wire", False, "520 with an HTML page"),
    "html_200": FaultKind("wire", False, "200 with a maintenance page"),
    "empty_200": FaultKind("wire", False, "200 with an empty body"),
    "cut_json_200": FaultKind("wire", True, "200 with half the JSON, honestly framed"),
    "timeout_50004": FaultKind("wire", True, "400 with code 50004: outcome unknown"),
    "system_50026": FaultKind("wire", False, "500 with code 50026"),
    "maintenance_50001": FaultKind("wire", False, "503 with code 50001"),
    "clock_50102": FaultKind("wire", False, "401 with code 50102"),
    "missing_51603": FaultKind("wire", False, "order not found, as right after its placement"),
    "code": FaultKind("wire", False, "params.code and params.msg with HTTP status params.http_status (default 200)"),
    "redirect": FaultKind("wire", False, "params.status (default 307) to params.to (default a port where nobody is)"),
    "drip": FaultKind("wire", True, "the answer a byte every params.ms (default 100), under a status of success"),
    "bomb": FaultKind(
        "wire", True, "a small body, of encoding params.encoding, that expands to params.mb (default 64)"
    ),
    "huge_body": FaultKind("wire", True, "params.mb (default 64) megabytes of one JSON text, in pieces"),
    "many_rows": FaultKind("wire", True, "params.rows (default 100000) copies of the answer's first row"),
    "nested": FaultKind("wire", True, "data of params.depth (default 100000) lists in lists"),
    "body": FaultKind("wire", True, "200 with params.text as it stands: literals and keys that no JSON has"),
    "field": FaultKind("wire", True, "params.name of every row is params.value (default a number of 1e1000000)"),
    "endless_pages": FaultKind(
        "wire", False, "full pages of params.row for ever, params.cursor below the one asked for"
    ),
    "partial_code_2": FaultKind("batch", True, "element params.index (default last) refused with params.sCode, code 2"),
    "scode_on_code_0": FaultKind("batch", True, "the same under top-level code 0"),
    "suspend": FaultKind("state", False, "instrument params.instId (default all) is suspended"),
    "status_ongoing": FaultKind("state", False, "system status reports ongoing maintenance"),
    "candle_gap": FaultKind(
        "state", False, "candles of params.instId (default all) opening in [params.from, params.to) miss, or one row"
    ),
    "wrong_candle": FaultKind(
        "state", False, "prices of such candles are off by params.share (default 0.01) of themselves"
    ),
    "duplicate_rows": FaultKind("state", False, "every third row of a candle or funding answer appears twice"),
    "unsorted_rows": FaultKind("state", False, "rows of a candle or funding answer come in the wrong order"),
    "unconfirmed_last": FaultKind("state", False, "the newest closed candle carries confirm 0"),
    "late_settlement": FaultKind("state", False, "funding history lacks the last params.ms (default half an hour)"),
    "no_prev_funding": FaultKind("state", False, "public/funding-rate lacks prevFundingTime, as older answers do"),
    "zero_position_row": FaultKind("state", False, "positions carry a row whose pos is 0"),
    "wrong_balance": FaultKind("state", False, "account/balance shows params.share (default 0) of what is there"),
    "cancel_pending": FaultKind("state", False, "cancellations answer 51410"),
    "fill_before_cancel": FaultKind(
        "state", False, "an order fills by params.share (default 1) of what is left before its cancellation arrives"
    ),
    "partial_rest": FaultKind("state", False, "an order fills by params.share (default 0.5) as soon as it rests"),
    "would_cross": FaultKind("state", False, "a post-only order would take when it arrives: accepted, then cancelled"),
    "ws_drop": FaultKind("stream", False, "the connection is cut"),
    "ws_silent": FaultKind("stream", False, "the open connection sends nothing for params.ms (default for ever)"),
    "ws_notice": FaultKind("stream", False, "notice 64008, and the end of the connection after params.ms (60000)"),
    "ws_delay": FaultKind("stream", False, "the message, and what comes behind it, params.ms later (default 2000)"),
    "ws_out_of_order": FaultKind(
        "stream", False, "the message after the one behind it, at most params.ms later (1000)"
    ),
    "ws_duplicate": FaultKind("stream", False, "the message twice"),
    "ws_lost": FaultKind("stream", False, "the message never"),
    "ws_flood": FaultKind("stream", False, "the message params.repeat times (default 10000)"),
    "ws_text": FaultKind("stream", False, "params.text in place of the message, params.repeat times (default 1)"),
    "ws_login_refused": FaultKind("stream", False, "the login is refused with params.code (default 60009), params.msg"),
}
"""All kinds by name."""


@dataclass(slots=True)
class Fault:
    """One injected fault; `left` counts down, None strikes until cleared."""

    kind: str
    path: str = "*"
    left: int | None = 1
    params: Mapping[str, Json] = field(default_factory=dict)

    def matches(self, method: str, path: str) -> bool:
        """Whether the pattern fits a full path or the end of one, optionally after `GET ` or `POST `.

        `*` in it stands for anything: `market/*` is every path below `market`.
        """
        pattern_method, _, pattern = self.path.rpartition(" ")
        if pattern_method and pattern_method != method:
            return False
        return fnmatchcase(path, pattern) or fnmatchcase(path, "*/" + pattern.lstrip("/"))

    @property
    def executed(self) -> bool:
        """Whether the request is carried out before the fault strikes."""
        return bool(self.params.get("executed", CATALOGUE[self.kind].executed))


class FaultPlan:
    """The faults that wait to strike, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, kind: str, path: str = "*", count: int | None = 1, params: Mapping[str, Json] | None = None) -> Fault:
        """Let a fault wait, and return it; UnknownNameError lists the catalogue."""
        if kind not in CATALOGUE:
            raise UnknownNameError("fault", kind, CATALOGUE)
        if count is not None and count < 1:
            raise ConfigError(f"a fault cannot strike {count} times", "give a count of at least 1, or null for ever")
        fault = Fault(kind, path, count, dict(params or {}))
        self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self.waiting.clear()

    def find_active(self, kind: str, method: str = "GET", path: str = "", inst_id: str = "") -> Fault | None:
        """Return the oldest waiting fault of a kind, without using it up.

        With `path` only one that matches it, and with `inst_id` none of another instrument (params.instId).
        """
        due = (f for f in self.waiting if f.kind == kind and (not path or f.matches(method, path)))
        return next((f for f in due if not inst_id or f.params.get("instId", inst_id) == inst_id), None)

    def consume(self, kind: str, method: str, path: str, inst_id: str = "") -> Fault | None:
        """Return the fault that `find_active` returns; one of its strikes is used up."""
        return self._use_up(self.find_active(kind, method, path, inst_id))

    def take_next_strike(self, method: str, path: str) -> Fault | None:
        """Return the oldest wire or batch fault that matches a request; one of its strikes is used up."""
        due = (f for f in self.waiting if CATALOGUE[f.kind].stage in ("wire", "batch") and f.matches(method, path))
        return self._use_up(next(due, None))

    def take_stream_strike(self, kinds: Collection[str], path: str) -> Fault | None:
        """Return the oldest of the stream faults `kinds` that matches `WS path`; one of its strikes is used up."""
        return self._use_up(next((f for f in self.waiting if f.kind in kinds and f.matches("WS", path)), None))

    def _use_up(self, fault: Fault | None) -> Fault | None:
        if fault is not None and fault.left is not None:
            fault.left -= 1
            if fault.left == 0:
                self.waiting.remove(fault)
        return fault
