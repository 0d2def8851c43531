"""What was not known at decisions is counted: a replay whose pairs are all left out proves nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from pairity.strategy.types import Action, Decision, PairAssessment, StrategyState
from pairity.universe import Pair
from serving.replay.traded import read_traded

HOUR, NOW = timedelta(hours=1), datetime(2025, 3, 1, tzinfo=UTC)


def make_decision(number, *reasons):
    pairs = (Pair("BTC", "ETH"), Pair("BTC", "SOL"), Pair("ETH", "SOL"))
    assessed = tuple(
        PairAssessment(pair=pair, z=2.0, probability=1.0, divergence_score=2.0, rejected=reason)
        for pair, reason in zip(pairs, reasons, strict=False)
    )
    decision = Decision(
        action=Action.HOLD, reason="no candidate", scores=assessed, exits=(), entries=(), state=StrategyState(1.0)
    )
    return SimpleNamespace(event_timestamp=NOW + number * HOUR, decision_time=NOW + number * HOUR, decision=decision)


def test_decisions_are_counted_by_what_was_not_known_of_a_pair():
    decisions = [
        make_decision(0, "funding of BTC unknown", "funding of BTC unknown", "|z| not above 1.0"),
        make_decision(1, "z-score unknown", "funding of ETH unknown", None),
        make_decision(2, "|z| not above 1.0", None, "already held"),
        make_decision(9, "z-score unknown"),
    ]
    journal = SimpleNamespace(
        closed_positions=list, open_positions=list, decisions=lambda: decisions, ask=lambda _query: []
    )
    assert read_traded(journal, {}, NOW + 2 * HOUR).unknown == {"funding": 2, "z-score": 1}
