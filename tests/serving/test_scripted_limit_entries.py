"""Limit entries against the paper exchange, whose script plays the situation, through the real client."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pairity.strategy.types import Side
from paper_exchange.account.account import Account
from paper_exchange.account.orders import Order
from serving.execution.limit_entries import LimitTerms
from serving.journal import Fill, Journal, PositionRecord, Purpose
from serving.watch import Watch
from tests.paper_exchange.events.scripted_venue import venue
from tests.paper_exchange.handmade_market import ETH, flat
from tests.serving.guarding import Said
from tests.serving.scripted_process import Connection, connect
from tests.serving.trading import BTC, Desk, entry

SLOW = pytest.mark.slow
TERMS = LimitTerms(deadline_s=20.0, quotes=1, drift=Decimal("0.002"), cancel_after_s=10)
WANTED = entry(Side.BUY, "60", 100.0)
DIPS = {BTC: [(100, 100, 99.5, 100), *flat(100, 200)], ETH: flat(50, 200)}
PARTLY = {"after_s": 7, "instrument": BTC, "fill_resting": "0.4"}


class Play:
    """What was in the journal when a script was over, and at which seconds a part was seen without its stop."""

    def __init__(self) -> None:
        self.positions: list[PositionRecord] = []
        self.fills: list[Fill] = []
        self.left_naked: list[float] = []
        self.unsettled = 0


def play(
    home: Path,
    *script: dict[str, Any],
    seconds: float = 30,
    killed_for_s: float | None = None,
    terms: LimitTerms = TERMS,
    **options: Any,
) -> tuple[Play, Account]:
    """Decide on an entry and watch for some seconds of the exchange's time.

    With `killed_for_s` the process ends right after the entry, and another one comes so many seconds later.
    """
    played = Play()

    async def watch(url: str, account: Account) -> None:
        async with connect(home, url) as connection:
            clock = connection.clock
            desk, watching = start(connection)
            begun = clock.now()
            try:
                await watching.look()
                outcome = await desk.executor.open(WANTED, desk.decide(WANTED, at=clock.now()))
                assert outcome.rests, outcome
                if killed_for_s is not None:
                    desk.journal.close()
                    await clock.sleep_until(begun + timedelta(seconds=killed_for_s))
                    desk, watching = start(connection)
                    await watching.look()
                while (clock.now() - begun).total_seconds() < seconds and (due := watching.due()) is not None:
                    await clock.sleep_until(due)
                    await watching.look()
                    covered = sum((algo.size or Decimal(0) for algo in account.live_algos(BTC)), Decimal(0))
                    if covered < account.held(BTC):
                        played.left_naked.append((clock.now() - begun).total_seconds())
                record(desk.journal)
            finally:
                desk.journal.close()

    def start(connection: Connection) -> tuple[Desk, Watch]:
        desk, parts = connection.start(Said(), terms)
        return desk, Watch(parts)

    def record(journal: Journal) -> None:
        played.positions = [*journal.open_positions(), *journal.closed_positions()]
        played.fills = journal.fills(WANTED.position_id)
        played.unsettled = len([i for i in journal.unsettled() if i.purpose is not Purpose.PROTECT])

    with venue(*script, **options) as (url, account):
        asyncio.run(watch(url, account))
    return played, account


def orders(account: Account) -> list[Order]:
    return list(account.orders.values())


def assert_equal(played: Play, account: Account, contracts: str) -> None:
    """Journal and account have the same position, fills and fees; it was never seen without its stops."""
    held = [record.position.legs[0].contracts for record in played.positions if record.close is None]
    assert sum(held, Decimal(0)) == account.held(BTC) == Decimal(contracts)
    assert played.left_naked == []
    assert played.unsettled == 0
    assert list(account.pending()) == []
    assert sum((fill.contracts for fill in played.fills), Decimal(0)) == Decimal(contracts)
    charged = sum((execution.fee for execution in account.ledger.executions), Decimal(0))
    assert sum((fill.fee_usdt or Decimal(0) for fill in played.fills), Decimal(0)) == charged


def test_a_bar_that_trades_through_fills_it_as_maker(tmp_path: Path) -> None:
    played, account = play(tmp_path, paths=DIPS, seconds=65, terms=replace(TERMS, deadline_s=90.0))
    [order] = orders(account)
    assert (order.kind, order.state, order.filled_notional / order.filled) == ("post_only", "filled", Decimal("99.9"))
    assert {execution.taker for execution in account.ledger.executions} == {False}
    assert_equal(played, account, "60")


@SLOW
def test_never_filled_goes_at_market_and_the_timer_is_off(tmp_path: Path) -> None:
    played, account = play(tmp_path)
    assert [(order.kind, order.state, order.cancel_source) for order in orders(account)] == [
        ("post_only", "canceled", "1"),
        ("market", "filled", ""),
    ]
    assert account.cancel_all_at == {}
    assert_equal(played, account, "60")


@pytest.mark.parametrize("unkind", [False, pytest.param(True, marks=SLOW)])
def test_partly_filled_is_protected_and_filled_up(unkind: bool, tmp_path: Path) -> None:
    played, account = play(tmp_path, PARTLY, unkind=unkind)
    assert [(order.kind, order.filled) for order in orders(account)] == [("post_only", 24), ("market", 36)]
    assert {execution.taker for execution in account.ledger.executions} == {False, True}
    assert_equal(played, account, "60")


@pytest.mark.parametrize("share", ["0.5", pytest.param("1", marks=SLOW)])
def test_filled_while_cancelling(share: str, tmp_path: Path) -> None:
    race = {"after_s": 0, "fault": "fill_before_cancel", "path": "cancel-order", "params": {"share": share}}
    played, account = play(tmp_path, race)
    assert [order.filled for order in orders(account)] == ([30, 30] if share == "0.5" else [60])
    assert_equal(played, account, "60")


@SLOW
def test_cancelled_by_the_venue(tmp_path: Path) -> None:
    played, account = play(tmp_path, PARTLY, {"after_s": 8, "instrument": BTC, "cancel_resting": "3"})
    assert [(order.filled, order.cancel_source) for order in orders(account)] == [(24, "3"), (36, "")]
    assert_equal(played, account, "60")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("POST trade/order", "reset"),
        pytest.param("POST trade/cancel-order", "reset", marks=SLOW),
        *(
            pytest.param(f"POST trade/{path}", fault, marks=SLOW)
            for path in ("order", "cancel-order", "cancel-all-after")
            for fault in ("timeout_50004", "html_502", "abort_body", "rate_limit_json")
        ),
    ],
)
def test_a_lost_reply(path: str, fault: str, tmp_path: Path) -> None:
    strike = {"after_requests": 0 if path != "POST trade/cancel-all-after" else 1, "path": path, "fault": fault}
    played, account = play(tmp_path, strike, PARTLY, seconds=50)
    assert sum(order.filled for order in orders(account)) == account.held(BTC)
    assert account.held(BTC) in (24, 60), "an unreadable venue ends the limit order, and what was filled stays"
    assert_equal(played, account, str(account.held(BTC)))


@pytest.mark.parametrize("killed_for_s", [pytest.param(5, marks=SLOW), 25, pytest.param(600, marks=SLOW)])
def test_killed_while_it_rests(killed_for_s: float, tmp_path: Path) -> None:
    played, account = play(tmp_path, PARTLY, killed_for_s=killed_for_s, seconds=killed_for_s + 30)
    first = orders(account)[0]
    assert (first.filled, first.cancel_source) == (24, "1" if killed_for_s < 10 else "20")
    if killed_for_s > 10:
        assert first.updated_ms - first.created_ms <= 10_000, "the venue ended it, while nobody was there"
    assert_equal(played, account, "60" if killed_for_s < 60 else "24")
