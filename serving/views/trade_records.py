"""Records of closed trades as the API answers with them: positions of pairs, and round trips of a book's names."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from serving.views.base import Amount, View


class TradeLeg(View):
    """One leg of a closed position, with the contracts that it had at last."""

    asset: str
    side: Literal["buy", "sell"]
    contracts: Amount
    entry_price: float


class TradeView(View):
    """One closed position, or one round trip of a name of a book: from the first lot to flat, or to the other side.

    A result is null where the venue did not say a part of it (yet); the funding of a book is read every hour.
    """

    position_id: str
    pair: str = Field(description="The pair, or the name of a book.")
    direction: Literal["long", "short"]
    opened_at: datetime
    closed_at: datetime
    exit_reason: str
    result_usdt: Amount | None = Field(description="After fees and funding.")
    fees_usdt: Amount | None
    funding_usdt: Amount | None
    price_usdt: Amount | None = Field(description="Gross result of the prices.")
    exit_price: Amount | None = Field(description="Of a name of a book the mean of all that was closed.")
    hours_held: float
    legs: list[TradeLeg] = Field(
        description="Of a name of a book one: the most that was held, the mean of its entries."
    )
    kind: Literal["pair", "book"] = "pair"
    executions: int | None = Field(default=None, description="Of a name of a book: how many made it.")
    entry_order_id: str | None = Field(
        default=None, description="Client order id that opened it, the first of several; null for somebody else's."
    )
    exit_order_id: str | None = Field(
        default=None, description="Client order id that closed it, the last of several; null for somebody else's."
    )
    entry_decision_id: str | None = Field(default=None, description="Decision that sent the first of them.")
    exit_decision_id: str | None = Field(
        default=None, description="Null where no decision closed it: its stop did, or a person."
    )
