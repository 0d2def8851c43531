"""Orders as the exchange keeps them, with the stops that travel with them, and the rows that it shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from paper_exchange.wire import Json, empty_fields, format_leverage, format_number

Side = Literal["buy", "sell"]
LIVE_STATES = ("live", "partially_filled")
MARKET_PRICE = Decimal(-1)
"""Order price of a stop or a trigger that trades at market."""
_EMPTY_ORDER = empty_fields(
    "algoClOrdId algoId attachAlgoClOrdId cancelSourceReason ccy fillPx fillTime isTpLimit pxType pxUsd pxVol "
    "quickMgnType slOrdPx slTriggerPx slTriggerPxType stpId tgtCcy tpOrdPx tpTriggerPx tpTriggerPxType "
    "tradeId tradeQuoteCcy"
)


@dataclass(slots=True)
class AttachedStops:
    """Stop-loss and take-profit that travel with an order until it is filled; None where a leg is absent."""

    attach_id: str
    client_id: str
    sl_trigger: Decimal | None
    sl_price: Decimal | None
    sl_type: str
    tp_trigger: Decimal | None
    tp_price: Decimal | None
    tp_type: str
    fail_code: str = ""

    def row(self) -> dict[str, Json]:
        """Return the row of `attachAlgoOrds`."""
        return {
            "attachAlgoId": self.attach_id,
            "attachAlgoClOrdId": self.client_id,
            "amendPxOnTriggerType": "0",
            "slTriggerPx": format_number(self.sl_trigger),
            "slOrdPx": format_number(self.sl_price),
            "slTriggerPxType": self.sl_type,
            "tpTriggerPx": format_number(self.tp_trigger),
            "tpOrdPx": format_number(self.tp_price),
            "tpTriggerPxType": self.tp_type,
            "tpOrdKind": "condition",
            "sz": "",
            "failCode": self.fail_code,
            "failReason": "",
        }


@dataclass(slots=True)
class Order:
    """One order. `price` is None for market orders; `size` and `filled` are contracts.

    Profit is in USDT, the fee in `fee_ccy`.
    """

    ord_id: str
    client_id: str
    inst_id: str
    side: Side
    kind: str
    size: Decimal
    price: Decimal | None
    reduce_only: bool
    created_ms: int
    tag: str = ""
    state: str = "live"
    filled: Decimal = Decimal(0)
    filled_notional: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    fee_ccy: str = "USDT"
    pnl: Decimal = Decimal(0)
    updated_ms: int = 0
    fill_ms: int | None = None
    fill_px: Decimal | None = None
    trade_id: str = ""
    cancel_source: str = ""
    source: str = ""
    category: str = "normal"
    leverage: Decimal = Decimal(1)
    algo_id: str = ""
    algo_client_id: str = ""
    attached: list[AttachedStops] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Whether it can still be filled or cancelled."""
        return self.state in LIVE_STATES

    @property
    def left(self) -> Decimal:
        """Contracts not filled."""
        return self.size - self.filled

    @property
    def sign(self) -> int:
        """+1 for a buy."""
        return 1 if self.side == "buy" else -1

    def row(self) -> dict[str, Json]:
        """Return the row of order, orders-pending and orders-history."""
        average = self.filled_notional / self.filled if self.filled else None
        return {
            **_EMPTY_ORDER,
            "instType": "SWAP",
            "instId": self.inst_id,
            "ordId": self.ord_id,
            "clOrdId": self.client_id,
            "tag": self.tag,
            "px": format_number(self.price),
            "sz": format_number(self.size),
            "ordType": self.kind,
            "side": self.side,
            "posSide": "net",
            "tdMode": "cross",
            "state": self.state,
            "accFillSz": format_number(self.filled),
            "avgPx": format_number(average),
            "fillPx": format_number(self.fill_px),
            "fillSz": format_number(self.filled),
            "fillTime": "" if self.fill_ms is None else str(self.fill_ms),
            "tradeId": self.trade_id,
            "fee": format_number(self.fee),
            "feeCcy": self.fee_ccy,
            "rebate": "0",
            "rebateCcy": "USDT",
            "pnl": format_number(self.pnl),
            "lever": format_leverage(self.leverage),
            "reduceOnly": "true" if self.reduce_only else "false",
            "cTime": str(self.created_ms),
            "uTime": str(self.updated_ms or self.created_ms),
            "category": self.category,
            "source": self.source,
            "cancelSource": self.cancel_source,
            "algoId": self.algo_id,
            "algoClOrdId": self.algo_client_id,
            "stpMode": "cancel_maker",
            "attachAlgoOrds": [attached.row() for attached in self.attached],
            "linkedAlgoOrd": {"algoId": ""},
        }
