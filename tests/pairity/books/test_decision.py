"""The decision of a book in whole lots."""

from decimal import Decimal

import pytest

from pairity.books.decision import HeldBook, choose_contracts, decide_book, find_unknown, size_contracts
from pairity.books.families import BOOK_FAMILIES, BookMarket, Target
from pairity.books.limits import BookLimits
from pairity.books.rebalance import Cause
from pairity.universe import ContractSpec

LOT = Decimal("0.1")
SPECS = {
    name: ContractSpec(f"{name}-USDT-SWAP", Decimal("0.5"), LOT, LOT, Decimal("0.01"), Decimal(50)) for name in "ABCD"
}


def test_contracts_are_whole_lots_worth_at_most_the_weight():
    assert size_contracts(SPECS["A"], 0.1, 1_000.0, 30.0) == Decimal("6.6")
    assert size_contracts(SPECS["A"], -0.1, 1_000.0, 30.0) == Decimal("-6.6")
    assert size_contracts(SPECS["A"], 0.0, 1_000.0, float("nan")) == 0
    assert size_contracts(SPECS["A"], 0.001, 1_000.0, 30.0) == 0


def test_names_within_the_band_keep_their_contracts_and_others_get_their_targets():
    held = HeldBook(
        {"A": Decimal(6), "B": Decimal(-4), "C": Decimal(2)}, 1_000.0, {"A": 30.0, "B": 20.0, "C": 10.0, "D": 5.0}
    )
    decided = {one.name: one for one in choose_contracts(held, {"A": 0.1, "B": 0.1, "D": -0.05}, 0.02, SPECS).names}
    assert {name: (one.change.cause, one.held, one.wanted) for name, one in decided.items()} == {
        "A": (Cause.WITHIN_BAND, Decimal(6), Decimal(6)),
        "B": (Cause.CHANGES_SIDE, Decimal(-4), Decimal("10.0")),
        "C": (Cause.LEAVES, Decimal(2), Decimal(0)),
        "D": (Cause.ENTERS, Decimal(0), Decimal("-20.0")),
    }


def test_a_name_of_which_nothing_is_known_stays_as_it_is():
    held = HeldBook({"A": Decimal(6), "C": Decimal(2)}, 1_000.0, {"A": 30.0, "C": 10.0})
    decided = {one.name: one for one in choose_contracts(held, {"A": -0.1}, 0.02, SPECS, {"C"}).names}
    assert (decided["C"].change.cause, decided["C"].wanted) == (Cause.NOT_KNOWN, Decimal(2))
    assert decided["A"].wanted == Decimal("-6.6")


@pytest.mark.parametrize(
    ("blind", "features", "able", "unknown"),
    [
        (False, "AB", "ABC", {"C"}),
        (False, "ABC", "ABC", set()),
        (True, "ABC", "ABC", {"A", "C"}),
        (False, "AB", "AB", set()),  # C may not be traded any more: it leaves
        (True, "AB", "AB", {"A"}),
        (False, "", "ABC", {"A", "C"}),
    ],
)
def test_what_is_missing_is_no_reason_to_trade(blind, features, able, unknown):
    target = Target(weights={}, scores={}, universe=(), pairs={}, is_blind=blind)
    assert find_unknown(["A", "C"], target, set(features), set(able)) == unknown


@pytest.mark.parametrize(("staying", "cause"), [((), Cause.LEAVES), (("C",), Cause.NOT_KNOWN)])
def test_a_name_that_cannot_be_traded_stays_and_one_outside_the_book_leaves(staying, cause):
    held = HeldBook({"C": Decimal(2)}, 1_000.0, {"C": 10.0})
    market = BookMarket(features={}, z_scores={}, held_pairs={})
    _, chosen = decide_book(BOOK_FAMILIES["trend_book"], market, BookLimits(), None, held, SPECS, set("AB"), staying)
    (only,) = chosen.names
    assert only.change.cause is cause
    assert only.wanted == (2 if staying else 0)


def test_increases_fit_into_what_reductions_leave_of_the_margin_and_say_so():
    held = HeldBook({"A": Decimal(40), "B": Decimal(-20)}, 1_000.0, {"A": 30.0, "B": 20.0, "D": 5.0})
    weights = {"A": 0.3, "B": -0.5, "D": 0.5}
    chosen = choose_contracts(held, weights, 0.02, SPECS, margin=0.99)
    decided = {one.name: one for one in chosen.names}
    # 300 USDT of A and 200 of B stay: the 490 that are left serve 300 more of B and 500 of D.
    assert (decided["A"].wanted, decided["A"].note) == (Decimal(20), "")
    assert decided["B"].wanted == Decimal("-38.3")
    assert decided["D"].wanted == Decimal("122.5")
    assert decided["B"].note == decided["D"].note == "increase × 0.6125: initial margin"
    assert chosen.margin == "initial margin: 1300 USDT to be held, at most 990; increases × 0.6125"
    easy, free = (choose_contracts(held, weights, 0.02, SPECS, margin=most) for most in (1.98, None))
    assert easy == free
    assert easy.margin == ""
