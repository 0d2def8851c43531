"""On an unkind market stops slip into their bar, and algo orders outlive a closed position."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.paper_exchange.handmade_market import BTC, Desk, flat

CALM = (100, 100, 100, 100, 0.0)
HALF_SPREAD = Decimal("0.1")


def stop_out(bar, size=1, *, side="buy", seed=7, unkind=True, **leg):
    """Price at which the stop of a position of `size` fills in `bar`."""
    desk = Desk({BTC: [CALM, bar, *flat(100)]}, unkind=unkind, seed=seed)
    desk.order(side, size)
    leg = leg or {"slTriggerPx": "99" if side == "buy" else "101", "slOrdPx": "-1"}
    desk.algo("sell" if side == "buy" else "buy", size, reduceOnly=True, **leg)
    desk.to(2)
    assert desk.size() == 0
    fills = [fill.bill for fill in desk.account.ledger.executions[1:]]
    return sum(fill.price * fill.size for fill in fills) / size


def test_a_stop_slips_the_further_the_further_its_bar_went():
    prices = [stop_out((100, 100, low, 100, 1.0)) for low in (98.9, 97, 90)]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] < 99 - HALF_SPREAD or prices[0] == Decimal("98.8")
    assert prices[2] < 98
    assert prices[2] >= 90 - HALF_SPREAD
    assert stop_out((100, 100, 90, 100, 1.0), unkind=False) == Decimal("98.9")


def test_a_stop_slips_the_further_the_larger_it_is_beside_the_bar():
    prices = [stop_out((100, 100, 95, 100, 1.0), size) for size in (1, 20, 60, 100)]
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) == 4
    assert prices[3] == Decimal("94.9")  # as large as all that the bar traded: at its extreme
    assert stop_out((100, 100, 95, 100, 0.0)) == Decimal("94.9")


def test_a_stop_at_the_bars_extreme_does_not_slip_beyond_it():
    assert stop_out((100, 100, 99, 100, 1.0)) == Decimal("98.9")
    assert stop_out((96, 96, 96, 96, 1.0)) == Decimal("95.9")  # gapped: at the open, which is the extreme too


@given(
    side=st.sampled_from(["buy", "sell"]),
    reach=st.integers(0, 80),
    size=st.sampled_from([1, 5, 50]),
    volume=st.sampled_from([0.0, 0.2, 2.0]),
    seed=st.integers(0, 5),
    gap=st.booleans(),
)
@settings(max_examples=examples(160), deadline=None)
def test_a_stop_fills_between_its_trigger_and_the_bars_extreme(side, reach, size, volume, seed, gap):
    sign = 1 if side == "buy" else -1
    met = 98 if gap else 99
    worst = 100 - sign * (100 - met + reach / 10)
    opened = 100 - sign * (100 - met) if gap else 100
    met = 100 - sign * (100 - met)
    bar = (opened, max(opened, worst), min(opened, worst), opened, volume)
    price = stop_out(bar, size, side=side, seed=seed)
    assert min(Decimal(met), Decimal(str(worst))) - HALF_SPREAD <= price <= max(met, Decimal(str(worst))) + HALF_SPREAD
    assert (price - met) * sign <= 0  # never better than the trigger
    assert stop_out(bar, size, side=side, seed=seed) == price


def test_another_seed_slips_elsewhere():
    assert len({stop_out((100, 100, 90, 100, 1.0), seed=seed) for seed in range(8)}) > 2


def test_a_target_slips_towards_a_worse_close_only():
    target = {"tpTriggerPx": "104", "tpOrdPx": "-1"}
    assert stop_out((100, 110, 100, 108, 1.0), **target) == Decimal("103.9")
    assert stop_out((100, 110, 100, 98, 1.0), **target) < Decimal("103.5")


def test_a_stop_limit_that_slipped_beyond_its_price_rests():
    desk = Desk({BTC: [CALM, (100, 100, 90, 90, 1.0), *flat(90)]}, unkind=True)
    desk.order("buy", 1)
    desk.algo("sell", 1, slTriggerPx="99", slOrdPx="98.9", reduceOnly=True)
    desk.to(2)
    [resting] = desk.account.pending()
    assert (resting.price, resting.source, desk.size()) == (Decimal("98.9"), "7", 1)


@pytest.mark.parametrize("unkind", [False, True])
def test_a_close_leaves_algo_orders_that_are_not_tied_to_it(unkind):
    desk = Desk({BTC: [CALM, CALM, (100, 100, 90, 91), *flat(91)]}, unkind=unkind)
    desk.order("buy", 2)
    loose = desk.algo("sell", 2, slTriggerPx="95", slOrdPx="-1", reduceOnly=True)
    tied = desk.algo("sell", 2, slTriggerPx="94", slOrdPx="-1", reduceOnly=True, cxlOnClosePos="true")
    desk.order("sell", 2, reduceOnly=True)
    assert (loose.state, tied.state) == ("live" if unkind else "canceled", "canceled")
    assert tied.ends_flat
    desk.order("buy", 1)
    desk.to(3)
    # What was left standing protects, or ends, whatever position comes later.
    assert (loose.state, desk.size()) == (("effective", 0) if unkind else ("canceled", 1))
