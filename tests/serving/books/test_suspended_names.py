"""A held name whose instrument does not trade: it stays as it is, and the others are traded within the limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from serving.journal import Purpose, TradingState
from serving.replay.published_data import PublishedData
from tests.serving.books.book_scene import DAY, FIRST, book_scene
from tests.serving.books.desk_scene import BTC, ETH, SOL, BookGuard, BookOkx

REDUCE = Purpose.REDUCE
HOURLY = {"port": 0, "lease": False, "interval_minutes": 60}


@pytest.fixture
def okx(tmp_path: Path) -> BookOkx:
    tmp_path.chmod(0o700)
    return BookOkx()


def hold(okx: BookOkx, home: Path, **changes: object) -> BookGuard:
    """Let a book hold 100 ETH (20,000 USDT) and 100 SOL (10,000 USDT) since yesterday's decision."""
    made = BookGuard(okx, home, **changes)
    made.decide(ETH="100", SOL="100")
    made.look()
    assert made.held() == {ETH: 100, SOL: 100}
    made.next_day()
    return made


@pytest.fixture
def guard(okx: BookOkx, tmp_path: Path) -> Iterator[BookGuard]:
    made = hold(okx, tmp_path)
    try:
        yield made
    finally:
        made.journal.close()


def test_a_reduction_that_cannot_trade_holds_nothing_up_and_is_made_once_it_can(guard: BookGuard, okx: BookOkx) -> None:
    stop = okx.live_algos(ETH)
    okx.states[ETH] = "suspend"
    guard.decide(SOL="100", BTC="1")
    for _ in range(6):
        guard.look(60)
    assert guard.held() == {ETH: 100, SOL: 100, BTC: 1}
    assert guard.parts.supervisor.state is TradingState.TRADING
    assert okx.live_algos(ETH) == stop  # a new one would be refused
    assert any(line.startswith(f"ETH is not reduced yet: {ETH} does not trade: suspend") for line in guard.said.lines)
    tries = len(guard.sent(ETH, REDUCE))
    assert tries <= 2  # what is known not to trade is not asked again and again
    okx.states[ETH] = "live"
    for _ in range(8):
        guard.look(60)
    assert guard.held() == {SOL: 100, BTC: 1}
    assert okx.live_algos(ETH) == []


def test_a_stop_is_not_renewed_while_its_instrument_does_not_trade(guard: BookGuard, okx: BookOkx) -> None:
    okx.states[ETH] = "suspend"
    guard.look()
    [before] = okx.live_algos(ETH)
    okx.prices[ETH] = Decimal(1900)
    guard.decide(ETH="100", SOL="100")
    guard.look()
    assert okx.live_algos(ETH) == [before]
    assert guard.parts.supervisor.state is TradingState.TRADING
    okx.states[ETH] = "live"
    guard.look(400)
    guard.look()
    assert [algo["slTriggerPx"] for algo in okx.live_algos(ETH)] == ["1330.00"]


@pytest.mark.parametrize(
    ("books", "held"),
    [
        # ETH was to make room for BTC: with it, 0.02 + 0.01 + 0.0008 of the equity is held.
        ({"gross_max": 0.04}, {ETH: 100, SOL: 100, BTC: 1}),
        ({"gross_max": 0.03}, {ETH: 100, SOL: 100}),
        ({"net_max": 0.04}, {ETH: 100, SOL: 100, BTC: 1}),
        ({"net_max": 0.03}, {ETH: 100, SOL: 100}),
    ],
)
def test_increases_go_on_within_the_limits_that_hold_with_what_stays(
    okx: BookOkx, tmp_path: Path, books: dict[str, float], held: dict[str, int]
) -> None:
    guard = hold(okx, tmp_path, books=books)
    try:
        okx.states[ETH] = "suspend"
        guard.decide(SOL="100", BTC="1")
        for _ in range(4):
            guard.look()
        assert guard.held() == held
        if BTC not in held:
            limit = next(iter(books)).removesuffix("_max")
            said = [
                line for line in guard.said.lines if line.startswith(f"BTC is not increased: {limit} 0.031 with ETH")
            ]
            assert said
        okx.states[ETH] = "live"
        for _ in range(4):
            guard.look(120)
        assert guard.held() == {SOL: 100, BTC: 1}
    finally:
        guard.journal.close()


class Suspended(PublishedData):
    """Published features without the bars of one name from an instant on."""

    name, since = "", FIRST

    def read_online(self, service_name: str, entities: list[str], *, at) -> pl.DataFrame:
        shown = super().read_online(service_name, entities, at=at)
        if shown.columns[0] != "asset":
            return shown
        before = super().read_online(service_name, entities, at=min(at, self.since))
        own = pl.col("asset") == self.name
        return pl.concat([shown.filter(~own), before.filter(own)])


def test_a_held_name_stays_as_it_is_for_as_long_as_it_does_not_trade(tmp_path: Path) -> None:
    """It stops trading on the day of the first decision: at the third its last bar is 38 hours old."""

    def open_suspended(settings, clock) -> Suspended:
        data = Suspended(settings, clock, FIRST - DAY, FIRST + 10 * DAY)
        data.name, data.since = gone, FIRST + timedelta(hours=10, minutes=1)
        return data

    with book_scene(tmp_path / "home", serve=HOURLY) as scene:
        scene.trade(1)
        gone, size = next(iter(scene.list_held().items()))
        scene.advance(FIRST + timedelta(hours=10, minutes=1))
        scene.inject("suspend", "*", None, instId=f"{gone}-USDT-SWAP")
        report = scene.trade(2 * 24 - 9, open_data=open_suspended)
        journal = scene.read()
        try:
            books = journal.books.all()
            states = [(str(record.state), record.reason) for record in journal.states.all()][1:]
        finally:
            journal.close()
        assert [book.close for book in books] == [FIRST, FIRST + DAY, FIRST + 2 * DAY]
        for book in books[1:]:
            one = book.find(gone)
            assert (one.cause, one.held, one.contracts) == ("nothing is known of it", size, size), book.close
            assert "does not trade: suspend" in one.why
        held = scene.list_held()
        assert held[gone] == size
        assert held == {one.name: one.contracts for one in books[-1].names if one.contracts}
        assert {state for state, _ in states} == {"trading"}, states
        assert report.actions["rebalance"] == 2
