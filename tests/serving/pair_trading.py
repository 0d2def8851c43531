"""Two-legged entries for tests of the trading process."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from pairity.strategy.types import (
    Action,
    Decision,
    Entry,
    LegOrder,
    PairAssessment,
    Side,
    StopRule,
    StrategyState,
)
from pairity.universe import Pair
from serving.journal import DecisionRecord, decision_id
from tests.serving.trading import RUN, T0, Desk

PLAIN = StopRule(None, None, (0.02, 0.10), (0.02, 0.15), 0.06, 0.05)


def pair_entry(
    base: str = "1.25", quote: str = "5", *, hour: int = 0, side: Side = Side.SELL, hedge: str = "BTC__ETH"
) -> Entry:
    """Return an entry of 1,000 USDT BTC against 1,000 USDT ETH at the tiny exchange's prices (hedge ratio 1)."""
    pair = Pair.from_id(hedge)
    legs = (
        LegOrder(pair.base, side, Decimal(base), 80_000.0, PLAIN),
        LegOrder(pair.quote, side.opposite, Decimal(quote), 2_000.0, PLAIN),
    )
    name = f"{pair.pair_id}@{T0 + timedelta(hours=hour):%Y%m%dT%H%MZ}"
    return Entry(name, pair, side.sign, -side.sign * 1.7, 0.6, 1.02, legs)


def decide_pair(desk: Desk, wanted: Entry, ratio: float = 1.0, at: datetime = T0) -> DecisionRecord:
    """Journal the decision that opens `wanted`, with the hedge ratio that its sizes were found for."""
    if desk.journal.run(RUN.run_id) is None:
        desk.journal.record_run(RUN)
    assessed = PairAssessment(wanted.pair, wanted.z, wanted.probability, wanted.score, None, ratio)
    outcome = Decision(Action.OPEN, "because", (assessed,), (), (wanted,), StrategyState(10_000.0))
    record = DecisionRecord(
        decision_id("test", at), RUN.run_id, at, at, "pair_model_v1", "pair_forest", "1", "m" * 64, outcome
    )
    desk.journal.record_decision(record, [])
    return record
