"""Algo orders as the exchange keeps them, and their rows (docs/okx-protocol.md, Rows and states)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from paper_exchange.account.orders import AttachedStops, Directed, Side
from paper_exchange.account.positions import MarginMode, PositionSide
from paper_exchange.wire import Json, empty_fields, format_number

_EMPTY_ALGO = empty_fields(
    "ccy chaseType chaseVal isTradeBorrowMode maxChaseType maxChaseVal "
    "ordPx pxLimit pxSpread pxVar quickMgnType szLimit tgtCcy timeInterval tradeQuoteCcy triggerPx "
    "triggerPxType"
)

TRAILING = "move_order_stop"


@dataclass(slots=True)
class AlgoOrder(Directed):
    """A conditional, oco, trigger or trailing order (`move_order_stop`). Order prices of −1 mean market.

    `is_attached`: it came with the order `parent_id`. `attached`: the stops that a trigger order's own order will
    carry. `size` None closes whatever position is there. `trigger_up`: the trigger is met from below. `ends_flat`: it
    is cancelled when its position is gone (`cxlOnClosePos`). `linked_ids`: the resting targets that end with it.
    `leverage` and `last_px` are the leverage and the last price when it was placed. `best` is the price that a
    trailing order has followed so far (None: not active yet), `move_trigger` the trigger that follows.
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
    margin_mode: MarginMode = "cross"
    pos_side: PositionSide = "net"
    ends_flat: bool = False
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
    callback_ratio: Decimal | None = None
    callback_spread: Decimal | None = None
    active_price: Decimal | None = None
    best: Decimal | None = None
    move_trigger: Decimal | None = None
    leverage: Decimal | None = None
    last_px: Decimal | None = None
    is_attached: bool = False
    parent_id: str = ""
    attached: list[AttachedStops] = field(default_factory=list)
    linked_ids: list[str] = field(default_factory=list)
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
    def source(self) -> str:
        """The `source` of the order that a trigger without legs brings about."""
        return "25" if self.kind == TRAILING else "6"

    def row(self) -> dict[str, Json]:
        """Return the row of order-algo, orders-algo-pending and orders-algo-history."""
        return {
            **_EMPTY_ALGO,
            "algoId": self.algo_id,
            "algoClOrdId": self.client_id,
            "clOrdId": self.client_id,
            "ordId": self.spawned,
            "ordIdList": [self.spawned] if self.spawned else [],
            "instType": "SWAP",
            "instId": self.inst_id,
            "ordType": self.kind,
            "side": self.side,
            "posSide": self.pos_side,
            "tdMode": self.margin_mode,
            "sz": format_number(self.size),
            "closeFraction": format_number(self.close_fraction),
            "reduceOnly": "true" if self.reduce_only else "false",
            "state": self.state,
            "lever": format_number(self.leverage),
            "last": format_number(self.last_px),
            "slTriggerPx": format_number(self.sl_trigger),
            "slOrdPx": format_number(self.sl_price),
            "slTriggerPxType": self.sl_type if self.sl_trigger is not None else "",
            "tpTriggerPx": format_number(self.tp_trigger),
            "tpOrdPx": format_number(self.tp_price),
            "tpTriggerPxType": self.tp_type if self.tp_trigger is not None else "",
            "triggerPx": format_number(self.trigger),
            "ordPx": format_number(self.trigger_price),
            "triggerPxType": self.trigger_type if self.trigger is not None else "",
            "callbackRatio": format_number(self.callback_ratio),
            "callbackSpread": format_number(self.callback_spread),
            "activePx": format_number(self.active_price),
            "moveTriggerPx": format_number(self.move_trigger),
            "actualSz": format_number(self.actual_size or Decimal(0)),
            "amendPxOnTriggerType": "0",
            "actualPx": format_number(self.actual_price),
            "actualSide": self.actual_side,
            "triggerTime": "" if self.triggered_ms is None else str(self.triggered_ms),
            "failCode": self.fail_code,
            "attachAlgoOrds": [attached.row() for attached in self.attached],
            "linkedOrd": {"ordId": self.linked_ids[0] if self.linked_ids else ""},
            "tag": self.tag,
            "cTime": str(self.created_ms),
            "uTime": str(self.updated_ms or self.created_ms),
        }
