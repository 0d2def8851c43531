"""Limits of a book against plain arithmetic; each step says what it did."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.books.explanation import explain_weight
from pairity.books.families import Target
from pairity.books.limits import BookLimits, limit_book

WEIGHTS = st.dictionaries(st.sampled_from("ABCDEFGHIJ"), st.floats(-0.5, 0.5, allow_nan=False), max_size=10)
LIMIT = st.none() | st.floats(0.05, 2.0)


@given(WEIGHTS, st.none() | st.floats(0.05, 1.0), LIMIT, LIMIT, st.none() | st.floats(0.01, 2.0))
def test_a_book_is_within_its_limits_and_keeps_its_signs(weights, volatility, gross, net, realised):
    limits = BookLimits(volatility, gross, net)
    held, steps = limit_book(weights, limits, realised)
    assert held.keys() == weights.keys()
    assert len(steps) == sum(one is not None for one in (volatility, gross, net))
    if gross is not None:
        assert math.fsum(map(abs, held.values())) <= gross * (1 + 1e-12)
    if net is not None:
        assert abs(math.fsum(held.values())) <= net + 1e-12
    for name, weight in weights.items():
        factor = math.prod(step.long if weight > 0 else step.short for step in steps)
        assert held[name] == pytest.approx(weight * factor, abs=1e-15)
        assert held[name] * weight >= 0


def test_without_limits_nothing_changes_and_nothing_is_said():
    weights = {"A": 0.2, "B": -0.3, "C": 0.0}
    assert limit_book(weights, BookLimits(), 0.5) == (weights, ())
    assert str(BookLimits()) == ""
    assert str(BookLimits(0.2, 1.0)) == "volatility 0.2, gross 1"


@pytest.mark.parametrize(
    ("realised", "factor", "said"),
    [
        (0.4, 0.5, "target 0.2, realised 0.4"),
        (0.16, 1.25, "target 0.2, realised 0.16"),
        (0.02, 1.5, "target 0.2, realised 0.02, at most × 1.5"),
        (None, 1.0, "volatility of 60 days is not known"),
        (0.0, 1.0, "volatility of 60 days is not known"),
    ],
)
def test_the_volatility_target_scales_both_sides(realised, factor, said):
    held, (step,) = limit_book({"A": 0.2, "B": -0.1}, BookLimits(volatility=0.2), realised)
    assert (step.name, step.why) == ("volatility target", said)
    assert step.changes == (factor != 1.0)
    assert held == {"A": pytest.approx(0.2 * factor), "B": pytest.approx(-0.1 * factor)}


def test_the_net_limit_takes_from_the_heavier_side_alone():
    held, (step,) = limit_book({"A": 0.5, "B": 0.1, "C": -0.2}, BookLimits(net=0.1), None)
    assert held["C"] == -0.2
    assert math.fsum(held.values()) == pytest.approx(0.1)
    assert (step.long, step.short) == (pytest.approx(0.5), 1.0)
    assert step.why == "net 0.4, at most 0.1 either way"


def test_a_weight_explains_itself():
    target = Target({"A": 0.15, "B": -0.1}, {"A": 0.5, "B": -0.2, "D": 0.0}, ("A", "B", "C", "D"), {})
    _, steps = limit_book(target.weights, BookLimits(volatility=0.1, net=1.0), 0.2)
    said = explain_weight("A", target, steps, 0.012)
    assert said == (
        "score 0.5 over volatility 0.012; held to 0.15; volatility target × 0.5 (target 0.1, realised 0.2); "
        "net limit: as it is"
    )
    assert explain_weight("C", target, steps, 0.01) == "no score"
    assert explain_weight("D", target, steps, 0.01) == "nothing is wanted of it"
    assert explain_weight("X", target, steps, None) == "not in the universe"
    paired = Target({"A": 0.1}, {}, ("A", "B", "C"), {("A", "B"): 1, ("A", "C"): -1, ("B", "C"): 1})
    assert explain_weight("A", paired, (), 0.01) == "long in 1 and short in 1 pairs, netted"
