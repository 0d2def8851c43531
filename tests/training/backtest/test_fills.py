from decimal import Decimal

import pytest

from pairity.strategy.types import ExitReason, Side
from tests.training.generated import HOUR, START
from training.backtest.fills import apply_slippage, fill_entry, solve_liquidation_price, trigger_exit
from training.backtest.records import OpenLeg, PriceBar, Terms

OPENED, CLOSES = START, START + HOUR


def held(sign=1, stop: float | None = 95.0, target: float | None = 105.0, entry=100.0, size=1.0):
    return OpenLeg(
        index=0,
        asset="BTC",
        side=Side.BUY if sign > 0 else Side.SELL,
        contracts=Decimal(1),
        size=size,
        reference_price=entry,
        entry_price=entry,
        stop_price=stop,
        target_price=target,
        fees=0.0,
        mark=entry,
    )


def ends(leg, bar, liquidation=None, *, target=True):
    leg_exit = trigger_exit(leg, PriceBar(*bar), CLOSES, liquidation, opened=OPENED, target=target)
    return None if leg_exit is None else (leg_exit.reference_price, leg_exit.reason, leg_exit.at)


LONG_CASES = [
    ((100, 104, 96, 101), None),
    ((100, 104, 95, 101), (95.0, ExitReason.STOP_LOSS, CLOSES)),  # touching is enough
    ((100, 105, 96, 101), (105.0, ExitReason.TAKE_PROFIT, CLOSES)),
    ((100, 106, 94, 101), (95.0, ExitReason.STOP_LOSS, CLOSES)),  # both: the adverse one first
    ((93, 106, 92, 101), (93, ExitReason.STOP_LOSS, OPENED)),  # gap through the stop: filled at the open
    ((107, 108, 94, 101), (107, ExitReason.TAKE_PROFIT, OPENED)),  # gap beyond the target comes before the low
]


@pytest.mark.parametrize(("bar", "expected"), LONG_CASES)
def test_triggers_of_a_long(bar, expected):
    assert ends(held(), bar) == expected


@pytest.mark.parametrize(("bar", "expected"), LONG_CASES)
def test_triggers_of_a_short_mirror_those_of_a_long(bar, expected):
    o, h, low, c = (200 - value for value in bar)
    mirrored = None if expected is None else (200 - expected[0], *expected[1:])
    assert ends(held(sign=-1, stop=105.0, target=95.0), (o, low, h, c)) == mirrored


def test_an_unprotected_position_survives_everything():
    assert ends(held(stop=None, target=None), (100, 1e6, 1e-6, 1)) is None


def test_the_nearer_of_stop_and_liquidation_comes_first():
    assert ends(held(), (100, 101, 90, 91), liquidation=97.0) == (97.0, ExitReason.LIQUIDATION, CLOSES)
    assert ends(held(), (100, 101, 90, 91), liquidation=93.0) == (95.0, ExitReason.STOP_LOSS, CLOSES)
    short = held(sign=-1, stop=105.0, target=95.0)
    assert ends(short, (100, 110, 99, 109), liquidation=103.0) == (103.0, ExitReason.LIQUIDATION, CLOSES)
    assert ends(held(stop=None), (100, 101, 90, 91), liquidation=97.0) == (97.0, ExitReason.LIQUIDATION, CLOSES)


def test_where_the_target_may_have_come_before_the_fill_it_does_not_count():
    assert ends(held(), (106, 107, 99, 101), target=False) is None
    assert ends(held(), (106, 107, 94, 101), target=False) == (95.0, ExitReason.STOP_LOSS, CLOSES)


@pytest.mark.parametrize("sign", [1, -1])
def test_at_the_liquidation_price_equity_is_the_maintenance_margin_and_the_fee_of_closing(sign):
    leg, others, maintenance, fee = held(sign=sign, size=10.0), 100.0, 0.004, 0.0005
    price = solve_liquidation_price(leg, others, maintenance + fee)
    assert price is not None
    equity = others + sign * 10.0 * (price - 100.0)
    assert equity - fee * 10.0 * price == pytest.approx(maintenance * 10.0 * price)
    assert (price < 100.0) if sign > 0 else (price > 100.0)
    without_fee = solve_liquidation_price(leg, others, maintenance)
    assert without_fee is not None
    assert (price - without_fee) * sign > 0  # met earlier than without the fee


def test_an_unlevered_long_cannot_be_liquidated():
    assert solve_liquidation_price(held(size=9.5), 1000.0, 0.004) is None


TAKER = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=10.0)
MAKER = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=10.0, maker_fee_bps=2.0, fill_model="limit_maker")


def test_a_taker_fills_at_the_open_whatever_the_close_was():
    bar = PriceBar(101.0, 102.0, 100.5, 101.5)
    assert fill_entry("BTC", Side.BUY, 100.0, bar, TAKER) == (101.0, pytest.approx(101.101), 5.0)
    assert fill_entry("BTC", Side.SELL, 100.0, bar, TAKER) == (101.0, pytest.approx(100.899), 5.0)


@pytest.mark.parametrize(
    ("side", "low", "high", "filled"),
    [
        (Side.BUY, 99.9, 101.0, True),
        (Side.BUY, 100.0, 101.0, False),  # touched, not traded through: others stood in front
        (Side.SELL, 99.0, 100.1, True),
        (Side.SELL, 99.0, 100.0, False),
    ],
)
def test_a_limit_is_filled_only_if_the_bar_trades_through_it(side, low, high, filled):
    found = fill_entry("BTC", side, 100.0, PriceBar(100.0, high, low, 100.0), MAKER)
    assert found == ((100.0, 100.0, 2.0) if filled else None)


def test_slippage_is_against_the_trader():
    assert apply_slippage(100.0, 1, 10.0) == pytest.approx(100.1)
    assert apply_slippage(100.0, -1, 10.0) == pytest.approx(99.9)
    assert apply_slippage(100.0, 1, 0.0) == 100.0
