"""A very small OKX: one account, linear swaps, prices that move when told to. Rows are those of the v5 API.

It exists to be nasty on demand and fast, in process: as a ccxt client whose implicit methods are its handlers. What
runs over a wire runs against the paper exchange. Like the venue, it takes a client order id again once the order that
carried it is finished.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ccxt

INSTRUMENTS = {"BTC-USDT-SWAP": Decimal("0.01"), "ETH-USDT-SWAP": Decimal("0.1"), "SOL-USDT-SWAP": Decimal(1)}
FEE = Decimal("0.0005")
HALF_SPREAD = Decimal("0.1")
_ENVELOPE = {"code": "0", "msg": ""}


class Refused(Exception):
    def __init__(self, code: str, msg: str = "refused", *, element: bool = True) -> None:
        super().__init__(code)
        self.code, self.msg, self.element = code, msg, element


def _round(amount: Decimal) -> Decimal:
    """Return an amount as the venue books it: with 16 decimals, and no negative zero."""
    return amount.quantize(Decimal("1e-16")) + 0


class TinyOkx:
    def __init__(self, now_ms: int = 1_742_317_230_000) -> None:
        self.now_ms = now_ms
        self.prices = {"BTC-USDT-SWAP": Decimal(80000), "ETH-USDT-SWAP": Decimal(2000), "SOL-USDT-SWAP": Decimal(100)}
        self.orders: list[dict[str, Any]] = []
        self.algos: list[dict[str, Any]] = []
        self.fills: list[dict[str, Any]] = []
        self.positions: dict[str, list[Decimal]] = {}
        self.changed_ms: dict[str, int] = {}
        self.shown_positions: list[dict[str, Any]] | None = None
        """Rows that it lists instead of the truth, if not None."""
        self.closed: list[dict[str, Any]] = []
        """Rows of the history of positions; empty unless a test says what it holds."""
        self.states = dict.fromkeys(INSTRUMENTS, "live")
        self.values: dict[str, Decimal] = {}
        """New contract values, where they changed."""
        self.leverage: dict[str, str] = {}
        self.cash = Decimal(10000)
        self.margin_ratio = ""
        self.funding_rate = "0.0001"
        self.shown_equity: Decimal | None = None
        """What the balance says instead of the cash, where that is wrong."""
        self.bills: list[dict[str, Any]] = []
        """Bills, oldest first: of payments, of funding and of what was traded."""
        self.mode = "net_mode"
        self.fill_fraction = Decimal(1)
        """Share of a market order that is filled at once; the rest stays live until it is cancelled."""
        self.fee_rate = FEE
        self.fee_currency = "USDT"
        """In which it says that it charged fees; it has no prices of other currencies."""
        self.zero = "0"
        """How it writes the filled size of an order without fills: 0.00 is a number too."""
        self.funding: dict[str, str] = {}
        """What it says of the funding of positions that are open, by instrument."""
        self.drop_attached = False
        self.refuse_algos: str | None = None
        self.faults: list[tuple[str, str]] = []
        """(handler name or *, kind), each struck once, oldest first."""
        self.calls: list[tuple[str, Any]] = []
        self.late: list[tuple[int, str, Any]] = []
        """Requests under way that arrive only after some more calls: (calls left, handler, parameters)."""
        self._ids = 700_000_000_000_000_000

    # --- the wire -----------------------------------------------------------------------------------------------

    def answer(self, name: str, params: Any) -> dict[str, Any]:
        self.calls.append((name, params))
        self.now_ms += 1
        due = [(late, held) for left, late, held in self.late if left <= 1]
        self.late = [(left - 1, late, held) for left, late, held in self.late if left > 1]
        for late, held in due:
            self.answer(late, held)
        handler: Callable[[Any], list[dict[str, Any]]] | None = getattr(self, f"_{name}", None)
        if handler is None:
            return {"code": "50404", "msg": f"no {name}", "data": []}
        try:
            return {**_ENVELOPE, "data": handler(params)}
        except Refused as no:
            if no.element:
                return {"code": "1", "msg": "All operations failed", "data": [{"sCode": no.code, "sMsg": no.msg}]}
            return {"code": no.code, "msg": no.msg, "data": []}

    def strike(self, name: str) -> str | None:
        for fault in self.faults:
            if fault[0] in (name, "*"):
                self.faults.remove(fault)
                return fault[1]
        return None

    def sent(self, name: str) -> list[Any]:
        return [params for called, params in self.calls if called == name]

    # --- the market ---------------------------------------------------------------------------------------------

    def move(self, instrument: str, price: Decimal) -> None:
        self.now_ms += 1000
        self.prices[instrument] = price
        for algo in self.algos:
            if algo["instId"] != instrument or algo["state"] != "live":
                continue
            sign = 1 if algo["side"] == "sell" else -1
            stop, target = Decimal(algo["slTriggerPx"]), Decimal(algo["tpTriggerPx"])
            hit = "sl" if sign * (price - stop) <= 0 else "tp" if sign * (price - target) >= 0 else None
            if hit is None:
                continue
            algo |= {"state": "effective", "actualSide": hit}
            if self._position(instrument)[0] * sign <= 0:
                algo |= {"state": "order_failed", "actualSide": ""}
                continue
            size = min(Decimal(algo["sz"]), abs(self._position(instrument)[0]))
            child = self._new_order(instrument, algo["side"], size, f"{algo['algoId']}0", reduce_only=True)
            algo |= {"ordId": child["ordId"], "ordIdList": [child["ordId"]]}
            self._execute(child, Decimal(child["sz"]))

    def _id(self) -> str:
        self._ids += 1
        return str(self._ids)

    def _position(self, instrument: str) -> list[Decimal]:
        return self.positions.setdefault(instrument, [Decimal(0), Decimal(0)])

    def _new_order(
        self, instrument: str, side: str, size: Decimal, client_id: str, *, reduce_only: bool
    ) -> dict[str, Any]:
        now = str(self.now_ms)
        order = {
            "instType": "SWAP",
            "instId": instrument,
            "ordId": self._id(),
            "clOrdId": client_id,
            "side": side,
            "posSide": "net",
            "sz": str(size),
            "state": "live",
            "accFillSz": self.zero,
            "avgPx": "",
            "ordType": "market",
            "reduceOnly": "true" if reduce_only else "false",
            "cTime": now,
            "uTime": now,
        }
        self.orders.append(order)
        return order

    def _execute(self, order: dict[str, Any], size: Decimal, kind: str = "1") -> None:
        instrument, sign = order["instId"], 1 if order["side"] == "buy" else -1
        price, held = self.prices[instrument], self._position(instrument)
        closing = min(size, abs(held[0])) if held[0] * sign < 0 else Decimal(0)
        pnl = _round(closing * INSTRUMENTS[instrument] * (price - held[1]) * (-sign))
        opening = size - closing
        if opening:
            same = max(held[0] * sign, Decimal(0))
            held[1] = (same * held[1] + opening * price) / (same + opening)
        held[0] += sign * size
        self.changed_ms[instrument] = self.now_ms
        fee = _round(-(size * INSTRUMENTS[instrument] * price * self.fee_rate))
        self._book(pnl + fee, "2")
        filled = Decimal(order["accFillSz"]) + size
        done = filled == Decimal(order["sz"])
        order |= {
            "accFillSz": str(filled),
            "avgPx": str(price),
            "uTime": str(self.now_ms),
            "state": "filled" if done else "partially_filled",
        }
        self.fills.append(
            {
                "instType": "SWAP",
                "instId": instrument,
                "tradeId": str(len(self.fills) + 1),
                "ordId": order["ordId"],
                "clOrdId": order["clOrdId"],
                "billId": self._id(),
                "subType": kind,
                "side": order["side"],
                "fillSz": str(size),
                "fillPx": str(price),
                "fee": f"{fee:f}",
                "feeCcy": self.fee_currency,
                "fillPnl": f"{pnl:f}",
                "fillTime": str(self.now_ms),
                "ts": str(self.now_ms),
            }
        )

    def pay(self, amount: Decimal) -> None:
        self._book(amount, "1")

    def lose_to(self, cash: Decimal) -> None:
        """Let funding take or give what makes the cash this."""
        self._book(cash - self.cash, "8")

    def _book(self, amount: Decimal, kind: str) -> None:
        self.cash += amount
        row = {"billId": self._id(), "ccy": "USDT", "bal": str(self.cash), "balChg": str(amount), "type": kind}
        self.bills.append(row | {"ts": str(self.now_ms)})

    def trade_by_hand(self, instrument: str, side: str, size: Decimal, kind: str = "1") -> None:
        order = self._new_order(instrument, side, size, "", reduce_only=False)
        self._execute(order, size, kind)

    def _attach(self, order: dict[str, Any], attached: list[dict[str, Any]]) -> None:
        for row in attached:
            if not self.drop_attached:
                self._new_algo(
                    order["instId"],
                    "sell" if order["side"] == "buy" else "buy",
                    order["sz"],
                    row["attachAlgoClOrdId"],
                    row,
                )

    def _new_algo(self, instrument: str, side: str, size: str, client_id: str, row: dict[str, Any]) -> dict[str, Any]:
        algo = {
            "instType": "SWAP",
            "instId": instrument,
            "algoId": self._id(),
            "algoClOrdId": client_id,
            "side": side,
            "sz": size,
            "closeFraction": "",
            "tdMode": "cross",
            "reduceOnly": "true",
            "state": "live",
            "ordType": "oco",
            "ordId": "",
            "slTriggerPx": row["slTriggerPx"],
            "tpTriggerPx": row["tpTriggerPx"],
            "actualSide": "",
            "ordIdList": [],
        }
        self.algos.append(algo)
        return algo

    # --- handlers -----------------------------------------------------------------------------------------------

    def _publicGetPublicTime(self, _: Any) -> list[Any]:
        return [{"ts": str(self.now_ms)}]

    def _publicGetMarketTicker(self, params: Any) -> list[Any]:
        last = self.prices[params["instId"]]
        best = {"bidPx": str(last - HALF_SPREAD), "askPx": str(last + HALF_SPREAD)}
        return [{"instId": params["instId"], "last": str(last), **best}]

    def _publicGetPublicMarkPrice(self, params: Any) -> list[Any]:
        return [{"instId": params["instId"], "markPx": str(self.prices[params["instId"]])}]

    def _publicGetPublicFundingRate(self, params: Any) -> list[Any]:
        return [{"instId": params["instId"], "settFundingRate": self.funding_rate}]

    def _privateGetAccountConfig(self, _: Any) -> list[Any]:
        return [{"uid": "1", "acctLv": "2", "posMode": self.mode, "perm": "read_only,trade"}]

    def _privatePostAccountSetPositionMode(self, params: Any) -> list[Any]:
        if any(size for size, _ in self.positions.values()):
            raise Refused("59000", element=False)
        self.mode = params["posMode"]
        return [params]

    def _privateGetAccountLeverageInfo(self, params: Any) -> list[Any]:
        return [{"instId": params["instId"], "lever": self.leverage.get(params["instId"], "3")}]

    def _privatePostAccountSetLeverage(self, params: Any) -> list[Any]:
        self.leverage[params["instId"]] = str(params["lever"])
        return [params]

    def _privateGetAccountBalance(self, _: Any) -> list[Any]:
        equity = str(self.cash if self.shown_equity is None else self.shown_equity)
        row = {"ccy": "USDT", "eq": equity, "availEq": equity, "availBal": equity, "mgnRatio": self.margin_ratio}
        return [{"totalEq": equity, "details": [row]}]

    def _privateGetAccountPositions(self, _: Any) -> list[Any]:
        if self.shown_positions is not None:
            return self.shown_positions
        return [
            {
                "instType": "SWAP",
                "instId": name,
                "posSide": "net",
                "pos": str(size),
                "avgPx": str(price) if size else "",
                "markPx": str(self.prices[name]),
                "upl": "0",
                "fundingFee": self.funding.get(name, ""),
                "uTime": str(self.changed_ms.get(name, self.now_ms)),
            }
            for name, (size, price) in self.positions.items()
        ]

    def _privateGetAccountPositionsHistory(self, params: Any) -> list[Any]:
        return [dict(row) for row in self.closed if row["instId"] == params["instId"]]

    def _publicGetPublicInstruments(self, _: Any) -> list[Any]:
        sizes = {"lotSz": "0.01", "minSz": "0.01", "lever": "100", "maxMktSz": ""}
        ticks = {"BTC-USDT-SWAP": "0.1", "ETH-USDT-SWAP": "0.01", "SOL-USDT-SWAP": "0.01"}
        return [
            {"instId": name, "ctVal": str(value), "tickSz": ticks[name], "state": self.states[name], **sizes}
            for name, value in (INSTRUMENTS | self.values).items()
        ]

    def _privatePostTradeOrder(self, params: Any) -> list[Any]:
        instrument, size, side = params["instId"], Decimal(params["sz"]), params["side"]
        client_id, reduce_only = params["clOrdId"], bool(params.get("reduceOnly"))
        if any(
            order["clOrdId"] == client_id and order["state"] in ("live", "partially_filled") for order in self.orders
        ):
            raise Refused("51016", "Client order ID already exists.")
        held = self._position(instrument)[0]
        if reduce_only and (held == 0 or (held > 0) == (side == "buy")):
            raise Refused("51169", "no position to reduce")
        if reduce_only:
            size = min(size, abs(held))
        elif size * INSTRUMENTS[instrument] * self.prices[instrument] > self.cash * 3:
            raise Refused("51008", "Insufficient USDT margin in account")
        order = self._new_order(instrument, side, size, client_id, reduce_only=reduce_only)
        filled = (size * self.fill_fraction).quantize(Decimal("0.01"))
        if params["ordType"] == "ioc" and Decimal(params["px"]) < self.prices[instrument]:
            order["state"] = "canceled"
        elif filled:
            self._execute(order, filled)
            self._attach(order, params.get("attachAlgoOrds", []))
        return [{"ordId": order["ordId"], "clOrdId": client_id, "sCode": "0", "sMsg": "Order placed"}]

    def _privateGetTradeOrder(self, params: Any) -> list[Any]:
        found = [order for order in self.orders if order["clOrdId"] == params["clOrdId"]]
        if not found:
            raise Refused("51603", "Order does not exist", element=False)
        return [dict(found[-1])]

    def _privatePostTradeCancelOrder(self, params: Any) -> list[Any]:
        for order in self.orders:
            if order["clOrdId"] == params["clOrdId"] and order["state"] in ("live", "partially_filled"):
                order["state"] = "canceled"
                return [{"ordId": order["ordId"], "clOrdId": order["clOrdId"], "sCode": "0", "sMsg": ""}]
        raise Refused("51400", "already finished")

    def _privateGetTradeOrdersPending(self, _: Any) -> list[Any]:
        return [dict(order) for order in self.orders if order["state"] in ("live", "partially_filled")][::-1]

    def _privateGetTradeOrdersHistory(self, params: Any) -> list[Any]:
        since, after = int(params.get("begin", 0)), int(params.get("after", 10**20))
        rows = [order for order in self.orders if order["state"] in ("filled", "canceled")]
        rows = [order for order in rows if int(order["cTime"]) >= since and int(order["ordId"]) < after]
        return [dict(order) for order in rows[::-1][: int(params.get("limit", 100))]]

    def _privatePostTradeOrderAlgo(self, params: Any) -> list[Any]:
        if self.refuse_algos is not None:
            raise Refused(self.refuse_algos, "trigger price")
        if any(algo["algoClOrdId"] == params["algoClOrdId"] and algo["state"] == "live" for algo in self.algos):
            raise Refused("51065", "algoClOrdId already exists.")
        algo = self._new_algo(params["instId"], params["side"], params["sz"], params["algoClOrdId"], params)
        return [{"algoId": algo["algoId"], "algoClOrdId": algo["algoClOrdId"], "sCode": "0", "sMsg": ""}]

    def _privateGetTradeOrderAlgo(self, params: Any) -> list[Any]:
        found = [algo for algo in self.algos if algo["algoClOrdId"] == params["algoClOrdId"]]
        if not found:
            raise Refused("51603", "Order does not exist", element=False)
        return [dict(found[-1])]

    def _privateGetTradeOrdersAlgoPending(self, _: Any) -> list[Any]:
        return [dict(algo) for algo in self.algos if algo["state"] == "live"][::-1]

    def _privatePostTradeCancelAlgos(self, params: Any) -> list[Any]:
        for algo in self.algos:
            if algo["algoId"] == params[0]["algoId"] and algo["state"] == "live":
                algo["state"] = "canceled"
                return [{"algoId": algo["algoId"], "sCode": "0", "sMsg": ""}]
        raise Refused("51400", "already finished")

    def _privateGetTradeFillsHistory(self, params: Any) -> list[Any]:
        since, after = int(params["begin"]), int(params.get("after", 10**20))
        rows = [fill for fill in self.fills if int(fill["ts"]) >= since and int(fill["billId"]) < after]
        rows = [fill for fill in rows if fill["instId"] == params.get("instId", fill["instId"])]
        return [dict(fill) for fill in rows[::-1][: int(params["limit"])]]

    def _privateGetAccountBills(self, params: Any) -> list[Any]:
        begin, end = int(params.get("begin", 0)), int(params.get("end", 10**20))
        rows = [row for row in self.bills if begin <= int(row["ts"]) <= end]
        rows = [dict(row) for row in rows if row["type"] == params.get("type", row["type"])]
        return rows[::-1][: int(params["limit"])]

    _privateGetAccountBillsArchive = _privateGetAccountBills

    # --- what the tests look at ---------------------------------------------------------------------------------

    def live_algos(self, instrument: str) -> list[dict[str, Any]]:
        return [algo for algo in self.algos if algo["instId"] == instrument and algo["state"] == "live"]

    def size(self, instrument: str) -> Decimal:
        return self._position(instrument)[0]


class TinyClient:
    """What `call` needs of a ccxt client, faults included: the exceptions are those that ccxt raises for them."""

    def __init__(self, exchange: TinyOkx) -> None:
        self.exchange = exchange
        self.urls = {"api": {"rest": "http://tiny"}}
        self.options: dict[str, Any] = {}

    def implode_hostname(self, url: str) -> str:
        return url

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        async def implicit(params: Any) -> Any:
            return faulty(self.exchange, name, params)

        return implicit


BEFORE = ("throttled", "html", "empty", "reset_before")
"""Faults that strike before the request is carried out; the venue's answer does not always say so."""
AFTER = ("timeout", "aborted", "reset", "busy_50004", "throttled_after", "cut")
"""Faults that strike after it was."""


