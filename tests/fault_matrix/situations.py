"""The rows of the matrix: every kind of fault and of event of the paper exchange, and what people and programs do.

A situation begins and ends. Faults strike the endpoint of the operation; everything else is as it is for the whole
venue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from serving.journal import Purpose, client_order_id

Kind = Literal["fault", "event", "person", "venue"]
BTC = "BTC-USDT-SWAP"
_TRADING = ("entry", "query", "cancel", "exit", "protect", "watch")
TURNS = len(_TRADING)
EMPTY = json.dumps({"code": "0", "msg": "", "data": []})
BEGINS_S, ENDS_S, EVERY_S = 600, 660, 7200
"""Seconds of the exchange's time at which an event begins and ends, and after which it comes for the next column."""


@dataclass(frozen=True)
class Situation:
    """A row. `params` belong to a fault or an event; `options` are further ones of the exchange's command."""

    name: str
    kind: Kind
    what: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    everywhere: bool = False
    """A fault that is asked for by no endpoint, or strikes all of them."""
    reads: bool = True
    writes: bool = True
    """Whether the fault can strike requests that read, and that write."""
    why_not: str = ""
    """Why other operations make no sense."""
    restored: Mapping[str, Any] = field(default_factory=dict)
    """The event that takes an event back."""
    operations: tuple[str, ...] = ()
    """The only operations that make sense, where not all do."""

    @property
    def alone(self) -> bool:
        """Whether it needs an exchange of its own."""
        return self.kind in ("event", "venue")

    @property
    def fits_trading(self) -> bool:
        """Whether it makes sense in any column but that of the pipeline."""
        return not self.operations or bool(set(self.operations) & set(_TRADING))

    @property
    def passes(self) -> bool:
        """Whether an event ends, so that one exchange plays it for every column."""
        return self.kind == "venue" or "for_s" in self.params or bool(self.restored) or "clear_faults" in self.params

    def script(self) -> list[dict[str, Any]]:
        """Return the script of an event: once, or for every column in turn."""
        script = []
        for turn in range(TURNS if self.passes else 1) if self.kind == "event" else ():
            script.append({"after_s": BEGINS_S + turn * EVERY_S, **self.params})
            if self.restored:
                ends = ENDS_S + turn * EVERY_S
                script.append({"after_s": ends, "instrument": BTC, **self.restored})
        return script


def _fault(name: str, what: str = "", **more: Any) -> Situation:
    return Situation(name, "fault", what or name, **more)


def _code(code: str, meaning: str, **more: Any) -> Situation:
    return _fault(f"code {code}: {meaning}", "code", params={"code": code, "msg": meaning}, **more)


_ORDERS = {"reads": False, "why_not": "only requests with a list of orders have elements"}
_LISTS = {"writes": False, "why_not": "only lists have rows to damage"}
_FEED = {"operations": ("feed",), "why_not": "a fault of market data"}

FAULTS: tuple[Situation, ...] = (
    _fault("latency", params={"ms": 1500}),
    _fault("reset"),
    _fault("abort_body"),
    _fault("rate_limit_json"),
    _fault("rate_limit_html"),
    _fault("html_502"),
    _fault("html_503"),
    _fault("html_504"),
    _fault("html_520"),
    _fault("html_200"),
    _fault("empty_200"),
    _fault("cut_json_200"),
    _fault("timeout_50004"),
    _fault("system_50026"),
    _fault("maintenance_50001"),
    _fault("clock_50102"),
    _fault("missing_51603"),
    _fault("redirect"),
    _fault("drip", params={"ms": 60}),
    _fault("bomb", params={"mb": 20}),
    _fault("huge_body", params={"mb": 20}),
    _fault("many_rows", params={"rows": 3000}, **_LISTS),
    _fault("nested", params={"depth": 20_000}),
    _fault("body: a number without end", "body", params={"text": '{"code":"0","data":[{"sz":1e1000000}]}'}),
    _fault("body: an empty list", "body", params={"text": EMPTY}),
    _fault("body: a list of another thing", "body", params={"text": '{"code":"0","data":[{"x":"1"}],"msg":""}'}),
    _fault("field: pos", "field", params={"name": "pos"}, operations=("watch",), why_not="no such field there"),
    _fault("field: state", "field", params={"name": "state"}, operations=("query",), why_not="no such field there"),
    _fault(
        "endless_pages",
        params={"row": {"billId": "1", "ordId": "1"}, "cursor": "billId"},
        operations=("watch",),
        why_not="only lists have pages",
    ),
    _code("50011", "rate limit, as the guide has it"),
    _code("50013", "busy"),
    _code("50061", "sub-account rate limit"),
    _code("51000", "parameter error", reads=False, why_not="a refusal of orders"),
    _code("51006", "price band", reads=False, why_not="a refusal of orders"),
    _code("51008", "no margin", reads=False, why_not="a refusal of orders"),
    _code("51022", "suspended", reads=False, why_not="a refusal of orders"),
    _code("51028", "under delivery", reads=False, why_not="a refusal of orders"),
    _code("51030", "funding is being charged", reads=False, why_not="a refusal of orders"),
    _code("51202", "above the largest market order", reads=False, why_not="a refusal of orders"),
    _fault("partial_code_2", **_ORDERS),
    _fault("scode_on_code_0", **_ORDERS),
    _fault("suspend", everywhere=True),
    _fault("status_ongoing", everywhere=True),
    _fault("zero_position_row", everywhere=True),
    _fault("wrong_balance", everywhere=True),
    _fault("cancel_pending", everywhere=True),
    _fault("candle_gap", everywhere=True, params={"from": 0, "to": 4102444800000}, **_FEED),
    _fault("wrong_candle", everywhere=True, **_FEED),
    _fault("duplicate_rows", everywhere=True, **_FEED),
    _fault("unsorted_rows", everywhere=True, **_FEED),
    _fault("unconfirmed_last", everywhere=True, **_FEED),
    _fault("late_settlement", everywhere=True, **_FEED),
    _fault("no_prev_funding", everywhere=True, **_FEED),
    _fault("fill_before_cancel", operations=("none",), why_not="a fault of limit orders that rest"),
    _fault("partial_rest", operations=("none",), why_not="a fault of limit orders that rest"),
    _fault("would_cross", operations=("none",), why_not="a fault of limit orders that rest"),
    *(
        _fault(name, operations=("none",), why_not="trading does not need a stream (`tests/venue/test_okx_stream.py`)")
        for name in (
            "ws_drop",
            "ws_silent",
            "ws_notice",
            "ws_delay",
            "ws_out_of_order",
            "ws_duplicate",
            "ws_lost",
            "ws_flood",
            "ws_text",
            "ws_login_refused",
        )
    ),
)

