"""What a person asks for is carried out at the next look, in order and once, and a halt stays over a restart."""

from __future__ import annotations

import asyncio

from pairity.layout import Layout
from serving.control.queue import RequestQueue
from serving.journal import TradingState
from serving.journal.event_records import Wish
from tests.serving.guarding import Guard, ask, look, states
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, opened

TRADING, HALTED = TradingState.TRADING, TradingState.HALTED


def test_a_halt_stays_over_a_restart_and_only_a_person_lifts_it(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    ask(guard, Wish.HALT)
    look(guard)
    assert (guard.supervisor.state, guard.supervisor.flattens) == (HALTED, False)
    tiny.faults = [("*", "html")] * 9
    look(guard)
    tiny.faults = []
    tiny.algos[0]["state"] = "canceled"
    look(guard)
    assert guard.supervisor.state is HALTED
    assert len(tiny.live_algos(BTC)) == 1, "protection goes on"
    again = guard.restarted()
    assert again.supervisor.state is HALTED
    assert "a test" in again.status.trading_reason
    ask(again, Wish.RESUME)
    look(again)
    assert again.supervisor.state is TRADING
    assert [record.by for record in again.desk.journal.states.all()][-2:] == ["person", "person"]
    again.desk.journal.close()


def test_a_request_waits_for_a_process_that_is_down(guard: Guard, tiny: TinyOkx) -> None:
    guard.desk.journal.close()
    ask(guard, Wish.HALT)
    again = Guard(tiny, guard.home)
    look(again, 0)
    assert again.supervisor.state is HALTED
    again.desk.journal.close()


def test_flatten_closes_what_is_ours_and_halts(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.trade_by_hand("ETH-USDT-SWAP", "buy", guard.desk.executor.contracts["ETH"].min_sz)
    ask(guard, Wish.FLATTEN)
    look(guard)
    assert guard.supervisor.flattens
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert closed.close.exit_reason == "flatten"
    assert (tiny.size(BTC), tiny.live_algos(BTC)) == (0, [])
    assert tiny.size("ETH-USDT-SWAP") > 0


def test_a_request_that_nobody_can_read_guards(guard: Guard) -> None:
    path = Layout(guard.home).request
    path.write_text("halt!")
    path.chmod(0o600)
    look(guard)
    assert list(guard.status.causes) == ["request"]


def test_requests_are_carried_out_in_order_and_once(guard: Guard) -> None:
    ask(guard, Wish.RESUME)
    ask(guard, Wish.HALT)
    look(guard)
    assert guard.supervisor.state is HALTED
    look(guard)
    assert states(guard.desk.journal) == [TRADING, HALTED]
    assert RequestQueue(Layout(guard.home)).list_waiting() == []
