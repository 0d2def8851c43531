"""What a rebalance asks for, order by order: reductions and increases of each name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pairity.strategy.types import Side
from pairity.universe import inst_id
from serving.journal import BookRecord, Purpose


@dataclass(frozen=True, slots=True)
class Move:
    """One way of one name: so many contracts of a side, which only reduces or only increases what is held."""

    name: str
    position_id: str
    """Name under which the journal keeps its orders: the name and the close, so that it is the same again."""
    decision_id: str | None
    purpose: Purpose
    side: Side
    contracts: Decimal
    left: Decimal = Decimal(0)
    """Contracts (never negative) that a reduction leaves: it goes no further down, whoever brought them there."""
    close: datetime | None = None
    """Close of the decision; None where a person asked for it."""

    @property
    def instrument(self) -> str:
        """Canonical id of what is traded."""
        return inst_id(self.name)


def list_moves(book: BookRecord) -> list[Move]:
    """Return the moves of a decision, all reductions first; a name that turns has one of both."""
    found = [move for one in book.names for move in _split(book, one.name, one.held, one.contracts)]
    return sorted(found, key=lambda move: move.purpose is not Purpose.REDUCE)


def close_all(held: Mapping[str, Decimal], mark: str) -> list[Move]:
    """Return the moves that close everything, under names that `mark` tells from those of a decision."""
    return [
        Move(
            name=name,
            position_id=f"{name}@{mark}",
            decision_id=None,
            purpose=Purpose.REDUCE,
            side=Side.SELL if contracts > 0 else Side.BUY,
            contracts=abs(contracts),
        )
        for name, contracts in sorted(held.items())
    ]


def _split(book: BookRecord, name: str, held: Decimal, wanted: Decimal) -> Iterator[Move]:
    turns = held * wanted < 0
    reduced = abs(held) if turns or wanted == 0 else max(abs(held) - abs(wanted), Decimal(0))
    increased = abs(wanted) if turns else max(abs(wanted) - abs(held), Decimal(0))
    for purpose, contracts, sign in ((Purpose.REDUCE, reduced, -held), (Purpose.INCREASE, increased, wanted)):
        if contracts:
            yield Move(
                name=name,
                position_id=name_position(book, name),
                decision_id=book.decision_id,
                purpose=purpose,
                side=Side.BUY if sign > 0 else Side.SELL,
                contracts=contracts,
                left=max(abs(held) - reduced, Decimal(0)) if purpose is Purpose.REDUCE else Decimal(0),
                close=book.close,
            )


def name_position(book: BookRecord, name: str) -> str:
    """Return the name under which the journal keeps the orders of a name of a decision."""
    return f"{name}@{book.close:%Y%m%dT%H%MZ}"
