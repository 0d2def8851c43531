"""Feeds of the account: balance, positions, orders, and positions that come near their liquidation.

Events are pushed as they happen. Balance and positions also come whole every five seconds, as of the venue; that is a
time of the machine, so that a stepped clock does not silence them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from paper_exchange.account.ledger import FUNDING, LIQUIDATION, Bill
from paper_exchange.http.routes.position import make_position_row
from paper_exchange.wire import Json, empty_fields
from paper_exchange.ws.view import Payload, View

REGULAR_S = 5.0
WARNING_RATIO = Decimal(3)
"""A margin ratio at which the venue begins to warn (300%)."""
_POSITION_FACTS = ("pos", "avgPx", "margin", "lever", "fee", "fundingFee", "pnl", "tradeId", "uTime")
_BALANCE_FACTS = ("ccy", "cashBal", "ordFrozen")
_SHOWN_POSITION = tuple(
    empty_fields("posId tradeId instId instType mgnMode posSide pos ccy posCcy avgPx nonSettleAvgPx settledPnl uTime")
)
Filter = dict[str, str]


@dataclass(slots=True)
class BalanceFeed:
    """Channel `account`: a snapshot, the balance after every change of cash or of what orders freeze, and regularly."""

    currency: str
    _sent_s: float = 0.0
    _known: Json = None

    def open(self, view: View) -> list[Payload]:
        """Return the balance."""
        rows = self._read(view)
        return [self._note(view, rows, "snapshot")]

    def update(self, view: View) -> list[Payload]:
        """Return the balance if something changed, or five seconds are over."""
        rows = self._read(view)
        if _list_balances(rows) != self._known:
            return [self._note(view, rows, "event_update")]
        return [self._note(view, rows, "snapshot")] if view.at_s - self._sent_s >= REGULAR_S else []

    def _read(self, view: View) -> list[Json]:
        return view.ask("account/balance", **({"ccy": self.currency} if self.currency else {}))

    def _note(self, view: View, rows: list[Json], event: str) -> Payload:
        self._known, self._sent_s = _list_balances(rows), view.at_s
        return {"eventType": event, "curPage": 1, "lastPage": True, "data": view.write(rows)}


@dataclass(slots=True)
class PositionFeed:
    """Channel `positions`: a snapshot, every position that changes, with `pos` 0 when it is gone, and regularly."""

    filters: Filter
    _sent_s: float = 0.0
    _known: dict[str, Json] = field(default_factory=dict)

    def open(self, view: View) -> list[Payload]:
        """Return all positions."""
        self._known = {row["posId"]: row for row in self._read(view)}
        return [self._push(view, list(self._known.values()), "snapshot")]

    def update(self, view: View) -> list[Payload]:
        """Return the changed positions, and all of them if five seconds are over."""
        now = {row["posId"]: row for row in self._read(view)}
        changed = [row for pos_id, row in now.items() if not _is_same_position(row, self._known.get(pos_id))]
        gone = [_close_row(row, view.now_ms) for pos_id, row in self._known.items() if pos_id not in now]
        passed = [] if view.exchange.account is None else self._list_passed(view, now)
        self._known = now
        payloads = [self._push(view, [*passed, *gone, *changed], "event_update")] if passed or gone or changed else []
        if view.at_s - self._sent_s >= REGULAR_S:
            payloads.append(self._push(view, list(now.values()), "snapshot"))
        return payloads

    def _list_passed(self, view: View, now: dict[str, Json]) -> list[Json]:
        """Return rows of positions that came and went between two looks."""
        account = view.exchange.account
        assert account is not None
        return [
            _close_row(make_position_row(account, position), view.now_ms)
            for position in view.closed
            if position.pos_id not in self._known
            and position.pos_id not in now
            and _fits(self.filters, position.inst_id)
        ]

    def _read(self, view: View) -> list[Json]:
        return [row for row in view.ask("account/positions") if _fits(self.filters, row["instId"])]

    def _push(self, view: View, rows: list[Json], event: str) -> Payload:
        if event == "snapshot":
            self._sent_s = view.at_s
        timed = [{**row, "pTime": str(view.now_ms)} for row in rows]
        return {"eventType": event, "curPage": 1, "lastPage": True, "data": view.write(timed)}


@dataclass(slots=True)
class BalanceAndPositionFeed:
    """Channel `balance_and_position`: the cash and the positions that a fill, a funding payment or the like changed."""

    _cash: Json = None
    _positions: dict[str, Json] = field(default_factory=dict)

    def open(self, view: View) -> list[Payload]:
        """Return all of it."""
        self._cash, self._positions = _read_cash(view), _read_shown(view)
        return [_make_summary(view, "snapshot", self._cash, list(self._positions.values()), [])]

    def update(self, view: View) -> list[Payload]:
        """Return what changed."""
        cash, positions = _read_cash(view), _read_shown(view)
        changed = [row for pos_id, row in positions.items() if row != self._positions.get(pos_id)]
        changed += [
            {**row, "pos": "0", "uTime": str(view.now_ms)}
            for pos_id, row in self._positions.items()
            if pos_id not in positions
        ]
        balances = [row for row in cash if row not in self._cash]
        self._cash, self._positions = cash, positions
        if not balances and not changed:
            return []
        trades = [{"instId": bill.inst_id, "tradeId": bill.trade_id} for bill in view.bills if bill.trade_id]
        return [_make_summary(view, _name_cause(view.bills), balances, changed, trades)]


@dataclass(slots=True)
class WarningFeed:
    """Channel `liquidation-warning`: positions whose margin ratio is 300% or less, whenever it changes."""

    filters: Filter
    _known: dict[str, str] = field(default_factory=dict)

    def open(self, view: View) -> list[Payload]:
        """Return the positions that are near already."""
        self._known = {}
        return self.update(view)

    def update(self, view: View) -> list[Payload]:
        """Return the positions whose ratio changed."""
        rows = [row for row in view.ask("account/positions") if _fits(self.filters, row["instId"])]
        near = [row for row in rows if row["mgnRatio"] and Decimal(row["mgnRatio"]) <= WARNING_RATIO]
        news = [{**row, "pTime": str(view.now_ms)} for row in near if self._known.get(row["posId"]) != row["mgnRatio"]]
        self._known = {row["posId"]: row["mgnRatio"] for row in near}
        return [{"data": view.write(news)}] if news else []


@dataclass(slots=True)
class OrderFeed:
    """Channels `orders`, `orders-algo` and `algo-advance`: what happens from now on, each in a message of its own."""

    filters: Filter
    kinds: Sequence[str] | None = None
    """Types of algo orders; None is for orders of the book."""

    def open(self, view: View) -> list[Payload]:
        """Return nothing: these channels have no snapshot."""
        return []

    def update(self, view: View) -> list[Payload]:
        """Return what happened to the orders that fit."""
        rows = view.order_rows if self.kinds is None else view.algo_rows
        return [
            {"data": view.write([row])}
            for row in rows
            if (self.kinds is None or row["ordType"] in self.kinds) and _fits(self.filters, row["instId"])
        ]


def _fits(filters: Filter, inst_id: str) -> bool:
    """Whether an instrument is one that a subscription asked for."""
    family = inst_id.removesuffix("-SWAP")
    return (
        filters.get("instType", "ANY") in ("ANY", "SWAP")
        and filters.get("instId", inst_id) == inst_id
        and filters.get("instFamily", family) == family
    )


def _list_balances(rows: list[Json]) -> Json:
    return [[detail[name] for name in _BALANCE_FACTS] for row in rows for detail in row["details"]]


def _is_same_position(row: Json, known: Json) -> bool:
    return known is not None and all(row[name] == known[name] for name in _POSITION_FACTS)


def _close_row(row: Json, now_ms: int) -> Json:
    """Return the row of a position that is gone."""
    return {**row, **dict.fromkeys(("pos", "availPos", "upl", "uplRatio", "imr", "mmr"), "0"), "uTime": str(now_ms)}


def _read_cash(view: View) -> Json:
    details = [detail for row in view.ask("account/balance") for detail in row["details"]]
    return [{"ccy": detail["ccy"], "cashBal": detail["cashBal"], "uTime": detail["uTime"]} for detail in details]


def _read_shown(view: View) -> dict[str, Json]:
    rows = view.ask("account/positions")
    return {row["posId"]: {name: row.get(name, "") for name in _SHOWN_POSITION} for row in rows}


def _make_summary(view: View, event: str, cash: list[Json], positions: list[Json], trades: list[Json]) -> Payload:
    row = {
        "pTime": str(view.now_ms),
        "eventType": event,
        "balData": cash,
        "posData": positions,
        "trades": trades,
    }
    return {"data": view.write([row])}


def _name_cause(bills: Sequence[Bill]) -> str:
    kinds = {bill.kind for bill in bills}
    if LIQUIDATION in kinds:
        return "liquidation"
    return "funding_fee" if kinds == {FUNDING} else "filled"
