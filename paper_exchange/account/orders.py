"""Orders and algo orders as the exchange keeps them, and the rows that it shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from paper_exchange.http.envelope import Json, text

Side = Literal["buy", "sell"]
LIVE_STATES = ("live", "partially_filled")
_EMPTY_ORDER = dict.fromkeys(
    (
        "algoClOrdId", "algoId", "attachAlgoClOrdId", "cancelSourceReason", "ccy", "fillPx", "fillTime", "isTpLimit",
        "pxType", "pxUsd", "pxVol", "quickMgnType", "slOrdPx", "slTriggerPx", "slTriggerPxType", "stpId", "tgtCcy",
        "tpOrdPx", "tpTriggerPx", "tpTriggerPxType", "tradeId", "tradeQuoteCcy",
    ),
    "",
)  # fmt: skip
_EMPTY_ALGO = dict.fromkeys(
    (
        "activePx", "amendPxOnTriggerType", "callbackRatio", "callbackSpread", "ccy", "moveTriggerPx", "ordPx",
        "quickMgnType", "tgtCcy", "tradeQuoteCcy", "triggerPx", "triggerPxType",
    ),
    "",
)  # fmt: skip


@dataclass(slots=True)
class Attached:
    """Stop-loss and take-profit that travel with an order until it is filled; prices None where a leg is absent."""

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
        """As in `attachAlgoOrds`."""
        return {
            "attachAlgoId": self.attach_id, "attachAlgoClOrdId": self.client_id, "amendPxOnTriggerType": "0",
            "slTriggerPx": text(self.sl_trigger), "slOrdPx": text(self.sl_price), "slTriggerPxType": self.sl_type,
            "tpTriggerPx": text(self.tp_trigger), "tpOrdPx": text(self.tp_price), "tpTriggerPxType": self.tp_type,
            "tpOrdKind": "condition", "sz": "", "failCode": self.fail_code, "failReason": "",
        }  # fmt: skip


@dataclass(slots=True)
class Order:
    """One order. `price` is None for market orders; `size` and `filled` are contracts."""

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
    attached: list[Attached] = field(default_factory=list)

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
        """As in order, orders-pending and orders-history."""
        average = self.filled_notional / self.filled if self.filled else None
        return {
            **_EMPTY_ORDER,
            "instType": "SWAP", "instId": self.inst_id, "ordId": self.ord_id, "clOrdId": self.client_id,
            "tag": self.tag, "px": text(self.price), "sz": text(self.size), "ordType": self.kind, "side": self.side,
            "posSide": "net", "tdMode": "cross", "state": self.state, "accFillSz": text(self.filled),
            "avgPx": text(average), "fillPx": text(self.fill_px), "fillSz": text(self.filled),
            "fillTime": "" if self.fill_ms is None else str(self.fill_ms), "tradeId": self.trade_id,
            "fee": text(self.fee), "feeCcy": "USDT", "rebate": "0", "rebateCcy": "USDT", "pnl": text(self.pnl),
            "lever": text(self.leverage), "reduceOnly": "true" if self.reduce_only else "false",
            "cTime": str(self.created_ms), "uTime": str(self.updated_ms or self.created_ms),
            "category": self.category, "source": self.source, "cancelSource": self.cancel_source,
            "algoId": self.algo_id, "algoClOrdId": self.algo_client_id, "stpMode": "cancel_maker",
            "attachAlgoOrds": [attached.row() for attached in self.attached], "linkedAlgoOrd": {"algoId": ""},
        }  # fmt: skip


@dataclass(slots=True)
class Algo:
    """A conditional, oco or trigger order. Order prices of −1 mean market.

    `is_attached`: it came with the order `parent_id`. `attached`: the legs that a trigger order's own order will carry.
    """

    algo_id: str
    client_id: str
    inst_id: str
    side: Side
    kind: str
    size: Decimal | None
    close_fraction: Decimal | None
    reduce_only: bool
    created_ms: int
    sl_trigger: Decimal | None = None
    sl_price: Decimal | None = None
    sl_type: str = "last"
    tp_trigger: Decimal | None = None
    tp_price: Decimal | None = None
    tp_type: str = "last"
    trigger: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_type: str = "last"
    trigger_up: bool = False
    is_attached: bool = False
    parent_id: str = ""
    attached: list[Attached] = field(default_factory=list)
    tag: str = ""
    state: str = "live"
    updated_ms: int = 0
    triggered_ms: int | None = None
    actual_side: str = ""
    actual_size: Decimal | None = None
    actual_price: Decimal | None = None
    spawned: str = ""
    fail_code: str = "0"

    @property
    def live(self) -> bool:
        """Whether it can still trigger."""
        return self.state == "live"

    @property
    def sign(self) -> int:
        """+1 for a buy."""
        return 1 if self.side == "buy" else -1

    def row(self) -> dict[str, Json]:
        """As in order-algo, orders-algo-pending and orders-algo-history."""
        return {
            **_EMPTY_ALGO,
            "algoId": self.algo_id, "algoClOrdId": self.client_id, "clOrdId": self.client_id,
            "ordId": self.spawned, "ordIdList": [self.spawned] if self.spawned else [], "instType": "SWAP",
            "instId": self.inst_id, "ordType": self.kind, "side": self.side, "posSide": "net", "tdMode": "cross",
            "sz": text(self.size), "closeFraction": text(self.close_fraction),
            "reduceOnly": "true" if self.reduce_only else "false", "state": self.state, "lever": "", "last": "",
            "slTriggerPx": text(self.sl_trigger), "slOrdPx": text(self.sl_price),
            "slTriggerPxType": self.sl_type if self.sl_trigger is not None else "",
            "tpTriggerPx": text(self.tp_trigger), "tpOrdPx": text(self.tp_price),
            "tpTriggerPxType": self.tp_type if self.tp_trigger is not None else "",
            "triggerPx": text(self.trigger), "ordPx": text(self.trigger_price),
            "triggerPxType": self.trigger_type if self.trigger is not None else "",
            "actualSz": text(self.actual_size), "actualPx": text(self.actual_price), "actualSide": self.actual_side,
            "triggerTime": "" if self.triggered_ms is None else str(self.triggered_ms), "failCode": self.fail_code,
            "attachAlgoOrds": [attached.row() for attached in self.attached], "linkedOrd": {"ordId": ""},
            "tag": self.tag, "cTime": str(self.created_ms), "uTime": str(self.updated_ms or self.created_ms),
        }  # fmt: skip
