"""The tiny exchange with a book: post-only orders rest, fill in part, are cancelled, and a dead man's switch runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.serving.tiny_okx import HALF_SPREAD, Refused, TinyOkx

MAKER_FEE = Decimal("0.0002")
_ALIVE = ("live", "partially_filled")


class RestingOkx(TinyOkx):
    """Orders rest until a price trades through them, a test fills or cancels them, or a timer strikes.

    `plan` happens between calls: (calls left, what), where what is a share of the resting order that is filled, or
    `cancel`. `while_cancelling` is the share that fills when a cancellation arrives, before it is carried out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[tuple[int, str]] = []
        self.while_cancelling = "0"
        self.attaches_at = "first fill"
        """Or `the end`: stops come to life with the last fill only."""
        self.timers: dict[str, int] = {}
        self._attached: dict[str, list[dict[str, Any]]] = {}

    def answer(self, name: str, params: Any) -> dict[str, Any]:
        self.run_timers()
        due = [what for left, what in self.plan if left <= 0]
        self.plan = [(left - 1, what) for left, what in self.plan if left > 0]
        for what in due:
            for order in self.resting():
                if what == "cancel":
                    order |= {"state": "canceled", "cancelSource": "0"}
                else:
                    self.fill(order, what)
        return super().answer(name, params)

    def run_timers(self) -> None:
        for tag, at_ms in list(self.timers.items()):
            if at_ms <= self.now_ms:
                del self.timers[tag]
                for order in self.resting():
                    if order["tag"] == tag:
                        order |= {"state": "canceled", "cancelSource": "20"}

    def resting(self) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["ordType"] == "post_only" and order["state"] in _ALIVE]

    def fill(self, order: dict[str, Any], share: str) -> None:
        """Fill a share of what is left of a resting order at its price, as maker."""
        left = Decimal(order["sz"]) - Decimal(order["accFillSz"])
        size = (left * Decimal(share)).quantize(Decimal("0.01"))
        if not size:
            return
        instrument, last, rate = order["instId"], self.prices[order["instId"]], self.fee_rate
        self.prices[instrument], self.fee_rate = Decimal(order["px"]), MAKER_FEE
        self._execute(order, size)
        self.prices[instrument], self.fee_rate = last, rate
        self._grow(order)

    def move(self, instrument: str, price: Decimal) -> None:
        self.now_ms += 1000
        self.run_timers()
        for order in self.resting():
            beyond = (Decimal(order["px"]) - price) * (1 if order["side"] == "buy" else -1) > 0
            if order["instId"] == instrument and beyond:
                self.fill(order, "1")
        super().move(instrument, price)

    def _grow(self, order: dict[str, Any]) -> None:
        """Bring the stops of an order to what is filled of it; one that was cancelled stays so."""
        if self.drop_attached or (self.attaches_at == "the end" and order["state"] != "filled"):
            return
        for row in self._attached.get(order["ordId"], []):
            known = next((algo for algo in self.algos if algo["algoClOrdId"] == row["attachAlgoClOrdId"]), None)
            if known is None:
                side = "sell" if order["side"] == "buy" else "buy"
                self._new_algo(order["instId"], side, order["accFillSz"], row["attachAlgoClOrdId"], row)
            elif known["state"] == "live":
                known["sz"] = order["accFillSz"]

    def _privatePostTradeOrder(self, params: Any) -> list[Any]:
        if params["ordType"] != "post_only":
            return super()._privatePostTradeOrder(params)
        instrument, side, price = params["instId"], params["side"], Decimal(params["px"])
        if any(o["clOrdId"] == params["clOrdId"] and o["state"] in _ALIVE for o in self.orders):
            raise Refused("51016", "Client order ID already exists.")
        order = self._new_order(instrument, side, Decimal(params["sz"]), params["clOrdId"], reduce_only=False)
        order |= {"ordType": "post_only", "px": str(price), "tag": params.get("tag", "")}
        self._attached[order["ordId"]] = params.get("attachAlgoOrds", [])
        touch = self.prices[instrument] + (HALF_SPREAD if side == "buy" else -HALF_SPREAD)
        if (price - touch) * (1 if side == "buy" else -1) >= 0:
            order |= {"state": "canceled", "cancelSource": "31"}
        return [{"ordId": order["ordId"], "clOrdId": params["clOrdId"], "sCode": "0", "sMsg": "Order placed"}]

    def _privatePostTradeCancelOrder(self, params: Any) -> list[Any]:
        for order in self.resting():
            if order["clOrdId"] == params["clOrdId"] and self.while_cancelling != "0":
                share, self.while_cancelling = self.while_cancelling, "0"
                self.fill(order, share)
        return super()._privatePostTradeCancelOrder(params)

    def _privatePostTradeCancelAllAfter(self, params: Any) -> list[Any]:
        seconds, tag = int(params["timeOut"]), params["tag"]
        if seconds and not 10 <= seconds <= 120:
            raise Refused("51000", "Parameter timeOut error", element=False)
        self.timers.pop(tag, None)
        if seconds:
            self.timers[tag] = self.now_ms + 1000 * seconds
        return [{"triggerTime": str(self.timers.get(tag, 0)), "tag": tag, "ts": str(self.now_ms)}]
