"""One list of stops for a whole pass: no stop is believed to be there that is not, and none is lost by sharing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from pairity.errors import VenueError
from pairity.strategy.types import Side
from serving.execution.resting_stops import RestingStops
from serving.journal import IntentState, Purpose
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, Desk, desk_on, entry

PENDING, PLACE, CANCEL = (
    "privateGetTradeOrdersAlgoPending",
    "privatePostTradeOrderAlgo",
    "privatePostTradeCancelAlgos",
)
WANTED = (entry(), entry(Side.BUY, "2", 2000.0, "ETH"))


class PagedOkx(TinyOkx):
    """Lists stops in pages, newest first, as the venue does; `foreign` stops of others rest beside ours."""

    foreign = 0

    def _privateGetTradeOrdersAlgoPending(self, params: Any) -> list[Any]:
        ours = super()._privateGetTradeOrdersAlgoPending(params)
        if not ours:
            return []
        theirs = [{**ours[0], "algoId": str(10**25 + number), "algoClOrdId": ""} for number in range(self.foreign)][
            ::-1
        ]
        after = int(params.get("after", 10**30))
        rows = [row for row in [*theirs, *ours] if int(row["algoId"]) < after]
        return rows[: int(params["limit"])]


class Meddled(TinyOkx):
    """Somebody cancels the stops of `victim` while the next stop of another instrument is placed."""

    victim: str | None = None

    def _privatePostTradeOrderAlgo(self, params: Any) -> list[Any]:
        if self.victim is not None and params["instId"] != self.victim:
            cancel(self, self.victim)
            self.victim = None
        return super()._privatePostTradeOrderAlgo(params)


def cancel(tiny: TinyOkx, instrument: str) -> None:
    for algo in tiny.algos:
        if algo["instId"] == instrument and algo["state"] == "live":
            algo["state"] = "canceled"


def hold_two(desk: Desk) -> None:
    decision = desk.decide(*WANTED)
    for wanted in WANTED:
        outcome = asyncio.run(desk.executor.open(wanted, decision))
        assert outcome.position is not None
        assert not outcome.problems


def look(desk: Desk, tiny: TinyOkx) -> tuple[Any, list[str]]:
    """Look once; return the report and the names of the requests."""
    tiny.calls.clear()
    report = asyncio.run(desk.reconciler.run())
    return report, [name for name, _ in tiny.calls]


def count_stops(tiny: TinyOkx) -> list[int]:
    return [len(tiny.live_algos(name)) for name in (BTC, ETH)]


@pytest.fixture
def paged(tmp_path):
    tiny = PagedOkx()
    made = desk_on(tiny, tmp_path / "paged.db")
    yield made, tiny
    made.journal.close()


def test_a_pass_over_several_positions_lists_stops_once(desk: Desk, tiny: TinyOkx) -> None:
    hold_two(desk)
    report, asked = look(desk, tiny)
    assert (report.problems, report.cancelled) == ([], [])
    assert asked.count(PENDING) == 1
    assert count_stops(tiny) == [1, 1]


def test_each_pass_has_a_list_of_its_own(desk: Desk, tiny: TinyOkx) -> None:
    hold_two(desk)
    look(desk, tiny)
    cancel(tiny, ETH)
    report, _ = look(desk, tiny)
    assert any(f"the stop of {ETH} was gone" in problem for problem in report.problems)
    assert count_stops(tiny) == [1, 1]


@pytest.mark.parametrize("missing", [BTC, ETH])
def test_after_anything_was_sent_stops_are_listed_anew(missing: str, desk: Desk, tiny: TinyOkx) -> None:
    """A list of before a stop was placed lacks it: an orphan's fate, and another leg's, hang on it."""
    hold_two(desk)
    cancel(tiny, missing)
    _, asked = look(desk, tiny)
    placed = asked.index(PLACE)
    assert PENDING in asked[placed:]
    assert count_stops(tiny) == [1, 1]


def test_a_stop_that_is_gone_when_another_is_placed_is_placed_too(tmp_path) -> None:
    """The shared list still shows it: it must not be believed once something was sent."""
    tiny = Meddled()
    desk = desk_on(tiny, tmp_path / "journal.db")
    hold_two(desk)
    first, second = [record.position.legs[0].asset for record in desk.journal.open_positions()]
    cancel(tiny, f"{first}-USDT-SWAP")
    tiny.victim = f"{second}-USDT-SWAP"
    look(desk, tiny)
    assert tiny.victim is None, "nothing was placed: the scene does not play"
    assert count_stops(tiny) == [1, 1]
    desk.journal.close()


@pytest.mark.parametrize("fault", ["html", "empty", "garbage", "reset"])
def test_a_list_that_failed_is_no_empty_list(fault: str, desk: Desk, tiny: TinyOkx) -> None:
    """Nothing is placed, cancelled or closed for it, and the pass says that the venue could not be read."""
    hold_two(desk)
    tiny.faults = [(PENDING, fault)] * 20
    tiny.calls.clear()
    with pytest.raises(VenueError):
        asyncio.run(desk.reconciler.run())
    assert not {PLACE, CANCEL, "privatePostTradeOrder"} & {name for name, _ in tiny.calls}
    tiny.faults = []
    assert count_stops(tiny) == [1, 1]
    assert look(desk, tiny)[0].problems == []


def test_a_list_that_failed_once_is_asked_for_again_for_the_next_position(desk: Desk, tiny: TinyOkx) -> None:
    hold_two(desk)
    second = desk.journal.open_positions()[1].position.legs[0].asset
    cancel(tiny, f"{second}-USDT-SWAP")
    tiny.faults = [(PENDING, "html")] * 2  # the read and its repetition
    with pytest.raises(VenueError):
        asyncio.run(desk.reconciler.run())
    assert count_stops(tiny) == [1, 1]


@pytest.mark.parametrize("foreign", [99, 100, 150, 250])
def test_all_pages_are_read(foreign: int, paged: tuple[Desk, PagedOkx]) -> None:
    """Ours are the oldest: they stand on the last page."""
    desk, tiny = paged
    hold_two(desk)
    tiny.foreign = foreign
    report, asked = look(desk, tiny)
    assert (report.problems, report.cancelled) == ([], [])
    assert asked.count(PENDING) == (foreign + 2) // 100 + 1
    assert not {PLACE, "privateGetTradeOrderAlgo"} & set(asked), "a page was not read: stops had to be looked up"
    assert count_stops(tiny) == [1, 1]


def test_a_second_page_that_fails_fails_the_list(paged: tuple[Desk, PagedOkx]) -> None:
    """The first page alone shows none of ours: they would all be placed again."""
    desk, tiny = paged
    hold_two(desk)
    tiny.foreign = 150
    plain = tiny.strike
    tiny.strike = lambda name: (  # type: ignore[method-assign]
        "html" if name == PENDING and tiny.sent(PENDING) and len(tiny.sent(PENDING)) % 2 else plain(name)
    )
    tiny.calls.clear()
    with pytest.raises(VenueError):
        asyncio.run(desk.reconciler.run())
    assert tiny.sent(PLACE) == tiny.sent(CANCEL) == []


def test_a_list_counts_for_two_seconds(desk: Desk, tiny: TinyOkx) -> None:
    hold_two(desk)
    seconds = [0.0]
    stops = RestingStops(desk.venue, lambda: seconds[0])

    def count() -> int:
        tiny.calls.clear()
        asyncio.run(stops.list())  # type: ignore[arg-type]
        return len(tiny.sent(PENDING))

    assert [count(), count()] == [1, 0]
    seconds[0] = 2.0
    assert count() == 0
    seconds[0] = 2.1
    assert count() == 1


def test_what_is_sent_while_the_list_is_under_way_makes_it_old(desk: Desk, tiny: TinyOkx) -> None:
    hold_two(desk)
    stops = RestingStops(desk.venue, lambda: 0.0)
    [stop] = tiny.live_algos(BTC)

    async def read_while_cancelling() -> int:
        plain = desk.venue.algo_orders

        async def slow() -> Any:
            listed = await plain()
            await desk.venue.cancel_algo(BTC, stop["algoId"])
            return listed

        desk.venue.algo_orders = slow  # type: ignore[method-assign]
        shown = len(await stops.list())
        desk.venue.algo_orders = plain  # type: ignore[method-assign]
        return shown - len(await stops.list())

    assert asyncio.run(read_while_cancelling()) == 1


def test_a_stop_that_was_triggered_after_the_list_is_not_placed_again(desk: Desk, tiny: TinyOkx) -> None:
    """Position and stop go together: the next look books it with its reason."""
    hold_two(desk)
    position = next(
        record.position for record in desk.journal.open_positions() if record.position.legs[0].asset == "BTC"
    )
    stop = Decimal(str(position.legs[0].stop_price))
    tiny.move(BTC, stop + 10)
    report, _ = look(desk, tiny)
    assert report.problems == []
    assert count_stops(tiny) == [0, 1]
    record = desk.journal.position(position.position_id)
    assert record is not None
    assert record.close is not None
    assert record.close.exit_reason == "stop_loss"
    states = {intent.state for intent in desk.journal.intents(position.position_id, 0, Purpose.PROTECT)}
    assert states <= {IntentState.FILLED, IntentState.CANCELLED}
