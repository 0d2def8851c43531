"""Ranks, weights, bands, netting and limits of books, against plain arithmetic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.books.continuation import hold_pairs
from pairity.books.families import BOOK_FAMILIES, BookMarket
from pairity.books.features import NameFeatures, choose_universe
from pairity.books.netting import PairStake, net_pairs
from pairity.books.ranks import average_ranks, rank_names
from pairity.books.rebalance import Cause, choose_changes
from pairity.books.weights import CAP, SIDE, build_book, net_books

NAMES = st.text("ABCDEFGHIJ", min_size=1, max_size=3)
VALUES = st.floats(-1e3, 1e3, allow_nan=False)
WEIGHTS = st.dictionaries(NAMES, st.floats(-0.5, 0.5, allow_nan=False), max_size=14)


@given(st.dictionaries(NAMES, VALUES, min_size=6, max_size=20))
def test_a_rank_is_the_share_of_names_below_with_ties_shared(values):
    ranks = rank_names(values)
    for name, value in values.items():
        below = sum(other < value for other in values.values())
        equal = sum(other == value for other in values.values()) - 1
        assert ranks[name] == pytest.approx((below + equal / 2) / (len(values) - 1) - 0.5)
    assert math.fsum(ranks.values()) == pytest.approx(0.0, abs=1e-9)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_fewer_than_six_names_have_no_ranks(values):
    assert rank_names(values) == {}


def test_a_name_that_lacks_one_of_several_values_has_no_score():
    full = dict(zip("ABCDEFG", range(7), strict=True))
    assert "A" not in average_ranks({"14": full, "42": dict.fromkeys("BCDEFG", 1.0)})
    assert average_ranks({}) == {}


@given(
    st.dictionaries(NAMES, st.integers(-500, 500).map(lambda count: count / 1000), min_size=2, max_size=20),
    st.dictionaries(NAMES, st.floats(1e-4, 0.1), max_size=20),
)
def test_a_book_is_neutral_and_capped_and_has_the_signs_of_its_scores(scores, volatilities):
    book = build_book(scores, volatilities)
    for name, weight in book.items():
        assert abs(weight) <= CAP + 1e-12
        assert weight * scores[name] > 0
        assert name in volatilities
    for sign in (1, -1):
        side = [abs(weight) for weight in book.values() if weight * sign > 0]
        assert sum(side) <= SIDE + 1e-9
    assert not book or {weight > 0 for weight in book.values()} == {True, False}


def test_weights_by_hand():
    scores = dict(zip("ABCDEFGH", (-0.5, -0.4, -0.3, -0.1, 0.1, 0.3, 0.4, 0.5), strict=True))
    book = build_book(scores, dict.fromkeys(scores, 0.01))
    # First pass: 0.5·s/1.3; A, B and their mirrors are capped, then the rest is scaled up, and capped again.
    side = {"H": 0.5, "G": 0.4, "F": 0.3, "E": 0.1}
    for _ in range(3):
        total = sum(side.values())
        side = {name: min(0.15, weight * 0.5 / total) for name, weight in side.items()}
    assert {name: book[name] for name in side} == pytest.approx(side)
    assert book["A"] == -book["H"]


@given(st.permutations(list("ABCDEFGH")))
def test_the_order_of_the_names_changes_no_bit(order):
    scores = {name: math.sin(ord(name)) for name in "ABCDEFGH"}
    volatilities = {name: 0.01 + ord(name) / 7919 for name in "ABCDEFGH"}
    expected = build_book(scores, volatilities)
    got = build_book({name: scores[name] for name in order}, volatilities)
    assert {name: got[name] for name in expected} == expected


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf, None])
def test_a_name_without_a_volatility_has_no_weight(bad):
    scores = {"A": 0.5, "B": -0.5, "C": 0.2}
    assert "C" not in build_book(scores, {"A": 0.01, "B": 0.01, "C": bad})


def test_a_book_with_one_side_is_empty():
    assert build_book({"A": 0.5, "B": 0.1}, {"A": 0.01, "B": 0.01}) == {}


def test_books_are_netted_name_by_name():
    halves = {"a": 0.5, "b": 0.5}
    assert net_books(halves, {"a": {"X": 0.1, "Y": -0.1}, "b": {"X": -0.1, "Z": 0.05}}) == {"Y": -0.05, "Z": 0.025}
    assert net_books(halves, {"a": {}, "b": {}}) == {}


@given(WEIGHTS, WEIGHTS, st.floats(0.001, 0.1))
def test_a_name_is_traded_where_it_leaves_turns_or_has_drifted_by_the_band(held, targets, band):
    changes = choose_changes(held, targets, band)
    assert [change.name for change in changes] == sorted(change.name for change in changes)
    for change in changes:
        away = abs(change.target - change.held)
        wanted = change.target == 0 or change.target * change.held < 0 or away >= band
        assert change.is_traded == wanted
        assert change.weight == (change.target if wanted else change.held)
    assert {change.name for change in changes} == {n for n in {*held, *targets} if held.get(n) or targets.get(n)}


def test_causes_have_names():
    changes = choose_changes({"A": 0.1, "B": 0.1, "C": 0.1, "D": 0.1}, {"B": -0.1, "C": 0.11, "D": 0.2, "E": 0.1}, 0.02)
    assert [change.cause for change in changes] == [
        Cause.LEAVES,
        Cause.CHANGES_SIDE,
        Cause.WITHIN_BAND,
        Cause.BEYOND_BAND,
        Cause.ENTERS,
    ]


def test_two_pairs_that_hold_a_coin_both_ways_cancel():
    stakes = [PairStake("A", "B", 1, 0.1, 0.01, 0.01), PairStake("A", "C", -1, 0.1, 0.01, 0.01)]
    assert net_pairs(stakes) == {"A": 0.0, "B": -0.05, "C": 0.05}


@given(st.floats(0.001, 0.1), st.floats(0.001, 0.1), st.sampled_from([1, -1]))
def test_both_legs_of_a_pair_carry_the_same_risk(base, quote, side):
    first, second = PairStake("A", "B", side, 1 / 45, base, quote).weights
    assert abs(first) + abs(second) == pytest.approx(1 / 45)
    assert first * base == pytest.approx(-second * quote)
    assert first * side > 0


@pytest.mark.parametrize(
    ("held", "z", "side"),
    [(0, 1.5, 0), (0, 1.51, 1), (0, -1.6, -1), (1, 0.01, 1), (1, 0.0, 0), (1, -0.1, 0), (1, -1.6, -1), (-1, -9.0, -1)],
)
def test_a_pair_enters_beyond_the_level_and_leaves_at_the_mean(held, z, side):
    got = hold_pairs({("A", "B"): held} if held else {}, {("A", "B"): z})
    assert got.get(("A", "B"), 0) == side


def test_a_pair_whose_score_is_not_known_any_more_leaves():
    assert hold_pairs({("A", "B"): 1}, {}) == {}


def know(notional, *, bars=2_160, volatility=0.01, funding=None, share=0.0, **returns):
    days = {int(name[1:]): value for name, value in returns.items()}
    return NameFeatures(bars, notional, volatility, days, funding, share)


def test_a_universe_is_the_largest_of_those_old_enough():
    names = {
        "young": know(9.0, bars=2_159),
        "still": know(9.0, volatility=0.0),
        "mute": know(None),
        "b": know(5.0),
        "a": know(5.0),
        "c": know(7.0),
    }
    assert choose_universe(names, 2) == ["c", "a"]
    assert choose_universe(names, 9) == ["c", "a", "b"]


def make_market(count=12, **changes):
    features = {
        f"N{place:02}": know(
            float(count - place),
            funding=place * 1e-5,
            share=1.0,
            **{f"d{days}": place / 100 for days in (14, 21, 28, 42)},
        )
        for place in range(count)
    }
    return BookMarket({**features, **changes}, {}, {})


def test_the_trend_book_is_long_what_rose_and_the_carry_book_what_is_paid():
    market = make_market()
    trend = BOOK_FAMILIES["trend_book"].decide(market, 12).weights
    carry = BOOK_FAMILIES["carry_book"].decide(market, 12).weights
    assert trend["N11"] > 0 > trend["N00"]
    assert carry["N11"] == -trend["N11"]
    both = BOOK_FAMILIES["trend_carry_book"].decide(market, 12)
    assert both.weights == {}


def test_a_name_whose_funding_is_known_too_little_is_left_out_of_the_carry_book():
    market = make_market(N05=know(7.0, funding=1.0, share=0.89, d14=0.0, d21=0.0, d28=0.0, d42=0.0))
    assert "N05" not in BOOK_FAMILIES["carry_book"].decide(market, 12).weights
    assert "N05" in BOOK_FAMILIES["trend_book"].decide(market, 12).scores


def test_a_pair_leaves_with_its_coin():
    market = make_market(10)
    held = BookMarket(market.features, {("N00", "N01"): 0.4, ("N00", "gone"): 3.0}, {("N00", "gone"): 1})
    target = BOOK_FAMILIES["pair_continuation"].decide(held, 10)
    assert target.pairs == {}
    assert target.weights == {}
