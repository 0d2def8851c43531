"""The watch against the paper exchange, whose script plays the situation, through the real client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paper_exchange.account.account import Account
from serving.journal import PositionRecord, TradingState
from serving.status import Status
from serving.watch import Watch
from tests.paper_exchange.events.scripted_venue import venue
from tests.serving.guarding import Said
from tests.serving.scripted_process import connect
from tests.serving.trading import BTC, entry, opened

EMPTY = json.dumps({"code": "0", "msg": "", "data": []})
SLOW = pytest.mark.slow
TRADING, GUARDING = TradingState.TRADING, TradingState.GUARDING


class Play:
    """What the watch did while a script ran: the state after each look, by seconds since the entry."""

    def __init__(self) -> None:
        self.states: list[tuple[float, TradingState]] = []
        self.positions: list[PositionRecord] = []
        self.status = Status("paper", "scripted", {})
        self.said = Said()
        self.most_open = 0

    def guarded(self) -> bool:
        return any(state is GUARDING for _, state in self.states)


def play(
    home: Path, *script: dict[str, Any], seconds: int = 120, act: Callable[[Account], None] | None = None
) -> tuple[Play, Account]:
    """Open a position, let `act` happen, and watch for some seconds of the exchange's time."""
    played = Play()

    async def watch(url: str, account: Account) -> None:
        async with connect(home, url, watch_stepped=True) as connection:
            desk, parts = connection.start(played.said)
            clock, watching, played.status = connection.clock, Watch(parts), parts.status
            try:
                await watching.look()
                await opened(desk, entry(contracts="60", reference=100.0))
                begun = clock.now()
                if act is not None:
                    act(account)
                while (clock.now() - begun).total_seconds() < seconds:
                    due = watching.due()
                    assert due is not None
                    await clock.sleep_until(due)
                    await watching.look()
                    played.states.append(((clock.now() - begun).total_seconds(), parts.supervisor.state))
                    played.most_open = max(played.most_open, len(account.positions))
                played.positions = [*desk.journal.open_positions(), *desk.journal.closed_positions()]
            finally:
                desk.journal.close()

    with venue(*script) as (url, account):
        asyncio.run(watch(url, account))
    return played, account


def live_stops(account: Account) -> int:
    return len(list(account.live_algos(BTC)))


def test_nine_seconds_of_an_empty_list_of_positions(tmp_path: Path) -> None:
    fault = {"after_s": 10, "for_s": 9, "fault": "body", "path": "account/positions", "params": {"text": EMPTY}}
    played, account = play(tmp_path, fault)
    assert played.guarded()
    assert played.states[-1][1] is TRADING
    assert [record.close for record in played.positions] == [None]
    assert (live_stops(account), len(account.orders)) == (1, 1)


@pytest.mark.parametrize("fault", ["html_502", *(pytest.param(k, marks=SLOW) for k in ("maintenance_50001", "reset"))])
def test_twenty_seconds_without_the_venue(fault: str, tmp_path: Path) -> None:
    played, account = play(tmp_path, {"after_s": 10, "for_s": 20, "fault": fault, "path": "*/api/v5/*"})
    assert played.guarded()
    assert played.states[-1][1] is TRADING
    assert (live_stops(account), len(account.orders), len(played.positions)) == (1, 1, 1)


def test_a_stop_that_a_person_cancelled_is_back_within_one_look(tmp_path: Path) -> None:
    def cancel(account: Account) -> None:
        for algo in list(account.live_algos(BTC)):
            account.cancel_algo(algo)

    _, account = play(tmp_path, seconds=15, act=cancel)
    assert live_stops(account) == 1


@pytest.mark.parametrize("share", [0, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.5, 4))])
def test_minutes_of_a_wrong_balance_halts_nothing(share: float, tmp_path: Path) -> None:
    fault = {"after_s": 1, "for_s": 330, "fault": "wrong_balance", "path": "account/balance"}
    played, account = play(tmp_path, fault | {"params": {"share": share}}, seconds=420)
    assert {state for _, state in played.states} == {TRADING, GUARDING}
    assert played.states[-1][1] is TRADING
    assert not [line for line in played.said.lines if "limits" in line]
    assert (live_stops(account), len(account.orders), len(played.positions)) == (1, 1, 1)


SMALLER_STOPS = {"after_s": 1, "instrument": BTC, "change": {"maxStopSz": "25"}}


def test_a_lost_stop_is_back_in_parts_when_stops_may_be_smaller_now(tmp_path: Path) -> None:
    def cancel(account: Account) -> None:
        for algo in list(account.live_algos(BTC)):
            account.cancel_algo(algo)

    _, account = play(tmp_path, SMALLER_STOPS, seconds=15, act=cancel)
    assert sorted(algo.size or 0 for algo in account.live_algos(BTC)) == [10, 25, 25]


@SLOW
def test_stops_are_split_once_the_smaller_limit_is_listed(tmp_path: Path) -> None:
    _, account = play(tmp_path, SMALLER_STOPS, seconds=360)
    assert sorted(algo.size or 0 for algo in account.live_algos(BTC)) == [10, 25, 25]


@SLOW
def test_a_suspended_contract_keeps_its_position_and_is_blocked(tmp_path: Path) -> None:
    script = {"after_s": 20, "instrument": BTC, "state": "suspend", "for_s": 400}
    played, account = play(tmp_path, script, seconds=360)
    assert BTC in played.status.blocked
    assert (live_stops(account), len(account.positions)) == (1, 1)
    assert played.states[-1][1] is TRADING


@SLOW
def test_a_delisting_settles_the_position_and_it_is_booked(tmp_path: Path) -> None:
    played, account = play(tmp_path, {"after_s": 30, "instrument": BTC, "delist": True}, seconds=90)
    (record,) = played.positions
    assert record.close is not None
    assert record.close.exit_price == 100
    assert account.positions == {}
    assert live_stops(account) == 0
    assert played.states[-1][1] is TRADING


@SLOW
def test_a_contract_that_changes_its_value_stays_protected(tmp_path: Path) -> None:
    script = {"after_s": 30, "instrument": BTC, "change": {"ctVal": "0.001"}}
    played, account = play(tmp_path, script, seconds=120)
    (record,) = played.positions
    assert record.close is None
    assert record.position.legs[0].contracts == 600
    assert abs(next(iter(account.positions.values())).size) == 600
    assert sum(Decimal(algo.size or 0) for algo in account.live_algos(BTC)) >= 600
    assert played.states[-1][1] is TRADING
