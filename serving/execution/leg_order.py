"""Order of a pair's legs: their numbers in the journal, and which one is sent first.

The leg that is harder to trade goes first, entering and leaving. If the venue refuses it, nothing has happened to the
other one; if it is filled in part, the other one can follow its size. Both at once would leave two sizes to mend, and
the easy leg alone whenever the hard one fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pairity.strategy.types import Leg, LegOrder, PairPosition
from pairity.universe import ContractSpec, inst_id
from serving.execution.contracts import get_contract
from serving.journal import Journal, Purpose


def rank_by_risk(legs: Sequence[Leg | LegOrder], contracts: Mapping[str, ContractSpec]) -> list[int]:
    """Return the places of `legs`, the hardest to trade first; equals keep their order.

    The measure is the share of the venue's largest market order: it is what the venue itself says of depth.
    """
    return sorted(range(len(legs)), key=lambda place: -_share_of_largest(legs[place], contracts))


def find_leg_number(journal: Journal, position: PairPosition, leg: Leg) -> int:
    """Return the number under which the journal keeps the orders of a leg: its place in the entry.

    A position of which only the quote leg was filled has one leg, number 1. Without an entry (an adopted position) it
    is the place in the position.
    """
    for intent in journal.intents(position.position_id, purpose=Purpose.ENTRY):
        if intent.instrument == inst_id(leg.asset):
            return intent.leg
    return position.legs.index(leg)


def _share_of_largest(leg: Leg | LegOrder, contracts: Mapping[str, ContractSpec]) -> Decimal:
    largest = get_contract(contracts, leg.asset).max_market_sz
    return leg.contracts / largest if largest else Decimal(0)
