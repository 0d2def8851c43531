"""Initial margin of a book, beside a search over factors."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pairity.books.limits import BookLimits
from pairity.books.margin import Stake, fit_margin, with_margin
from pairity.universe import ContractSpec, exact

LOT, LEAST = Decimal("0.1"), Decimal("0.5")
SPEC = ContractSpec("A-USDT-SWAP", Decimal("0.01"), LOT, LEAST, Decimal("0.1"), Decimal(50))
SIZES = st.integers(-2_000, 2_000).map(lambda lots: lots * LOT)
STAKES = st.dictionaries(
    st.sampled_from("ABCDE"),
    st.tuples(SIZES, SIZES, st.integers(1, 5_000).map(lambda ticks: ticks / 10)),
    min_size=1,
).map(lambda rows: {name: Stake(SPEC, *row) for name, row in rows.items()})


def notional(stakes, contracts):
    return sum((abs(contracts[name]) * one.unit for name, one in stakes.items()), Decimal(0))


@given(STAKES, st.integers(0, 3_000), st.integers(1, 5))
def test_what_is_held_afterwards_has_its_margin_or_nothing_was_opened(stakes, equity, leverage):
    most = with_margin(BookLimits(), leverage).margin
    fitted = fit_margin(stakes, float(equity), most)
    budget = equity * exact(most)
    after = notional(stakes, fitted.contracts)
    kept = sum((one.kept * one.unit for one in stakes.values()), Decimal(0))
    assert after <= max(budget, kept)
    for name, one in stakes.items():
        now = fitted.contracts[name]
        assert abs(now) <= abs(one.wanted)
        assert now * one.wanted >= 0
        assert now % LOT == 0
        assert abs(now) >= one.kept  # a reduction goes on whatever the margin is
        assert abs(now) == one.kept or abs(now) - one.kept >= min(LEAST, one.increase)
    if notional(stakes, {name: one.wanted for name, one in stakes.items()}) <= budget:
        assert fitted.factor == 1
        assert fitted.contracts == {name: one.wanted for name, one in stakes.items()}


def test_nothing_is_opened_without_equity():
    fitted = fit_margin({"A": Stake(SPEC, Decimal(0), Decimal(5), 100.0)}, -3.0, 3.0)
    assert fitted.contracts == {"A": Decimal(0)}
    assert fitted.factor == 0
