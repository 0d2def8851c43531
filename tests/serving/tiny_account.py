"""The account of a very small OKX: linear swaps, prices that move when told to, stops that strike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

INSTRUMENTS = {"BTC-USDT-SWAP": Decimal("0.01"), "ETH-USDT-SWAP": Decimal("0.1"), "SOL-USDT-SWAP": Decimal(1)}
FEE = Decimal("0.0005")


def _round(amount: Decimal) -> Decimal:
    """Return an amount as the venue books it: with 16 decimals, and no negative zero."""
    return amount.quantize(Decimal("1e-16")) + 0


class TinyAccount:
    """Orders, positions, stops and cash, as the venue books them; tests move prices and set what goes wrong."""

    def __init__(self, now_ms: int) -> None:
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
        self._ids = 700_000_000_000_000_000

    def live_algos(self, instrument: str) -> list[dict[str, Any]]:
        return [algo for algo in self.algos if algo["instId"] == instrument and algo["state"] == "live"]

    def size(self, instrument: str) -> Decimal:
        return self._position(instrument)[0]

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
