"""Events that a person has seen: one, all of them, and none that came after he asked."""

from __future__ import annotations

from datetime import UTC, datetime

from pairity.layout import Layout
from serving.control.queue import Request, RequestQueue
from serving.journal.event_records import Severity, Wish
from tests.serving.guarding import Guard, ask, look


def put_now(guard: Guard, wish: Wish) -> None:
    RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=datetime.now(UTC), reason="a test"))


def test_whoever_resumes_has_seen_the_halt(guard: Guard) -> None:
    guard.supervisor.halt("a limit of risk")
    look(guard)
    assert guard.desk.journal.event_log.count_unacknowledged()[Severity.CRITICAL] == 1
    ask(guard, Wish.RESUME)
    look(guard)
    assert Severity.CRITICAL not in guard.desk.journal.event_log.count_unacknowledged()


def test_events_are_acknowledged_one_or_all(guard: Guard) -> None:
    for text in ("one", "two", "three"):
        guard.events.record("test", Severity.WARNING, text)
    look(guard)
    first = guard.desk.journal.event_log.page(kind="test")[-1]
    ask(guard, Wish.ACKNOWLEDGE, event_id=first.event_id)
    look(guard)
    assert [event.text for event in guard.desk.journal.event_log.page(kind="test", acknowledged=True)] == ["one"]
    put_now(guard, Wish.ACKNOWLEDGE_ALL)
    look(guard)
    assert guard.desk.journal.event_log.page(kind="test", acknowledged=False) == []
    assert guard.desk.journal.event_log.page(kind="test")[-1].acknowledged_by == "command"


def test_nobody_acknowledges_what_happened_after_he_asked(guard: Guard) -> None:
    """The process may be deciding, or not run at all, while the request waits."""
    guard.events.record("test", Severity.CRITICAL, "seen")
    guard.events.flush()
    put_now(guard, Wish.ACKNOWLEDGE_ALL)
    guard.events.record("test", Severity.CRITICAL, "not seen")
    guard.events.flush()
    look(guard)
    assert [event.text for event in guard.desk.journal.event_log.page(kind="test", acknowledged=False)] == ["not seen"]
