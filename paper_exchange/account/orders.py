"""Orders as the exchange keeps them, with the stops that travel with them, and the rows that it shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from paper_exchange.account.positions import MarginMode, PositionSide, name_holding
from paper_exchange.wire import Json, empty_fields, format_leverage, format_number

Side = Literal["buy", "sell"]
AT_ONCE = ("market", "optimal_limit_ioc", "ioc", "fok")
"""Types of orders that never rest."""
LIVE_STATES = ("live", "partially_filled")
MARKET_PRICE = Decimal(-1)
"""Order price of a stop or a trigger that trades at market."""
_EMPTY_ORDER = empty_fields(
    "algoClOrdId algoId attachAlgoClOrdId cancelSourceReason fillPx fillTime pxType pxUsd pxVol "
    "quickMgnType slOrdPx slTriggerPx slTriggerPxType stpId tgtCcy tpOrdPx tpTriggerPx tpTriggerPxType "
    "tradeId tradeQuoteCcy"
)


def is_closing(side: str, pos_side: str) -> bool:
    """Whether an order on this side of a hedge-mode position closes it; never in net mode."""
    return (pos_side, side) in (("long", "sell"), ("short", "buy"))


@dataclass(slots=True)
class AttachedStops:
    """Stop-loss and take-profit that travel with an order until it is filled; None where a leg is absent.

    `size` is the part of the order that they are for (None: all of it). `tp_limit`: the target is an order that rests
    at `tp_price` as soon as there is a position. `algo_id` and `tp_ord_id` name what they became, `armed` is the part
    of the order that the algo orders cover.
    """

    attach_id: str
    client_id: str
    sl_trigger: Decimal | None
    sl_price: Decimal | None
    sl_type: str
    tp_trigger: Decimal | None
    tp_price: Decimal | None
    tp_type: str
    size: Decimal | None = None
    tp_limit: bool = False
    algo_id: str = ""
    tp_ord_id: str = ""
    armed: Decimal = Decimal(0)
    fail_code: str = ""

    def row(self) -> dict[str, Json]:
        """Return the row of `attachAlgoOrds`."""
        return {
            "attachAlgoId": self.attach_id,
            "attachAlgoClOrdId": self.client_id,
            "amendPxOnTriggerType": "0",
            "slTriggerPx": format_number(self.sl_trigger),
            "slOrdPx": format_number(self.sl_price),
            "slTriggerPxType": self.sl_type if self.sl_trigger is not None else "",
            "tpTriggerPx": format_number(self.tp_trigger),
            "tpOrdPx": format_number(self.tp_price),
            "tpTriggerPxType": self.tp_type if self.tp_trigger is not None else "",
            "tpOrdKind": "limit" if self.tp_limit else "condition",
            "sz": format_number(self.size),
            "failCode": self.fail_code,
            "failReason": "",
        }


class Directed:
    """What orders and algo orders share: a side, and the position that it is for."""

    __slots__ = ()
    inst_id: str
    side: Side
    reduce_only: bool
    margin_mode: MarginMode
    pos_side: PositionSide

    @property
    def sign(self) -> int:
        """+1 for a buy."""
        return 1 if self.side == "buy" else -1

    @property
    def holding(self) -> str:
        """Name of the position that it opens, changes or protects."""
        return name_holding(self.inst_id, self.margin_mode, self.pos_side)

    @property
    def closes(self) -> bool:
        """Whether it may only reduce its position: by its flag, or in hedge mode by its side."""
        return self.reduce_only or is_closing(self.side, self.pos_side)


@dataclass(slots=True)
class Order(Directed):
    """One order. `price` is None for market orders; sizes are contracts; profit is in USDT, the fee in `fee_ccy`.

    `resting_since_ms`: since when it waits at its price. `algo_id` names the algo order that brought it about,
    `linked_algo_id` the stop that a resting target belongs to.
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
    margin_mode: MarginMode = "cross"
    pos_side: PositionSide = "net"
    resting_since_ms: int = 0
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
    fill_size: Decimal = Decimal(0)
    trade_id: str = ""
    cancel_source: str = ""
    source: str = ""
    category: str = "normal"
    leverage: Decimal = Decimal(1)
    algo_id: str = ""
    algo_client_id: str = ""
    is_tp_limit: bool = False
    linked_algo_id: str = ""
    attached: list[AttachedStops] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Whether it can still be filled or cancelled."""
        return self.state in LIVE_STATES

    @property
    def left(self) -> Decimal:
        """Contracts not filled."""
        return self.size - self.filled

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
            "posSide": self.pos_side,
            "tdMode": self.margin_mode,
            "state": self.state,
            "accFillSz": format_number(self.filled),
            "avgPx": format_number(average),
            "fillPx": format_number(self.fill_px),
            "fillSz": format_number(self.fill_size),
            "fillTime": "" if self.fill_ms is None else str(self.fill_ms),
            "tradeId": self.trade_id,
            "ccy": "USDT",
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
            "isTpLimit": "true" if self.is_tp_limit else "false",
            "linkedAlgoOrd": {"algoId": self.linked_algo_id},
        }