_HERE = {"instrument": BTC}
_FOR = {"for_s": ENDS_S - BEGINS_S}
_WHOLE = {"why_not": "changes no market data before the next hour"}


def _event(name: str, restored: Mapping[str, Any] | None = None, **params: Any) -> Situation:
    return Situation(name, "event", params=params, restored=restored or {}, operations=_TRADING, **_WHOLE)


def _change(name: str, what: str, value: str, usual: str) -> Situation:
    return _event(name, {"change": {what: usual}}, change={what: value}, **_HERE)


EVENTS: tuple[Situation, ...] = (
    _event("outage of everything", fault="html_502", path="*/api/v5/*", **_FOR),
    _event("suspend, a state", state="suspend", **_HERE, **_FOR),
    _event("preopen", state="preopen", **_HERE, **_FOR),
    _event("settling", state="settling", **_HERE, **_FOR),
    _event("post_only", state="post_only", **_HERE, **_FOR),
    _change("ctVal ÷ 5", "ctVal", "0.002", "0.01"),
    _change("ctVal × 5", "ctVal", "0.05", "0.01"),
    _change("lotSz × 5", "lotSz", "0.05", "0.01"),
    _change("minSz × 100", "minSz", "1", "0.01"),
    _change("tickSz × 5", "tickSz", "0.5", "0.1"),
    _change("maxMktSz 0.02", "maxMktSz", "0.02", "35000"),
    _change("lever 1", "lever", "1", "100"),
    _event("funding_hours 1", {"funding_hours": 8}, funding_hours=1, **_HERE),
    _event("delist", delist=True, **_HERE),
    _event("maintenance, announced", maintenance="drill", **_FOR),
    _event("maintenance, refusing", maintenance="drill", refuse=True, **_FOR),
    _event("clear_faults", clear_faults=True),
)


def _person(name: str, what: str, **params: Any) -> Situation:
    return Situation(name, "person", what, params, operations=_TRADING, **_WHOLE)


_RIVAL = client_order_id("another journal", "p", 0, Purpose.ENTRY)

PEOPLE: tuple[Situation, ...] = (
    _person("hand: a part closed", "trade", part="0.4"),
    _person("hand: all closed", "trade", part="1"),
    _person("hand: turned over", "trade", part="2.2"),
    _person("hand: added to", "trade", part="-0.6"),
    _person("hand: another contract", "trade", part="0", instrument="ETH-USDT-SWAP"),
    _person("hand: the other margin mode beside it", "trade", part="0", other_margin=True),
    _person("hand: the stop cancelled", "cancel_stop"),
    _person("hand: leverage changed", "leverage", lever="5"),
    _person("another process rests an order", "rest", client_id=_RIVAL),
)


def _venue(name: str, *options: str) -> Situation:
    return Situation(name, "venue", options=options, operations=_TRADING, **_WHOLE)


VENUES: tuple[Situation, ...] = (
    _venue("unkind: partial fills, lists that lag, 0.00", "--unkind"),
    _venue("fees in OKB", "--fee-currency", "OKB=50"),
)
ALL = (*FAULTS, *EVENTS, *PEOPLE, *VENUES)