def faulty(exchange: TinyOkx, name: str, params: Any) -> Any:
    import aiohttp

    kind = exchange.strike(name)
    if kind == "throttled":
        raise ccxt.RateLimitExceeded('okx {"msg":"Too Many Requests","code":"50011"}')
    if kind == "html":
        return "<html>maintenance</html>"
    if kind == "empty":
        return None
    if kind == "reset_before":
        raise ccxt.ExchangeNotAvailable("okx POST") from aiohttp.ServerDisconnectedError()
    if kind == "missing":
        exchange.calls.append((name, params))
        raise ccxt.OrderNotFound('okx {"code":"51603","data":[],"msg":"Order does not exist"}')
    if kind == "late":
        exchange.late.append((2, name, params))
        raise ccxt.RequestTimeout("okx POST")
    if kind == "no_rows":
        return {**_ENVELOPE, "data": []}
    if kind == "garbage":
        return {**_ENVELOPE, "data": [{"nothing": "useful"}]}
    answer = exchange.answer(name, params)
    if kind == "timeout":
        raise ccxt.RequestTimeout("okx POST")
    if kind == "aborted":
        raise ccxt.ExchangeError("okx POST") from aiohttp.ClientPayloadError()
    if kind == "reset":
        raise ccxt.ExchangeNotAvailable("okx POST") from aiohttp.ServerDisconnectedError()
    if kind == "busy_50004":
        raise ccxt.RequestTimeout('okx {"code":"50004","data":[],"msg":"Endpoint request timeout"}')
    if kind == "throttled_after":
        raise ccxt.RateLimitExceeded('okx {"msg":"Too Many Requests","code":"50011"}')
    if kind == "cut":
        return json.dumps(answer)[: len(json.dumps(answer)) // 2]
    if answer["code"] != "0":
        raise ccxt.ExchangeError(f"okx {json.dumps(answer)}")
    return answer
