"""Labels of one leg: which barrier is met first, at what price, with what fees and funding."""

from datetime import timedelta

import pytest

from tests.training.generated import HOUR, START, spec
from tests.training.labels.barrier_market import FLAT, config, market, one, with_bar
from training.backtest.records import Settlement


def test_a_long_that_meets_its_target():
    found = one(market([100.0, 100.0, 102.0, 106.0, *FLAT]), -2.0)
    assert (found["label"], found["t0"], found["t1"]) == (1, START, START + 3 * HOUR)
    assert found["net_return"] == pytest.approx(0.05)


def test_a_short_loses_what_a_long_earns():
    found = one(market([100.0, 100.0, 102.0, 106.0, *FLAT]), 2.0)
    assert (found["label"], found["t1"]) == (0, START + 3 * HOUR)
    assert found["net_return"] == pytest.approx(-0.06)


def test_after_the_horizon_it_goes_at_that_bars_close():
    found = one(market([100.0, 100.0, *[101.0] * 9, 99.0, 98.0]), -2.0)
    assert (found["label"], found["t1"]) == (1, START + 10 * HOUR)
    assert found["net_return"] == pytest.approx(0.01)


@pytest.mark.parametrize(("z", "net"), [(-2.0, -0.06), (2.0, -0.06)])
def test_the_adverse_extreme_comes_first(z, net):
    found = one(with_bar(market(FLAT), 2, (100.0, 110.0, 90.0, 100.0)), z)
    assert (found["label"], found["t1"]) == (0, START + 2 * HOUR)
    assert found["net_return"] == pytest.approx(net)


def test_touching_a_level_is_enough_and_a_tick_less_is_not():
    assert one(with_bar(market(FLAT), 2, (100.0, 105.0, 100.0, 100.0)), -2.0)["net_return"] == pytest.approx(0.05)
    assert one(with_bar(market(FLAT), 2, (100.0, 104.99, 100.0, 100.0)), -2.0)["t1"] == START + 10 * HOUR


@pytest.mark.parametrize(("opened", "net"), [(90.0, -0.10), (108.0, 0.08)])
def test_a_gap_is_filled_at_the_open_and_known_at_that_bars_close(opened, net):
    found = one(with_bar(market(FLAT), 3, (opened, 112.0, 85.0, 100.0)), -2.0)
    assert found["net_return"] == pytest.approx(net)
    assert found["t1"] == START + 3 * HOUR


def test_the_bar_of_the_decision_does_not_count_and_entry_is_at_the_next_open():
    history = with_bar(market(FLAT), 0, (100.0, 200.0, 1.0, 100.0))
    history = with_bar(history, 1, (103.0, 103.0, 100.0, 100.0))
    found = one(history, -2.0)
    assert found["t1"] == START + 10 * HOUR
    assert found["net_return"] == pytest.approx(100 / 103 - 1)


def test_stops_follow_atr_and_the_fill_and_lie_on_the_tick():
    """ATR 0.3: 3% for the stop, 2.4% for the target, of the fill at 100.01 rounded to 0.05."""
    history = market(FLAT, atr=0.3, specs={name: spec(name, tick="0.05") for name in ("BTC", "ETH")})
    costs = {"taker_fee_bps": 5.0, "slippage_bps": 1.0}
    found = one(with_bar(history, 2, (100.0, 100.0, 97.0, 97.0)), -2.0, config(costs=costs))
    paid, got = 100.01, 97.0 * 0.9999
    assert found["net_return"] == pytest.approx((got - paid - 5e-4 * (paid + got)) / paid, abs=1e-12)
    assert one(with_bar(history, 2, (100.0, 100.0, 97.01, 97.01)), -2.0, config(costs=costs))["t1"] > START + 2 * HOUR


def test_fees_alone_make_a_flat_market_a_loss():
    costs = {"taker_fee_bps": 5.0, "slippage_bps": 0.0}
    found = one(market(FLAT), -2.0, config(costs=costs))
    assert found["label"] == 0
    assert found["net_return"] == pytest.approx(-0.001)
    assert one(market(FLAT), -2.0)["label"] == 0  # nothing is not a gain


@pytest.mark.parametrize(("z", "sign"), [(-2.0, -1), (2.0, 1)])
def test_longs_pay_a_positive_rate_and_shorts_receive_it(z, sign):
    funding = {"BTC": [Settlement(START + 4 * HOUR, 0.002)], "ETH": [Settlement(START + 4 * HOUR, 0.1)]}
    found = one(market(FLAT, funding=funding), z)
    assert found["net_return"] == pytest.approx(sign * 0.002)
    assert found["label"] == int(sign > 0)


@pytest.mark.parametrize(
    ("at", "hit"),
    [
        (START, False),  # before the entry
        (START + timedelta(minutes=1), True),
        (START + 2 * HOUR, True),  # held into the last close
        (START + 2 * HOUR + timedelta(minutes=1), False),
    ],
)
def test_settlements_hit_what_is_held_into_them(at, hit):
    found = one(market(FLAT, funding={"BTC": [Settlement(at, 0.002)]}), 2.0, config(horizon=2))
    assert found["net_return"] == pytest.approx(0.002 if hit else 0.0)


def test_settlements_of_one_hour_add_up():
    times = [START + 2 * HOUR, START + 2 * HOUR + timedelta(minutes=20), START + 3 * HOUR]
    found = one(market(FLAT, funding={"BTC": [Settlement(time, 0.001) for time in times]}), 2.0)
    assert found["net_return"] == pytest.approx(0.003)


def test_a_settlement_is_on_the_marked_notional_and_misses_what_was_stopped_in_its_bar():
    funding = {"BTC": [Settlement(START + 2 * HOUR, 0.01)]}
    assert one(market([100.0, 100.0, *[102.0] * 11], funding=funding), -2.0)["net_return"] == pytest.approx(
        0.02 - 0.0102
    )
    assert one(market([100.0, 100.0, *[80.0] * 11], funding=funding), -2.0)["net_return"] == pytest.approx(-0.06)
