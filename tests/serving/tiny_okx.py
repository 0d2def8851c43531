"""A very small OKX: one account, linear swaps, prices that move when told to. Rows are those of the v5 API.

It exists to be nasty on demand and fast, in process: as a ccxt client whose implicit methods are its handlers. What
runs over a wire runs against the paper exchange. Like the venue, it takes a client order id again once the order that
carried it is finished.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.serving.tiny_account import INSTRUMENTS, TinyAccount

HALF_SPREAD = Decimal("0.1")


class Refused(Exception):
    def __init__(self, code: str, msg: str = "refused", *, element: bool = True) -> None:
        super().__init__(code)
        self.code, self.msg, self.element = code, msg, element


def refuse(_params: object) -> list[dict[str, str]]:
    """Stand in for a handler of a contract that does not trade."""
    raise Refused("51028", "Contract under delivery.")


class TinyOkx(TinyAccount):
    """The account behind the handlers of the v5 API, each named as ccxt names the method that asks it."""

    def __init__(self, now_ms: int = 1_742_317_230_000) -> None:
        super().__init__(now_ms)
        self.faults: list[tuple[str, str]] = []
        """(handler name or *, kind), each struck once, oldest first."""
        self.calls: list[tuple[str, Any]] = []
        self.late: list[tuple[int, str, Any]] = []
        """Requests under way that arrive only after some more calls: (calls left, handler, parameters)."""

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
            return {"code": "0", "msg": "", "data": handler(params)}
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
        name = "clOrdId" if "clOrdId" in params else "ordId"
        found = [order for order in self.orders if order[name] == params[name]]
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
