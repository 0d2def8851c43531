"""Requests of a person: none is lost, none is carried out twice, and what they ask for holds over restarts."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.redaction import learn_secrets
from pairity.strategy.types import Entry, Exit, ExitReason
from serving.control import queue as queue_module
from serving.control.queue import Request, RequestQueue, read_request
from serving.cycle import Cycle
from serving.execution.entries import Opened
from serving.execution.exits import Closed
from serving.journal import DecisionRecord, Journal, TradingState
from serving.journal.event_records import Severity, Wish
from serving.parts import Parts
from serving.report import Reporter
from serving.supervisor import PERSON
from serving.wakes import Wakes
from tests.serving.guarding import Guard
from tests.serving.pair_trading import decide_pair, pair_entry
from tests.serving.real_time import real_time_venue, running, until
from tests.serving.test_watch import fill_up, make_room, refuse
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, T0, entry, opened

TRADING, GUARDING, HALTED = TradingState.TRADING, TradingState.GUARDING, TradingState.HALTED


@pytest.fixture
def guard(tiny: TinyOkx, tmp_path: Path) -> Iterator[Guard]:
    tmp_path.chmod(0o700)
    made = Guard(tiny, tmp_path)
    yield made
    made.desk.journal.close()


def look(guard: Guard, seconds: float = 15) -> None:
    guard.tiny.now_ms += int(seconds * 1000)
    asyncio.run(guard.watch.look())


def ask(guard: Guard, wish: Wish, **target: object) -> str:
    return RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=T0, reason="a test", **target))  # type: ignore[arg-type]


def texts(journal: Journal, kind: str) -> list[str]:
    return [event.text for event in reversed(journal.event_log.page(kind=kind))]


def test_a_guard_of_a_person_holds_until_a_person_lifts_it(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    ask(guard, Wish.GUARD)
    look(guard)
    assert (guard.supervisor.state, list(guard.status.causes)) == (GUARDING, [PERSON])
    tiny.algos[0]["state"] = "canceled"
    ask(guard, Wish.RESUME)
    look(guard)
    assert len(tiny.live_algos(BTC)) == 1, "protection goes on"
    again = guard.restarted()
    assert (again.supervisor.state, list(again.status.causes)) == (GUARDING, [PERSON])
    assert "a test" in again.status.trading_reason
    look(again)
    assert again.supervisor.state is GUARDING
    ask(again, Wish.UNGUARD)
    look(again)
    assert again.supervisor.state is TRADING
    third = again.restarted()
    assert third.supervisor.state is TRADING
    assert third.desk.journal.states.last_resumption() is None, "a guard lifts no halt and begins no peak anew"
    third.desk.journal.close()


def test_one_position_is_closed_whole_and_the_others_stay(guard: Guard, tiny: TinyOkx) -> None:
    wanted = pair_entry()
    position = asyncio.run(guard.desk.executor.open(wanted, decide_pair(guard.desk, wanted))).position
    assert position is not None
    ask(guard, Wish.CLOSE, position_id=position.position_id)
    look(guard)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert closed.close.exit_reason == "person"
    assert (tiny.size(BTC), tiny.size(ETH), tiny.live_algos(BTC), tiny.live_algos(ETH)) == (0, 0, [], [])
    assert guard.supervisor.state is TRADING
    (said,) = texts(guard.desk.journal, "request")
    assert position.position_id in said
    assert "a test" in said


def test_a_close_that_the_venue_refuses_is_tried_until_it_is_done_over_a_restart_and_in_a_halt(
    guard: Guard, tiny: TinyOkx
) -> None:
    position = asyncio.run(opened(guard.desk))
    real, tiny._privatePostTradeOrder = tiny._privatePostTradeOrder, refuse  # type: ignore[method-assign]
    ask(guard, Wish.HALT)
    ask(guard, Wish.CLOSE, position_id=position.position_id)
    for _ in range(10):
        look(guard, 60)
    assert guard.supervisor.state is HALTED
    assert len(guard.desk.journal.open_positions()) == 1
    assert len(tiny.live_algos(BTC)) == 1, "its stop stays"
    assert len(tiny.sent("privatePostTradeOrder")) < 40, "tries are spaced"
    again = guard.restarted()
    tiny._privatePostTradeOrder = real  # type: ignore[method-assign]
    look(again, 1000)
    assert again.desk.journal.open_positions() == []
    assert again.supervisor.state is HALTED
    again.desk.journal.close()


@pytest.mark.parametrize(
    ("position_id", "said"),
    [("BTC__SOL@20200101T0000Z", "no such position"), (None, "no such position")],
)
def test_closing_what_is_not_there_is_said_and_changes_nothing(
    position_id: str | None, said: str, guard: Guard
) -> None:
    asyncio.run(opened(guard.desk))
    ask(guard, Wish.CLOSE, position_id=position_id)
    look(guard)
    assert said in texts(guard.desk.journal, "request")[0]
    assert len(guard.desk.journal.open_positions()) == 1


def test_a_close_asked_twice_closes_once(guard: Guard, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(guard.desk))
    for _ in range(2):
        ask(guard, Wish.CLOSE, position_id=position.position_id)
    look(guard)
    ask(guard, Wish.CLOSE, position_id=position.position_id)
    look(guard)
    assert "closed already (person)" in texts(guard.desk.journal, "request")[2]
    exits = [row for row in tiny.sent("privatePostTradeOrder") if "reduceOnly" in json.dumps(row, default=str)]
    assert tiny.size(BTC) == 0
    assert len(exits) <= 2


@pytest.mark.parametrize("moment", ["before it takes effect", "before the journal", "before it leaves the queue"])
def test_a_process_that_dies_carries_out_each_request_all_the_same_and_none_twice(
    moment: str, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = [Wish.GUARD, Wish.HALT, Wish.RESUME, Wish.UNGUARD, Wish.GUARD]
    for wish in wishes:
        ask(guard, wish)
    desk = guard.watch._requests
    step = {
        "before it takes effect": (desk, "_take_effect"),
        "before the journal": (guard.desk.journal.requests, "record"),
        "before it leaves the queue": (desk.queue, "drop"),
    }[moment]
    deaths = 0
    process = guard
    while True:
        owner = _owner(process, step[1])
        real = getattr(owner, step[1])
        calls = [0]

        def dying(*given: object, real: Callable[..., object] = real, calls: list[int] = calls) -> object:
            calls[0] += 1
            if calls[0] == 2:
                raise KeyboardInterrupt  # nothing survives it, as with kill -9
            return real(*given)

        monkeypatch.setattr(owner, step[1], dying)
        try:
            look(process)
        except KeyboardInterrupt:
            deaths += 1
            process = process.restarted()
        else:
            break
    assert deaths >= 2
    journal = process.desk.journal
    assert [request.wish for request in journal.requests.all()] == wishes
    assert len(texts(journal, "request")) == len(wishes)
    assert RequestQueue(Layout(process.home)).list_waiting() == []
    assert list(process.supervisor.causes) == [PERSON]
    assert process.supervisor.state is GUARDING
    journal.close()


def _owner(process: Guard, name: str) -> object:
    desk = process.watch._requests
    return {"_take_effect": desk, "record": process.desk.journal.requests, "drop": desk.queue}[name]


def test_a_request_that_was_journalled_and_not_dropped_is_not_carried_out_again(guard: Guard) -> None:
    ask(guard, Wish.HALT)
    name = ask(guard, Wish.RESUME)
    waiting = guard.watch._requests.queue.list_waiting()
    content = {path: path.read_bytes() for path in waiting}
    look(guard)
    guard.supervisor.halt("a limit of risk")
    for path, before in content.items():
        path.write_bytes(before)
        path.chmod(0o600)
    again = guard.restarted()
    look(again)
    assert again.supervisor.state is HALTED, f"{name} lifts no halt that came after it"
    assert again.watch._requests.queue.list_waiting() == []
    again.desk.journal.close()


def test_while_the_disk_is_full_requests_hold_in_memory_and_are_written_later(guard: Guard) -> None:
    fill_up(guard.desk.journal)
    ask(guard, Wish.HALT)
    for _ in range(3):
        look(guard)
    assert guard.supervisor.state is HALTED
    assert len(guard.watch._requests.queue.list_waiting()) == 1
    make_room(guard.desk.journal)
    for _ in range(2):
        look(guard)
    assert guard.watch._requests.queue.list_waiting() == []
    assert [request.wish for request in guard.desk.journal.requests.all()] == [Wish.HALT]


def test_what_nobody_can_read_guards_and_lets_those_behind_it_through(guard: Guard) -> None:
    name = ask(guard, Wish.GUARD)
    (path,) = guard.watch._requests.queue.list_waiting()
    path.write_text('{"wish": "halt"')
    ask(guard, Wish.HALT)
    look(guard)
    assert guard.supervisor.state is HALTED
    assert "request" in guard.status.causes
    assert [waiting.stem for waiting in guard.watch._requests.queue.list_waiting()] == [name]
    path.unlink()
    look(guard)
    assert "request" not in guard.status.causes


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "null",
        '{"wish": "buy", "at": "2025-01-01T00:00:00+00:00", "reason": ""}',
        '{"wish": "halt", "at": "yesterday", "reason": ""}',
        '{"wish": "halt", "at": "2025-01-01T00:00:00+00:00", "reason": "", "by": "stranger"}',
        '{"wish": "close", "at": "2025-01-01T00:00:00+00:00", "reason": "", "position_id": 3}',
        '{"wish": "acknowledge", "at": "2025-01-01T00:00:00+00:00", "reason": "", "event_id": true}',
        '{"wish": "acknowledge", "at": "2025-01-01T00:00:00+00:00", "reason": "", "event_id": 1e300}',
        '{"wish": "halt", "at": "2025-01-01T00:00:00", "reason": ""}',
        "[" * 5000,
    ],
)
def test_files_that_are_no_requests_are_named(content: str, guard: Guard) -> None:
    ask(guard, Wish.HALT)
    (path,) = guard.watch._requests.queue.list_waiting()
    path.write_text(content)
    with pytest.raises(ConfigError, match="is not a request"):
        read_request(path)
    look(guard)
    assert list(guard.status.causes) == ["request"]


def test_a_request_of_a_version_without_a_queue_is_taken_up_first(guard: Guard) -> None:
    path = Layout(guard.home).request
    path.write_text(json.dumps({"wish": "halt", "at": T0.isoformat(), "reason": "before the update"}))
    path.chmod(0o600)
    ask(guard, Wish.RESUME)
    look(guard)
    assert [request.wish for request in guard.desk.journal.requests.all()] == [Wish.HALT, Wish.RESUME]
    assert not path.exists()


def test_a_number_that_is_too_long_loses_no_request(guard: Guard) -> None:
    """A file of any number may stand there, and a request that was taken must not be passed over behind it."""
    ask(guard, Wish.GUARD)
    (first,) = RequestQueue(Layout(guard.home)).list_waiting()
    first.rename(first.with_name(f"99999999-{'0' * 16}.json"))
    names = [ask(guard, wish) for wish in (Wish.RESUME, Wish.HALT)]
    look(guard)
    assert [request.request_id for request in guard.desk.journal.requests.all()][1:] == names
    assert guard.supervisor.state is HALTED


def test_a_key_in_a_reason_is_nowhere_in_the_data_directory(guard: Guard) -> None:
    """Whoever pastes the token into the wrong field must not find it in every backup."""
    secret = "a-token-pasted-into-the-reason"
    learn_secrets([secret])
    for wish in (Wish.GUARD, Wish.HALT, Wish.FLATTEN):
        RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=T0, reason=f"it is {secret}!"))
    files = [path for path in guard.home.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    waiting = RequestQueue(Layout(guard.home)).list_waiting()[0]
    waiting.write_bytes(waiting.read_bytes().replace(b"***", secret.encode()))  # as an older version left it
    look(guard)
    files = [path for path in guard.home.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert {request.reason for request in guard.desk.journal.requests.all()} == {"it is ***!"}


def test_too_many_requests_are_refused_and_those_that_wait_stay(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MOST_WAITING", 3)
    for _ in range(3):
        ask(guard, Wish.ACKNOWLEDGE_ALL)
    with pytest.raises(ConfigError, match="3 requests wait"):
        ask(guard, Wish.RESUME)
    for _ in range(3):
        ask(guard, Wish.HALT)
    with pytest.raises(ConfigError, match="6 requests wait"):
        ask(guard, Wish.HALT)
    look(guard)
    assert len(guard.desk.journal.requests.all()) == 6
    assert guard.supervisor.state is HALTED


def test_requests_of_many_programs_at_once_are_all_carried_out_in_their_order(guard: Guard) -> None:
    names: list[list[str]] = [[] for _ in range(4)]

    def work(place: int) -> None:
        for _ in range(10):
            names[place].append(ask(guard, Wish.GUARD))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        guard.watch._requests.carry_out()
    guard.watch._requests.carry_out()
    done = [request.request_id for request in guard.desk.journal.requests.all()]
    assert sorted(done) == sorted(name for mine in names for name in mine)
    for mine in names:
        assert [name for name in done if name in mine] == mine


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


def test_a_halt_between_two_entries_of_a_decision_stops_the_second(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first may take minutes at a slow venue: whoever halts meanwhile must not see another position opened."""
    cycle = Cycle(cast(Parts, guard.parts), guard.watch, Reporter(guard.parts))
    record = guard.desk.decide(entry(), entry(asset="ETH", reference=2000.0))
    look(guard)
    asyncio.run(guard.watch.measure())
    really_open = guard.parts.executor.open

    async def open_and_wait(wanted: Entry, decided: DecisionRecord) -> Opened:
        outcome = await really_open(wanted, decided)
        ask(guard, Wish.HALT)
        return outcome

    monkeypatch.setattr(guard.parts.executor, "open", open_and_wait)
    problems = asyncio.run(cycle._carry_out(record))
    assert [held.position.legs[0].asset for held in guard.desk.journal.open_positions()] == ["BTC"]
    assert guard.supervisor.state is HALTED
    assert "ETH__SOL@20250318T1700Z was not opened: halted" in problems[-1]
    ask(guard, Wish.RESUME)
    ask(guard, Wish.HALT)
    assert asyncio.run(cycle._carry_out(record)) == [f"nothing is carried out: {guard.supervisor.explain_refusal()}"]


