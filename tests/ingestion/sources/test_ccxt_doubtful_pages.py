"""Pages that leave rows out without saying so: what is missing is asked for itself, or does not count as proven."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.ccxt_pages import Pager
from pairity.timeline import from_ms
from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange
from tests.ingestion.sources.test_ccxt_pages import BASE, WAYS, hours

LATER = hours((912, 1600))


@dataclass
class LossyExchange(PagingExchange):
    """Leaves the rows `lost` of a page out, by their place from the oldest one; of its first `answers` answers only."""

    lost: slice = field(default_factory=lambda: slice(0, 0))
    answers: int = 10**9

    def page(self, since, limit, until):
        found = sorted(super().page(since, limit, until))
        if len(self.asked) <= self.answers:
            del found[self.lost]
        return found


def walk(exchange, bars=888, limit=100, **more):
    pager = Pager(
        what="test",
        ask=exchange.page,
        at=lambda row: row,
        fewest_ms=HOUR_MS,
        limit=limit,
        newest_ms=BASE + 1600 * HOUR_MS,
        answers_now=lambda: bool(exchange.page(BASE + 1500 * HOUR_MS, 30, None)),
        **more,
    )
    return pager.walk(from_ms(BASE), from_ms(BASE + bars * HOUR_MS))


def silently_missing(found, times, bars=888):
    doubtful = (*found.unproven, *found.unanswered, *found.contradicted)
    wanted = [at for at in times if BASE <= at < BASE + bars * HOUR_MS]
    rows = set(found.rows)
    return [at for at in wanted if at not in rows and not any(low <= from_ms(at) < high for low, high in doubtful)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("silent", [range(1, 2), range(1, 3), range(2, 4), range(1, 4), range(4, 6)], ids=str)
def test_empty_answers_in_the_middle_hide_nothing(way, silent):
    times = hours((0, 888)) + LATER
    found = walk(PagingExchange(times, way, HOUR_MS, silent=silent))
    assert silently_missing(found, times) == []


@pytest.mark.parametrize("way", ["oldest", "newest"])
def test_an_exchange_that_answers_nothing_every_other_time_hides_nothing(way):
    times = hours((0, 888)) + LATER
    found = walk(PagingExchange(times, way, HOUR_MS, silent=range(1, 10_000, 2)))
    assert silently_missing(found, times) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("lost", "answers"),
    [
        (slice(20, 30), 10**9),
        (slice(20, 30), 1),
        (slice(40, 41), 10**9),
        (slice(-30, None), 3),
        (slice(0, 30), 3),
    ],
    ids=["ten rows of each page", "ten rows of the first", "one row of each", "the newest thirty", "the oldest thirty"],
)
def test_rows_that_a_page_leaves_out_are_asked_for_themselves(way, lost, answers):
    times = hours((0, 888)) + LATER
    found = walk(LossyExchange(times, way, HOUR_MS, lost=lost, answers=answers))
    assert silently_missing(found, times) == []
    if lost.start:
        assert found.rows == hours((0, 888))


@pytest.mark.parametrize("way", WAYS)
def test_settlements_that_a_page_leaves_out_are_asked_for_whatever_the_interval(way):
    times = [
        BASE + k * HOUR_MS
        for first, last, step in ((0, 304, 8), (304, 600, 4), (600, 880, 1))
        for k in range(first, last, step)
    ]
    exchange = LossyExchange(times + LATER, way, HOUR_MS, lost=slice(7, 8), answers=4)
    found = walk(exchange, slack_ms=60_000, is_regular=False)
    assert found.rows == times
    assert len(exchange.asked) < 60


@pytest.mark.parametrize("way", WAYS)
def test_a_hole_inside_a_page_costs_one_question_and_is_proven(way):
    times = hours((0, 40), (45, 60), (63, 90))
    exchange = PagingExchange(times, way, HOUR_MS)
    found = walk(exchange, 90)
    assert (found.rows, found.unproven, found.unanswered, found.contradicted) == (times, (), (), ())
    assert len(exchange.asked) == 3  # the last one is about what follows


@settings(max_examples=100, deadline=None)
@given(
    way=st.sampled_from(["oldest", "newest"]),
    kept=st.lists(st.booleans(), min_size=1, max_size=200),
    silent=st.sets(st.integers(0, 12), max_size=2),
    data=st.data(),
)
def test_no_row_is_lost_silently_where_some_answers_are_empty(way, kept, silent, data):
    times = [BASE + k * HOUR_MS for k, there in enumerate(kept) if there] + hours((250, 400))
    exchange = PagingExchange(times, way, HOUR_MS, cap=data.draw(st.integers(10, 60)), silent=silent)
    assert silently_missing(walk(exchange, 220), times, 220) == []


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_one_instant_that_contradict_each_other_all_come_out(way):
    times = hours((0, 250))
    exchange = PagingExchange(times, way, HOUR_MS)

    def ask(since, limit, until):
        rows = [(at, 1.0) for at in exchange.page(since, limit, until)]
        return [*rows, (BASE + 7 * HOUR_MS, 2.0), (BASE + 7 * HOUR_MS, 1.0)] if since <= BASE + 7 * HOUR_MS else rows

    pager = Pager(what="test", ask=ask, at=lambda row: row[0], fewest_ms=HOUR_MS, limit=100)
    found = pager.walk(from_ms(BASE), from_ms(BASE + 250 * HOUR_MS))
    assert {value for at, value in found.rows if at == BASE + 7 * HOUR_MS} == {1.0, 2.0}
    assert len(found.rows) == 251
