"""What a destination is told: compared with an oracle, and held against its rules whatever happens."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.alerts.escalation import EscalationState, plan_escalation
from serving.alerts.planning import Message, PlanState, Terms, find_subject, plan_messages
from serving.journal.event_records import Event, Severity
from tests.examples import examples
from tests.oracles.alert_messages import Step, tell_subject

START = datetime(2026, 3, 1, tzinfo=UTC)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1500),
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Severity))), max_size=6),
    ),
    max_size=30,
)


def event(number: int, name: str, severity: Severity, at: datetime) -> Event:
    return Event(
        event_id=number,
        at=at,
        written_at=at,
        kind="test",
        severity=severity,
        text=f"{name} happened",
        ref=name,
        acknowledged_at=None,
        acknowledged_by=None,
    )


def play(
    drawn: list[tuple[int, list[tuple[str, Severity]]]], terms: Terms, quiet_hours: int = 0
) -> tuple[list[tuple[datetime, list[Event]]], list[tuple[datetime, Message]], PlanState]:
    """Play steps; the state goes through its text each time, as over a restart of the process."""
    now, number, state = START, 0, PlanState()
    steps: list[tuple[datetime, list[Event]]] = []
    messages: list[tuple[datetime, Message]] = []
    for seconds, names in [*drawn, *[(300, [])] * (12 * quiet_hours)]:
        now += timedelta(seconds=seconds)
        events = [event(number + place, name, severity, now) for place, (name, severity) in enumerate(names, 1)]
        number += len(events)
        state, made = plan_messages(PlanState.model_validate_json(state.model_dump_json()), events, now, terms)
        messages += [(now, message) for message in made]
        steps.append((now, events))
    return steps, messages, state


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(0, 60), st.sampled_from(list(Severity)))
def test_like_events_are_told_as_the_oracle_tells_them(
    drawn: list[tuple[int, list[tuple[str, Severity]]]], minutes: int, least: Severity
) -> None:
    terms = Terms(severity=least, window=timedelta(minutes=minutes), per_hour=3600)
    steps, messages, _ = play(drawn, terms)
    plain: list[Step] = [
        (now, [(item.event_id, find_subject(item)) for item in events if item.severity.rank >= least.rank])
        for now, events in steps
    ]
    subjects = {name for _, events in plain for _, name in events}
    expected: list[tuple[datetime, str, int]] = []
    for subject in subjects:
        if minutes:
            expected += tell_subject(plain, subject, terms.window)
        else:
            expected += [(now, "event", number) for now, events in plain for number, name in events if name == subject]
    made = [(now, message.key.partition(":")[0], int(message.key.partition(":")[2])) for now, message in messages]
    assert Counter(made) == Counter(expected)


@settings(deadline=None, max_examples=examples(120))
@given(STEPS, st.integers(0, 60), st.integers(4, 12))
def test_no_hour_has_more_messages_than_allowed_and_nothing_is_left_untold(
    drawn: list[tuple[int, list[tuple[str, Severity]]]], minutes: int, per_hour: int
) -> None:
    terms = Terms(severity=Severity.INFO, window=timedelta(minutes=minutes), per_hour=per_hour)
    steps, messages, state = play(drawn, terms, quiet_hours=5)
    keys = [message.key for _, message in messages]
    assert len(keys) == len(set(keys)), "every message has a key of its own"
    for place, (now, message) in enumerate(messages):
        before = sum(now - at < timedelta(hours=1) for at, _ in messages[:place])
        assert before < per_hour
        if message.severity is not Severity.CRITICAL:
            assert before < per_hour - per_hour / 4
    assert state.held.count == 0
    assert not [told for told in state.told.values() if told.left_out]
    last_event = max((events[-1].event_id for _, events in steps if events), default=0)
    assert state.event_id == last_event
    if last_event:
        told_at = max(at for at, _ in messages)
        assert told_at >= next(now for now, events in steps if events and events[-1].event_id == last_event) or minutes


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_what_is_more_severe_is_told_at_once(worse: list[bool]) -> None:
    terms = Terms(severity=Severity.INFO, window=timedelta(hours=1), per_hour=100)
    drawn = [(1, [("a", Severity.CRITICAL if bad else Severity.WARNING)]) for bad in worse]
    _, messages, _ = play(drawn, terms)
    assert [m.severity for _, m in messages] == list(
        dict.fromkeys(Severity.CRITICAL if bad else Severity.WARNING for bad in worse)
    )


def test_critical_events_of_another_text_are_not_alike() -> None:
    terms = Terms(severity=Severity.INFO, window=timedelta(hours=1), per_hour=100)
    one, two = (event(n, "a", Severity.CRITICAL, START) for n in (1, 2))
    other = Event(**{name: getattr(two, name) for name in two.__slots__} | {"text": "another reason"})
    _, messages = plan_messages(PlanState(), [one, other], START, terms)
    assert len(messages) == 2


def test_what_stays_true_is_told_last() -> None:
    """Guarding, trading, guarding within a window: at its end the destination knows that it is guarding."""
    terms = Terms(severity=Severity.INFO, window=timedelta(minutes=15), per_hour=100)
    drawn = [(10, [("guarding", Severity.WARNING)]), (10, [("trading", Severity.INFO)])]
    _, messages, _ = play([*drawn, (10, [("guarding", Severity.WARNING)])], terms, quiet_hours=1)
    assert [message.text for _, message in messages][-1].startswith("guarding happened (once more since")


@settings(deadline=None, max_examples=examples(40))
@given(
    written=st.lists(st.integers(0, 600), max_size=6).map(sorted),
    seen=st.lists(st.integers(0, 1200), max_size=6),
    after=st.integers(1, 60),
)
def test_a_critical_event_is_escalated_until_somebody_has_seen_it(
    written: list[int], seen: list[int], after: int
) -> None:
    """By the minute, over two days; each event is acknowledged at its minute of `seen`, where it has one."""
    state, sent = EscalationState(), []
    ended = dict(enumerate(seen))
    for minute in range(2 * 24 * 60):
        now = START + timedelta(minutes=minute)
        unseen = [
            event(number + 1, f"e{number}", Severity.CRITICAL, START + timedelta(minutes=at))
            for number, at in enumerate(written)
            if at <= minute and ended.get(number, 10**9) > minute
        ]
        again = EscalationState.model_validate_json(state.model_dump_json())
        state, said = plan_escalation(again, unseen, now, timedelta(minutes=after))
        if said is not None:
            assert [item for item in unseen if minute - (item.written_at - START).total_seconds() / 60 >= after]
            sent.append(minute)
    least = min(after, 5)
    assert all(later - earlier >= least for earlier, later in pairwise(sent)) or seen
    for number, at in enumerate(written):
        due, until = at + after + least + 1, ended.get(number, 10**9)
        if until > due:
            assert any(at + after <= minute <= due for minute in sent), (number, sent)
            if number not in ended:
                gaps = [later - earlier for earlier, later in zip(sent, [*sent[1:], 2 * 24 * 60], strict=True)]
                assert max(gaps) <= 8 * 60 + 1, "it goes on, at least every eight hours"
    if written and len(seen) >= len(written):
        assert all(minute < max(seen) for minute in sent)
    assert len(sent) < 80, "and not too often"


def test_a_clock_that_was_years_ahead_silences_nobody() -> None:
    """A machine that starts before its clock is set: what it told then is no reason not to tell anything now."""
    terms = Terms(severity=Severity.INFO, window=timedelta(minutes=15), per_hour=4)
    ahead = START + timedelta(days=700)
    first = [event(number, "a" * number, Severity.CRITICAL, ahead) for number in range(1, 6)]
    state, made = plan_messages(PlanState(), first, ahead, terms)
    assert len(made) == 4
    told = []
    for minute in range(80):
        now = START + timedelta(minutes=minute)
        new = [event(10, "a", Severity.CRITICAL, now), event(11, "b", Severity.CRITICAL, now)] if minute == 1 else []
        state, made = plan_messages(PlanState.model_validate_json(state.model_dump_json()), new, now, terms)
        told += [message.key for message in made]
    assert told, "within an hour and a window"
    assert not state.held.count


def test_a_clock_that_was_years_ahead_keeps_no_escalation_back() -> None:
    ahead, after = START + timedelta(days=700), timedelta(minutes=15)
    of_then = [event(1, "a", Severity.CRITICAL, ahead)]
    state, said = plan_escalation(EscalationState(), of_then, ahead + after, after)
    assert said is not None
    assert plan_escalation(EscalationState(), of_then, START, after)[1] is not None, "it was never told before"
    minutes = []
    for minute in range(120):
        now = START + timedelta(minutes=minute)
        unseen = [*of_then, *([event(2, "b", Severity.CRITICAL, START)] if minute else [])]
        state, said = plan_escalation(EscalationState.model_validate_json(state.model_dump_json()), unseen, now, after)
        minutes += [minute] if said is not None else []
        assert said is None or " -" not in said, "no negative age"
    assert minutes
    assert minutes[0] <= 30


def test_a_clock_that_is_set_back_by_a_moment_tells_nothing_twice() -> None:
    terms = Terms(severity=Severity.INFO, window=timedelta(minutes=15), per_hour=30)
    state, made = plan_messages(PlanState(), [event(1, "a", Severity.WARNING, START)], START, terms)
    assert len(made) == 1
    back = START - timedelta(seconds=2)
    assert plan_messages(state, [event(2, "a", Severity.WARNING, back)], back, terms)[1] == []
    unseen = [event(1, "a", Severity.CRITICAL, START)]
    assert plan_escalation(EscalationState(), unseen, back, timedelta(minutes=15))[1] is None
