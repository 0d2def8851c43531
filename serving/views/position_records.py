"""Records of open positions as the API answers with them: legs with their stops, results in parts, levels of exit."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from serving.views.base import Amount, View

StopState = Literal["confirmed", "unconfirmed", "missing"]


class StopView(View):
    """A stop-loss or a target of one leg. `confirmed`: a look at the venue has just read it back."""

    price: Amount | None
    confirmed_at: datetime | None = Field(description="When the venue last showed it.")
    state: StopState


class LegView(View):
    """One leg of a position."""

    asset: str
    instrument: str
    side: Literal["buy", "sell"]
    contracts: Amount
    coins: Amount | None
    entry_price: Amount
    mark_price: Amount | None
    marked_at: datetime | None
    result_usdt: float | None = Field(description="Price result at the mark, without fees and funding.")
    margin_usdt: Amount | None = Field(description="Margin of an isolated leg; null in cross margin.")
    margin_ratio: float | None = Field(description="Of an isolated leg; the venue liquidates it at 1.")
    liquidation_price: Amount | None = Field(description="Mark price at which the venue liquidates, as it says.")
    stop: StopView
    target: StopView
    weight: float | None = Field(default=None, description="Of a book: signed notional at the mark over the equity.")
    target_weight: float | None = Field(default=None, description="Of a book: what the last decision wants.")
    drift: float | None = Field(default=None, description="Of a book: weight less target.")


class ResultView(View):
    """Result so far, in USDT. What is null is not known yet, and not in the total."""

    price_usdt: float | None
    fees_usdt: float | None = Field(description="Negative where charged.")
    funding_usdt: float | None = Field(description="As the venue says it of the open position; null where it does not.")
    realised_usdt: float | None = Field(
        default=None, description="Of a book: what reductions of the open name earned so far, prices alone."
    )
    total_usdt: float | None = Field(description="Sum of the parts that are known; null without a mark price.")


class PositionView(View):
    """One open position."""

    position_id: str
    pair: str
    direction: Literal["long", "short"] = Field(description="Of the spread: long buys the base asset.")
    kind: Literal["pair", "book"]
    margin_mode: Literal["cross", "isolated"]
    legs: list[LegView]
    hedge_ratio: float | None
    opened_at: datetime
    hours_held: float
    z_entry: float | None
    z_now: float | None
    result: ResultView
    stop_level: float | None = Field(description="Stop, mark and target of the first leg, on one scale.")
    now_level: float | None
    target_level: float | None
    horizon_at: datetime = Field(
        description="Until when the label of the model looks ahead, not an exit; of a book the next decision."
    )
    probability_entry: float | None
    decision_id: str | None
    entry_order_ids: list[str] = Field(description="Client order ids of the orders that opened it.")
