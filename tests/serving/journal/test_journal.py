"""Rules of what is written: ids, transitions, decisions, and what belongs together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import JournalError
from pairity.strategy.types import Leg, PairPosition, Side
from pairity.universe import Pair
from serving.journal import (
    FeatureVector,
    IntentState,
    Journal,
    PositionClose,
    Purpose,
    Retraining,
    client_order_id,
    decision_id,
)
from serving.journal.records import TRANSITIONS
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN, T0, decision_of, entry


@given(st.text(max_size=40), st.integers(0, 3), st.sampled_from(list(Purpose)), st.integers(0, 99))
def test_client_order_ids_are_what_the_venue_takes(position: str, leg: int, purpose: Purpose, attempt: int) -> None:
    made = client_order_id("scope", position, leg, purpose, attempt)
    assert len(made) == 32
    assert made.isascii()
    assert made.isalnum()
    assert made == client_order_id("scope", position, leg, purpose, attempt)
    assert made != client_order_id("scope", position, leg, purpose, attempt + 1)
    assert made != client_order_id("other", position, leg, purpose, attempt)


def test_a_bar_has_one_decision_id() -> None:
    assert decision_id("s", T0) == decision_id("s", T0)
    assert decision_id("s", T0) != decision_id("s", T0 + timedelta(hours=1))


@pytest.mark.parametrize("start", list(IntentState))
@pytest.mark.parametrize("end", list(IntentState))
def test_only_transitions_that_can_be_are_written(start: IntentState, end: IntentState, journal: Journal) -> None:
    journal.intend(intent(state=start))
    if end in TRANSITIONS[start]:
        assert journal.advance("pairitye1", end, T0, "ok").state is end
        assert [event.state for event in journal.events("pairitye1")] == [start, end]
    else:
        with pytest.raises(JournalError, match="cannot go from"):
            journal.advance("pairitye1", end, T0)
        assert len(journal.events("pairitye1")) == 1


def test_fills_never_shrink(journal: Journal) -> None:
    journal.intend(intent(state=IntentState.ACKNOWLEDGED, filled_contracts=Decimal(1)))
    with pytest.raises(JournalError, match="was filled 1"):
        journal.advance("pairitye1", IntentState.FILLED, T0, filled_contracts=Decimal("0.5"))


def test_an_id_belongs_to_one_intention(journal: Journal) -> None:
    journal.intend(intent())
    assert journal.intend(intent(created_at=T0 + timedelta(hours=1))) == intent()
    with pytest.raises(JournalError, match="side, contracts"):
        journal.intend(intent(side=Side.SELL, contracts=Decimal(2)))


def test_intentions_that_belong_together_are_written_together(journal: Journal) -> None:
    journal.intend(intent())
    with pytest.raises(JournalError):
        journal.intend_all([intent(client_order_id="pairitys1", purpose=Purpose.PROTECT), intent(leg=1)])
    assert journal.intent("pairitys1") is None


def test_an_order_needs_a_decision_that_exists(journal: Journal) -> None:
    with pytest.raises(JournalError, match=r"(?i)foreign key"):
        journal.intend(intent(decision_id="nobody"))


def test_a_bar_is_not_decided_twice_differently(journal: Journal) -> None:
    first = decision_of(entry())
    journal.record_decision(first, [])
    journal.record_decision(first, [])
    with pytest.raises(JournalError, match="decided before"):
        journal.record_decision(decision_of(entry(contracts="9")), [])


def test_the_order_leads_back_to_everything(journal: Journal) -> None:
    decision = decision_of(entry())
    vector = FeatureVector(decision.decision_id, "pair_model_v1", "BTC__SOL", T0, {"z_score": 0.1 + 0.2, "x": None})
    journal.record_decision(decision, [vector])
    journal.intend(intent(decision_id=decision.decision_id))
    journal.advance("pairitye1", IntentState.SENT, T0)
    journal.advance("pairitye1", IntentState.ACKNOWLEDGED, T0, "accepted", order_id="7001")
    for name in ("pairitye1", "7001"):
        trace = journal.trace(name)
        assert (trace.decision, trace.run, trace.vectors) == (decision, RUN, (vector,))
        assert [event.state.value for event in trace.events] == ["intended", "sent", "acknowledged"]
    with pytest.raises(JournalError, match="no order 'nonsense'"):
        journal.trace("nonsense")


def test_positions_age_with_the_decisions(journal: Journal) -> None:
    leg = Leg("BTC", Side.BUY, Decimal(1), 1.0, 0.9, 1.1)
    position = PairPosition("p1", Pair("BTC", "ETH"), 1, (leg,), T0, -1.5, 1.0, -1.5)
    journal.save_position(position)
    aged = replace(position, bars_held=1, last_z=-0.7)
    record = decision_of()
    held = replace(record.decision, state=replace(record.decision.state, positions=(aged,)))
    journal.record_decision(replace(record, decision=held), [])
    assert journal.restore_state(5.0).positions == (aged,)
    journal.close_position("p1", PositionClose(T0, "stop_loss"))
    state = journal.restore_state(5.0)
    assert (state.positions, state.bars_since_exit) == ((), 0)
    with pytest.raises(JournalError, match="was closed"):
        journal.save_position(aged)
    with pytest.raises(JournalError, match="not an open position"):
        journal.close_position("p1", PositionClose(T0, "stop_loss"))


def test_a_retraining_is_written_when_it_begins_and_when_it_ends(journal: Journal) -> None:
    due = Retraining(T0, RUN.run_id, T0 + timedelta(seconds=5))
    assert journal.models.last_retraining_due() is None
    journal.models.begin_retraining(due)
    assert journal.models.retrainings() == [due]
    ended = replace(due, ended_at=T0 + timedelta(minutes=9), exit_code=-15, summary="ended")
    journal.models.end_retraining(ended)
    assert journal.models.retrainings() == [ended]
    assert journal.models.last_retraining_due() == T0
