"""Walks over made-up exchanges with up to three empty answers in a row: each row comes out, or its hole is named."""

from __future__ import annotations

import random

import pytest

from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange
from tests.ingestion.sources.test_ccxt_doubtful_pages import silently_missing, walk
from tests.ingestion.sources.test_ccxt_pages import BASE, WAYS, hours


def make_history(chance, bars):
    """Hours that are there: all, at random, or in blocks; with rows behind the range at once, later, or not at all."""
    kind = chance.choice(["blocks", "random", "full"])
    if kind == "blocks":
        kept, there = [], chance.random() < 0.5
        while len(kept) < bars:
            kept += [there] * chance.randint(1, chance.choice([3, 20, 120]))
            there = not there
    else:
        share = 1.0 if kind == "full" else chance.choice([0.3, 0.6, 0.9, 0.98])
        kept = [chance.random() < share for _ in range(bars)]
    behind = chance.choice([hours((bars, bars + 100)), hours((bars + 30, 1600)), []])
    return [BASE + k * HOUR_MS for k, there in enumerate(kept[:bars]) if there] + behind


def walk_at_random(seed):
    """The rows that were lost without a word in one walk."""
    chance = random.Random(seed)
    way, bars, limit = chance.choice(WAYS), chance.randint(30, 400), chance.choice([20, 50, 100, 300])
    cap = max(chance.choice([10, 20, 30, 60, 100, 1000]), limit if way == "window" else 0)
    begin = chance.randint(0, 12)
    exchange = PagingExchange(
        make_history(chance, bars),
        way,
        HOUR_MS,
        cap=cap,
        heeds_until=chance.random() < 0.7,
        silent=range(begin, begin + chance.randint(1, 3)),
    )
    return silently_missing(walk(exchange, bars, limit), exchange.times, bars)


def test_no_row_is_lost_without_a_word():
    assert [seed for seed in range(400) if walk_at_random(seed)] == []


@pytest.mark.slow
def test_no_row_is_lost_without_a_word_in_twenty_thousand_walks():
    assert [seed for seed in range(400, 20_400) if walk_at_random(seed)] == []


@pytest.mark.parametrize("silent", [range(1), range(2), range(3), range(1, 2), range(1, 4)], ids=str)
def test_newest_rows_prove_nothing_of_what_lies_before_them(silent):
    times = hours((0, 888), (912, 1600))
    exchange = PagingExchange(times, "newest", HOUR_MS, cap=60, heeds_until=False, silent=silent)
    assert silently_missing(walk(exchange), times) == []


@pytest.mark.parametrize("begin", range(2, 7))
@pytest.mark.parametrize("length", [2, 3])
def test_windows_that_are_silent_one_after_the_other_are_each_asked_again(begin, length):
    times = hours((0, 100), (330, 888), (912, 1600))
    for lost in (hours((230, 250)), hours((160, 170)), []):
        own = sorted({*times, *lost})
        exchange = PagingExchange(own, "window", HOUR_MS, silent=range(begin, begin + length))
        assert silently_missing(walk(exchange), own) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("heeds_until", [True, False])
def test_a_suspension_is_no_doubt(way, heeds_until):
    times = hours((0, 300), (430, 888), (912, 1600))
    found = walk(PagingExchange(times, way, HOUR_MS, heeds_until=heeds_until))
    doubts = (*found.unanswered, *found.contradicted)
    assert doubts == ()
    if heeds_until or way != "newest":
        assert (found.rows, found.unproven) == (hours((0, 300), (430, 888)), ())
