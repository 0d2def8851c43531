"""Shares of books: by hand, bounded, whatever the order, and never the best of the past where a book is traded."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.books.combination import LEAST_DAYS, Rule, measure_correlation, share_books
from pairity.books.explanation import explain_weight
from pairity.books.families import BOOK_FAMILIES, MEMBERS, BookMarket, Target
from pairity.books.weights import net_books

UP, FLAT = [0.01, -0.01] * 60, [0.01, 0.01, -0.01, -0.01] * 30
"""Two series that do not move together."""


def make_past(names, seed):
    """Return series of some length for each name; some follow a common one, one may not vary."""
    draw = random.Random(seed)
    common = [draw.gauss(0, 0.01) for _ in range(150)]
    past = {}
    for name in names:
        loading, noise = draw.uniform(-1, 1), draw.choice([0.0, 0.01])
        own = [loading * x + draw.gauss(0, noise) if noise else loading * x for x in common]
        past[name] = own[draw.choice([0, 30, 59, 61]) :]
    return past


pasts = st.builds(make_past, st.sets(st.sampled_from("abcdefg"), min_size=1), st.integers(0, 10**6))


def test_books_that_repeat_each_other_share_one_place_half_way():
    shares = share_books(Rule.SHRUNK, {"a": UP, "b": UP, "c": FLAT})
    # 1/2, 1/2 and 1 of a place: 1/4, 1/4, 1/2, drawn half-way to thirds.
    assert shares == pytest.approx({"a": (1 / 4 + 1 / 3) / 2, "b": (1 / 4 + 1 / 3) / 2, "c": (1 / 2 + 1 / 3) / 2})


def test_books_that_move_against_each_other_are_no_crowd():
    assert share_books(Rule.SHRUNK, {"a": UP, "b": [-x for x in UP], "c": FLAT}) == pytest.approx(
        dict.fromkeys("abc", 1 / 3)
    )


def test_shares_are_equal_until_every_book_has_ninety_days():
    young = UP[: LEAST_DAYS - 1]
    assert share_books(Rule.SHRUNK, {"a": UP, "b": UP, "c": young}) == dict.fromkeys("abc", 1 / 3)
    assert share_books(Rule.SHRUNK, {"a": UP, "b": UP, "c": [*young, 0.0]})["c"] > 1 / 3


def test_only_the_last_year_counts():
    before = [random.Random(1).gauss(0, 1) for _ in range(300)]
    past = {"a": UP * 4, "b": FLAT * 4}
    assert share_books(Rule.SHRUNK, {**past, "a": before + UP * 4}) == share_books(Rule.SHRUNK, past)
    lucky = [1.0, 1.1] * 100 + [0.001, -0.002] * 200
    assert share_books(Rule.PICKED, {"a": lucky, "b": [0.001, -0.0005] * 300}) == {"a": 0.0, "b": 1.0}


def test_picking_takes_the_best_that_has_ninety_days_and_varies():
    good, young = [0.002, -0.001] * 60, [0.01, 0.02] * 20
    assert share_books(Rule.PICKED, {"a": good, "b": UP, "c": young, "d": [0.0] * 200}) == {
        "a": 1.0,
        "b": 0.0,
        "c": 0.0,
        "d": 0.0,
    }
    assert share_books(Rule.PICKED, {"c": young, "d": [0.0] * 200}) == {"c": 0.5, "d": 0.5}


@given(pasts, st.sampled_from([*Rule]), st.randoms(use_true_random=False))
def test_shares_are_a_whole_whatever_the_order_of_the_books(past, rule, draw):
    shares = share_books(rule, past)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares.values()) >= 0.0
    mixed = [*past]
    draw.shuffle(mixed)
    assert share_books(rule, {name: past[name] for name in mixed}) == shares


@given(pasts)
def test_shrunk_shares_keep_half_of_what_is_equal(past):
    shares = share_books(Rule.SHRUNK, past)
    assert all(share >= 0.5 / len(past) - 1e-12 for share in shares.values())


def test_correlation_is_pearsons():
    first, second = [1.0, 2.0, 4.0, 3.0], [2.0, 1.0, 5.0, 5.0]
    assert measure_correlation(first, second) == pytest.approx(statistics.correlation(first, second))
    assert measure_correlation(first, [7.0] * 4) == 0.0


def test_a_combination_holds_the_sum_of_shares_and_says_whence():
    books = {
        "trend_book": Target({"A": 0.1, "B": -0.2, "D": 0.1}, {}, ("A", "B", "D"), {}),
        "carry_book": Target({"A": -0.1, "B": -0.1, "C": 0.3}, {}, ("A", "B", "C"), {}),
    }
    market = BookMarket({}, {}, {}, books=books, past={name: [] for name in books})
    target = BOOK_FAMILIES["combined_equal"].decide(market, 12)
    assert target.weights == pytest.approx({"B": -0.15, "C": 0.15, "D": 0.05})
    assert target.universe == ("A", "B", "C", "D")
    assert explain_weight("B", target, (), 0.01) == "-0.05 of carry_book; -0.1 of trend_book"
    assert net_books({"a": 0.5, "b": 0.5}, {"a": {"X": 0.1}, "b": {"X": -0.1}}) == {}
    nothing = BOOK_FAMILIES["combined_shrunk"].decide(BookMarket({}, {}, {}), 12)
    assert (nothing.weights, nothing.universe) == ({}, ())


def test_members_are_the_books_that_combine_nothing_and_the_pick_is_no_choice():
    own = [family for family in BOOK_FAMILIES.values() if not family.members]
    assert set(MEMBERS) == {family.name for family in own} - {"trend_carry_book"}
    assert [name for name, family in BOOK_FAMILIES.items() if not family.is_choice] == ["picked_past"]
