"""The walk over a history finds what a plain filter finds, whatever way the exchange pages, or names what it cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.ccxt_pages import Pager
from pairity.errors import VenueAnswerError
from pairity.timeline import from_ms, to_ms
from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange

T0 = datetime(2024, 3, 1, tzinfo=UTC)
BASE = to_ms(T0)


def walk(
    exchange: PagingExchange,
    bars: int,
    limit: int = 30,
    *,
    offset: int = 0,
    listed: int | None = None,
    now: int | None = None,
):
    pager = Pager(
        what="test",
        ask=exchange.page,
        at=lambda row: row,
        fewest_ms=HOUR_MS,
        limit=limit,
        listed_ms=listed,
        newest_ms=now,
        answers_now=lambda: bool(exchange.page(BASE + 1900 * HOUR_MS, 30, None)),
    )
    return pager.walk(from_ms(BASE + offset), from_ms(BASE + bars * HOUR_MS))


def hours(*spans: tuple[int, int]) -> list[int]:
    return [BASE + k * HOUR_MS for first, last in spans for k in range(first, last)]


WAYS = ["oldest", "window", "newest"]
SITUATIONS = {
    "a suspension of fifteen days": hours((0, 300), (660, 888)),
    "a listing in the middle": hours((400, 888)),
    "a delisting in the middle": hours((0, 400)),
    "a hole at the edge of a page": hours((0, 30), (31, 888)),
    "the first bar missing": hours((1, 888)),
    "rows far beyond the end": hours((0, 3000)),
    "nothing at all": [],
    "only what came before": hours((-500, 0)),
    "only what comes after": hours((888, 1200)),
    "one bar alone": hours((500, 501)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_row_of_the_range_is_found_and_all_of_it_is_proven(way, situation):
    times = SITUATIONS[situation]
    found = walk(PagingExchange(times, way, HOUR_MS), 888)
    assert found.rows == [at for at in times if BASE <= at < BASE + 888 * HOUR_MS]
    assert found.unproven == ()


@settings(max_examples=150, deadline=None)
@given(
    way=st.sampled_from(WAYS),
    kept=st.lists(st.booleans(), max_size=200),
    cap=st.integers(5, 60),
    limit=st.integers(5, 60),
    offset=st.integers(0, 2 * HOUR_MS),
    heeds_until=st.booleans(),
    data=st.data(),
)
def test_no_row_is_missed_where_the_range_counts_as_proven(way, kept, cap, limit, offset, heeds_until, data):
    times = [BASE + k * HOUR_MS for k, there in enumerate(kept) if there]
    bars = data.draw(st.integers(3, 220))
    exchange = PagingExchange(times, way, HOUR_MS, cap=cap, heeds_until=heeds_until)
    found = walk(exchange, bars, limit, offset=offset)
    wanted = [at for at in times if BASE + offset <= at < BASE + bars * HOUR_MS]
    assert set(found.rows) <= set(wanted)
    assert found.rows == sorted(found.rows)
    for at in set(wanted) - set(found.rows):  # never silently
        assert any(low <= from_ms(at) < high for low, high in found.unproven)
    if heeds_until or way == "oldest":
        assert found.rows == wanted
        assert found.unproven == ()


def test_newest_first_that_ignores_the_end_is_not_proven_and_what_came_is_kept():
    times = hours((0, 510))
    found = walk(PagingExchange(times, "newest", HOUR_MS, cap=100, heeds_until=False), 510, 100)
    assert found.rows == times[410:]
    assert found.unproven == ((T0, T0 + timedelta(hours=410)),)
    found = walk(PagingExchange(times, "newest", HOUR_MS, cap=100, heeds_until=False, heeds_limit=False), 510, 100)
    assert found.unproven == ((T0, T0 + timedelta(hours=410)),)


def test_an_exchange_that_heeds_no_start_is_refused():
    with pytest.raises(VenueAnswerError, match="was asked from 2024-03-01 00:00 UTC on and sent 2024-02-28"):
        walk(PagingExchange(hours((-500, 0)), "deaf", HOUR_MS), 100)


def test_what_lies_before_a_listing_costs_two_questions():
    exchange = PagingExchange(hours((5000, 6000)), "window", HOUR_MS)
    found = walk(exchange, 4000, listed=BASE + 5000 * HOUR_MS)
    assert found.before_listing == (T0, T0 + timedelta(hours=4000))
    assert len(exchange.asked) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_listing_time_that_is_wrong_loses_nothing(way):
    times = hours((150, 900))
    found = walk(PagingExchange(times, way, HOUR_MS), 888, listed=BASE + 700 * HOUR_MS)
    assert found.rows == [at for at in times if at < BASE + 888 * HOUR_MS]
    assert found.before_listing is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "silent", [range(10_000), range(5, 10_000), range(3, 6), range(3, 4)], ids=["always", "to the end", "some", "one"]
)
def test_silence_is_no_proof_that_there_is_nothing(way, silent):
    """An exchange in maintenance may answer every question with an empty list."""
    times = hours((0, 300), (660, 1900))
    found = walk(PagingExchange(times, way, HOUR_MS, cap=30, silent=silent), 888, now=BASE + 1900 * HOUR_MS)
    wanted = [at for at in times if at < BASE + 888 * HOUR_MS]
    missing = set(wanted) - set(found.rows)
    assert missing or (way, silent) == ("window", range(5, 10_000)) or len(silent) < 5
    for at in missing:
        assert any(low <= from_ms(at) < high for low, high in (*found.unanswered, *found.contradicted))
    if len(silent) > 4 and way != "newest":  # which is walked from its end down
        assert from_ms(BASE + 888 * HOUR_MS) in {high for _, high in found.unanswered}


@pytest.mark.parametrize("way", WAYS)
def test_an_exchange_that_shows_its_newest_rows_may_have_none_before(way):
    now = BASE + 2000 * HOUR_MS
    for times in (hours((1000, 1999)), hours((0, 300), (1000, 1999))):
        found = walk(PagingExchange(times, way, HOUR_MS), 888, now=now)
        assert (found.unproven, found.unanswered) == ((), ())
    for times in ([], hours((0, 300))):  # nothing tells a delisting from maintenance but another instrument
        found = walk(PagingExchange(times, way, HOUR_MS), 888, now=now)
        assert found.unanswered == ((from_ms(max([BASE - HOUR_MS, *times]) + HOUR_MS), from_ms(BASE + 888 * HOUR_MS)),)


def test_the_newest_rows_that_have_not_come_yet_cost_no_question():
    exchange = PagingExchange(hours((0, 880)), "oldest", HOUR_MS)
    assert walk(exchange, 888, 1000, now=BASE + 888 * HOUR_MS).unanswered == ()
    assert len(exchange.asked) == 2