def test_a_halt_between_two_exits_of_a_decision_leaves_the_second(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = Cycle(cast(Parts, guard.parts), guard.watch, Reporter(guard.parts))
    both = [entry(), entry(asset="ETH", reference=2000.0)]
    entered = guard.desk.decide(*both)
    for wanted in both:
        asyncio.run(guard.parts.executor.open(wanted, entered))
    look(guard)
    exits = tuple(Exit(wanted.position_id, ExitReason.Z_CROSS) for wanted in both)
    record = guard.desk.decide(exits=exits, at=T0 + timedelta(hours=1))
    really_close = guard.parts.executor.close

    async def close_and_wait(*given: Any) -> Closed:
        outcome = await really_close(*given)
        ask(guard, Wish.HALT)
        return outcome

    monkeypatch.setattr(guard.parts.executor, "close", close_and_wait)
    problems = asyncio.run(cycle._carry_out(record))
    assert [held.position.legs[0].asset for held in guard.desk.journal.open_positions()] == ["ETH"]
    assert problems[-1].startswith("ETH__SOL@20250318T1700Z was not closed: halted")


def test_nobody_acknowledges_what_happened_after_he_asked(guard: Guard) -> None:
    """The process may be deciding, or not run at all, while the request waits."""
    guard.events.record("test", Severity.CRITICAL, "seen")
    guard.events.flush()
    put_now(guard, Wish.ACKNOWLEDGE_ALL)
    guard.events.record("test", Severity.CRITICAL, "not seen")
    guard.events.flush()
    look(guard)
    assert [event.text for event in guard.desk.journal.event_log.page(kind="test", acknowledged=False)] == ["not seen"]


def put_now(guard: Guard, wish: Wish) -> None:
    RequestQueue(Layout(guard.home)).put(Request(wish=wish, at=datetime.now(UTC), reason="a test"))


def test_a_mistake_in_one_request_keeps_no_halt_behind_it(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = guard.watch._requests
    monkeypatch.setattr(desk, "_check_position", lambda _name: 1 / 0)
    ask(guard, Wish.CLOSE, position_id="BTC__ETH@1")
    ask(guard, Wish.HALT)
    look(guard)
    assert guard.supervisor.state is HALTED
    assert "request" in guard.status.causes
    assert not desk.queue.has_new(), "what was tried wakes nobody"


def test_a_folder_that_cannot_be_read_wakes_nobody_and_guards(guard: Guard) -> None:
    Layout(guard.home).requests.write_text("no folder")
    assert not guard.watch._requests.queue.has_new()
    look(guard)
    assert list(guard.status.causes) == ["request"]


def test_a_running_process_takes_a_request_up_at_once(tmp_path: Path) -> None:
    async def job() -> None:
        with real_time_venue() as (url, _account):
            async with running(url, tmp_path / "home", watch_s=300, stream=False) as process:
                await until(lambda: process.status.watched is not None)
                await asyncio.sleep(0.3)
                queue = RequestQueue(Layout(tmp_path / "home"))
                queue.put(Request(wish=Wish.GUARD, at=T0, reason="a test"))
                assert await until(lambda: PERSON in process.supervisor.causes) < 1.5
                await until(lambda: queue.list_waiting() == [])

    asyncio.run(asyncio.wait_for(job(), 60))


def test_a_new_request_wakes_a_sleep_at_once_and_one_that_was_tried_does_not(guard: Guard) -> None:
    class RealClock:
        async def sleep_until(self, _instant: datetime) -> None:
            await asyncio.sleep(3.0)

    queue = RequestQueue(Layout(guard.home))
    wakes = Wakes(None, queue=queue)

    async def sleep() -> float:
        begun = time.monotonic()
        await wakes.sleep_until(RealClock(), T0 + timedelta(days=1))  # type: ignore[arg-type]
        return time.monotonic() - begun

    async def sleep_and_ask() -> float:
        task = asyncio.ensure_future(sleep())
        await asyncio.sleep(0.1)
        ask(guard, Wish.GUARD)
        return await task

    assert asyncio.run(sleep_and_ask()) < 1.0
    queue.mark_seen()
    assert not queue.has_new()
