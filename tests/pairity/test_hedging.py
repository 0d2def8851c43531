from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pairity.strategy.hedging import TOO_SMALL, Lots, find_hedged_lots, match_base_lots, match_quote_lots
from pairity.universe import ContractSpec
from tests.oracles.lots_by_force import hedged_lots_by_force, matching_lots_by_force

TOLERANCE = Decimal("0.05")


def lots(unit, fewest=1, most=None):
    return Lots(Decimal(unit), fewest, most)


units = st.decimals("9", "200", places=2)
fewest = st.integers(1, 4)
most = st.one_of(st.none(), st.integers(3, 40))


@settings(max_examples=150, deadline=None)
@given(
    budget=st.decimals("0", "500", places=2),
    hedge=st.decimals("0.05", "9", places=3),
    base=st.tuples(units, fewest, most),
    quote=st.tuples(units, fewest, most),
    tolerance=st.sampled_from(["0.001", "0.05", "0.3"]),
)
@example(Decimal(100), Decimal(1), (Decimal(10), 1, None), (Decimal(10), 1, None), "0.05")
def test_trap_12_lots_of_both_legs_equal_those_of_trying_every_count(budget, hedge, base, quote, tolerance):
    expected = hedged_lots_by_force(
        Fraction(budget),
        Fraction(hedge),
        (Fraction(base[0]), *base[1:]),
        (Fraction(quote[0]), *quote[1:]),
        Fraction(tolerance),
    )
    found = find_hedged_lots(budget, hedge, Lots(*base), Lots(*quote), Decimal(tolerance))
    assert (None if isinstance(found, str) else found) == expected


@settings(max_examples=60, deadline=None)
@given(
    budget=st.floats(0.1, 300),
    hedge=st.floats(0.05, 20),
    base=st.floats(3, 30),  # a hundred lots of each leg: the oracle tries all pairs of counts in fractions
    quote=st.floats(3, 30),
    bounds=st.tuples(fewest, most),
)
def test_amounts_of_seventeen_digits_are_compared_without_rounding(budget, hedge, base, quote, bounds):
    budget, hedge, base, quote = (Decimal(repr(one)) for one in (budget, hedge, base, quote))
    limits = (Fraction(base), *bounds), (Fraction(quote), 1, None)
    expected = hedged_lots_by_force(Fraction(budget), Fraction(hedge), *limits, Fraction(TOLERANCE))
    found = find_hedged_lots(budget, hedge, Lots(base, *bounds), Lots(quote, 1, None), TOLERANCE)
    assert (None if isinstance(found, str) else found) == expected


def test_of_equal_errors_the_larger_total_wins_among_thousands():
    """Every multiple of (3, 2) hedges exactly: the one with the most lots is taken, whatever was tried before."""
    assert find_hedged_lots(Decimal(100_000), Decimal(1), lots("0.02"), lots("0.03"), TOLERANCE) == (
        2_500_000 - 1,
        1_666_666,
    )


@settings(max_examples=100, deadline=None)
@given(budget=st.floats(10, 1e6), hedge=st.floats(0.01, 50), unit_a=st.floats(0.1, 1e3), unit_b=st.floats(0.1, 1e3))
def test_what_is_found_keeps_budget_ratio_and_minimum(budget, hedge, unit_a, unit_b):
    budget_usdt, ratio = Decimal(repr(budget)), Decimal(repr(hedge))
    a, b = Lots(Decimal(repr(unit_a)), 2, 5000), Lots(Decimal(repr(unit_b)), 3, 5000)
    found = find_hedged_lots(budget_usdt, ratio, a, b, TOLERANCE)
    if isinstance(found, str):
        return
    m, n = found
    assert 2 <= m <= 5000
    assert 3 <= n <= 5000
    assert m * Fraction(a.unit) + n * Fraction(b.unit) <= Fraction(budget_usdt)
    assert abs(n * Fraction(b.unit) / (Fraction(ratio) * m * Fraction(a.unit)) - 1) <= Fraction(TOLERANCE)


def test_fine_lots_use_the_budget_and_hedge_closely():
    m, n = find_hedged_lots(Decimal(1000), Decimal("0.6"), lots("0.1"), lots("0.1"), TOLERANCE)
    assert (m, n) == (6250, 3750)


def test_rounding_each_leg_by_itself_would_have_lost_the_hedge():
    """500 : 500 USDT in lots of 100 and 160 are 5 and 3; 425 : 425 rounded by leg are 4 and 2, hedged to 80% only."""
    assert find_hedged_lots(Decimal(1000), Decimal(1), lots(100), lots(160), TOLERANCE) == (5, 3)
    assert find_hedged_lots(Decimal(850), Decimal(1), lots(100), lots(160), TOLERANCE) == (
        "no whole lots within 5% of the hedge ratio"
    )
    assert find_hedged_lots(Decimal(850), Decimal(1), lots(100), lots(160), Decimal("0.25")) == (3, 2)


def test_a_leg_below_its_minimum_is_a_reason():
    assert find_hedged_lots(Decimal(100), Decimal("0.1"), lots(1), lots(1, fewest=20), TOLERANCE) == TOO_SMALL
    assert find_hedged_lots(Decimal(0), Decimal(1), lots(1), lots(1), TOLERANCE) == TOO_SMALL
    assert find_hedged_lots(Decimal(100), Decimal(1), lots(1, most=0), lots(1), TOLERANCE) == TOO_SMALL


@pytest.mark.parametrize(("least", "fewest"), [("0", 5), ("10", 17), ("0.61", 5)])
def test_the_fewest_lots_meet_the_venue_and_the_smallest_notional(least, fewest):
    """0.05 contracts of 0.01 BTC in lots of 0.01 at 6000 USDT: one lot is 0.6 USDT."""
    spec = ContractSpec(
        "BTC-USDT-SWAP", Decimal("0.01"), Decimal("0.01"), Decimal("0.05"), Decimal("0.1"), Decimal(100), Decimal("2.5")
    )
    found = Lots.of(spec, Decimal(6000), Decimal(least))
    assert found == Lots(Decimal("0.6"), fewest, 250)


@settings(max_examples=60, deadline=None)
@given(
    have=st.decimals("1", "400", places=2),
    hedge=st.decimals("0.2", "5", places=3),
    other=st.tuples(units, fewest, most),
    tolerance=st.sampled_from(["0.001", "0.05", "0.3"]),
)
def test_the_leg_that_follows_is_the_nearest_of_all_counts(have, hedge, other, tolerance):
    for match, base_is_held in ((match_quote_lots, True), (match_base_lots, False)):
        expected = matching_lots_by_force(
            Fraction(have),
            Fraction(hedge),
            (Fraction(other[0]), *other[1:]),
            Fraction(tolerance),
            base_is_held=base_is_held,
        )
        assert match(have, hedge, Lots(*other), Decimal(tolerance)) == expected
