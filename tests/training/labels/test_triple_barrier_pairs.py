"""Labels of two legs: what both earn together, and how one waits for the other."""

import pytest

from tests.training.generated import HOUR, START
from tests.training.labels.barrier_market import BOTH, market, one, with_bar


def test_two_legs_share_what_was_entered_in_the_hedge_ratio():
    """Base +1%, quote (short, half as much) +2%: together nothing."""
    history = market([100.0, 100.0, *[101.0] * 11], [50.0, 50.0, *[51.0] * 11])
    assert one(history, -2.0, BOTH, ratio=0.5)["net_return"] == pytest.approx(0.0, abs=1e-12)
    assert one(history, -2.0, BOTH, ratio=0.25)["net_return"] == pytest.approx((0.01 - 0.005) / 1.25)
    assert one(history, 2.0, BOTH, ratio=0.25)["net_return"] == pytest.approx(-(0.01 - 0.005) / 1.25)


def test_where_one_leg_is_stopped_the_other_goes_at_that_bars_close():
    history = market([100.0, 100.0, 93.0, *[93.0] * 11], [50.0, 50.0, 49.0, *[40.0] * 11])
    found = one(history, -2.0, BOTH)
    assert found["t1"] == START + 2 * HOUR
    assert found["net_return"] == pytest.approx((-0.06 + 0.02) / 2)


def test_what_is_left_without_a_bar_goes_at_its_next_open_and_t1_waits_for_it():
    history = market([100.0, 100.0, 93.0, *[93.0] * 11], [50.0] * 14)
    del history.bars["ETH"][START + 2 * HOUR]
    found = one(with_bar(history, 3, (49.0, 50.0, 40.0, 42.0), "ETH"), -2.0, BOTH)
    assert found["t1"] == START + 3 * HOUR
    assert found["net_return"] == pytest.approx((-0.06 + 0.02) / 2)


def test_a_leg_that_is_gone_need_not_be_known_any_more():
    """One of 10 hours may be missing, and the leg that waits had that one."""
    history = market([100.0, 100.0, 93.0, *[93.0] * 11], [50.0] * 14)
    del history.bars["ETH"][START + 2 * HOUR]
    assert one(history, -2.0, BOTH)["label"] == 0
    del history.bars["BTC"][START + 3 * HOUR]
    assert one(history, -2.0, BOTH)["label"] == 0


@pytest.mark.parametrize("ratio", [None, 0.0, -0.5, float("inf"), float("nan")])
def test_without_a_positive_hedge_ratio_nothing_is_opened(ratio):
    found = one(market([100.0, 100.0, *[110.0] * 11]), -2.0, BOTH, ratio=ratio)
    assert (found["label"], found["net_return"], found["t1"]) == (0, None, START + 10 * HOUR)
    assert one(market([100.0, 100.0, *[110.0] * 11]), -2.0, ratio=ratio)["label"] == 1  # one leg asks for none
