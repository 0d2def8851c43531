"""Requests of a person: none is lost, none is carried out twice, and what they ask for holds over restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from pairity.layout import Layout
from serving.control.queue import RequestQueue
from serving.journal import Journal, TradingState
from serving.journal.event_records import Wish
from serving.supervisor import PERSON
from tests.serving.full_disk import fill_up, make_room
from tests.serving.guarding import Guard, ask, look
from tests.serving.pair_trading import decide_pair, pair_entry
from tests.serving.tiny_okx import TinyOkx, refuse
from tests.serving.trading import BTC, ETH, opened

TRADING, GUARDING, HALTED = TradingState.TRADING, TradingState.GUARDING, TradingState.HALTED


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


def test_a_mistake_in_one_request_keeps_no_halt_behind_it(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = guard.watch._requests
    monkeypatch.setattr(desk, "_check_position", lambda _name: 1 / 0)
    ask(guard, Wish.CLOSE, position_id="BTC__ETH@1")
    ask(guard, Wish.HALT)
    look(guard)
    assert guard.supervisor.state is HALTED
    assert "request" in guard.status.causes
    assert not desk.queue.has_new(), "what was tried wakes nobody"
