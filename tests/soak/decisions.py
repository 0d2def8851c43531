"""Decisions that are drawn: exits and entries in one or two legs, as many positions as a chapter allows."""

from __future__ import annotations

import random
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from pairity.strategy.types import (
    Action,
    Decision,
    Entry,
    Exit,
    ExitReason,
    LegOrder,
    PairAssessment,
    Side,
    StopRule,
    StrategyState,
)
from pairity.universe import Pair, inst_id
from serving.journal import DecisionRecord, Journal, decision_id
from tests.serving.trading import RUN
from tests.soak.market import ASSETS
from tests.soak.venue import Venue

PLAIN = StopRule(None, None, (0.02, 0.10), (0.02, 0.15), 0.03, 0.03)


class Decider:
    """Draws decisions; `legs` is 1 or 2, `most` the number of positions."""

    def __init__(self, draw: random.Random, legs: int, most: int) -> None:
        self._draw, self._legs, self._most = draw, legs, most

    def decide(self, venue: Venue, journal: Journal, at: datetime, *, allowed: bool) -> DecisionRecord:
        """Journal the decision of an instant and return it; without `allowed` it opens nothing."""
        held = journal.open_positions()
        exits = tuple(
            Exit(record.position.position_id, ExitReason.Z_CROSS) for record in held if self._draw.random() < 0.45
        )
        taken = {leg.asset for record in held for leg in record.position.legs}
        free = [asset for asset in ASSETS if asset not in taken]
        entries: list[Entry] = []
        assessed: list[PairAssessment] = []
        while allowed and len(free) > 1 and len(held) - len(exits) + len(entries) < self._most:
            if self._draw.random() < 0.15:
                break
            pair = Pair(*self._draw.sample(free, 2))
            free = [asset for asset in free if asset not in (pair.base, pair.quote)]
            entry, ratio = self._make_entry(venue, pair, at)
            entries.append(entry)
            assessed.append(PairAssessment(pair, entry.z, entry.probability, entry.score, None, ratio))
        action = Action.SWITCH if exits and entries else Action.OPEN if entries else Action.CLOSE
        outcome = Decision(
            action if exits or entries else Action.HOLD,
            "drawn",
            tuple(assessed),
            exits,
            tuple(entries),
            StrategyState(10_000.0),
        )
        record = DecisionRecord(
            decision_id(journal.scope, at), RUN.run_id, at, at, "pair_model_v1", "m", "1", "h" * 64, outcome
        )
        journal.record_decision(record, [])
        return record

    def _make_entry(self, venue: Venue, pair: Pair, at: datetime) -> tuple[Entry, float]:
        side = self._draw.choice((Side.BUY, Side.SELL))
        worth = Decimal(self._draw.choice((150, 400, 1_200, 2_500)))
        legs = [self._make_leg(venue, pair.base, side, worth)]
        values = [legs[0][1]]
        if self._legs == 2:
            legs.append(self._make_leg(venue, pair.quote, side.opposite, worth))
            values.append(legs[1][1])
        name = f"{pair.pair_id}@{at:%Y%m%dT%H%M%S%fZ}"
        z = -side.sign * 1.7
        entry = Entry(name, pair, side.sign, z, 0.6, 1.02, tuple(leg for leg, _ in legs))
        return entry, float(values[-1] / values[0])

    def _make_leg(self, venue: Venue, asset: str, side: Side, worth: Decimal) -> tuple[LegOrder, Decimal]:
        contract = venue.market.instruments[inst_id(asset)]
        price = venue.account.last(contract.inst_id)
        lots = (worth / (price * contract.ct_val) / contract.lot_sz).to_integral_value(ROUND_FLOOR)
        size = max(lots * contract.lot_sz, contract.min_sz)
        return LegOrder(asset, side, size, float(price), PLAIN), size * contract.ct_val * price
