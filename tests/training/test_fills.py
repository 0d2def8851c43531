from decimal import Decimal

import pytest

from pairity.strategy.types import ExitReason, Leg, PairPosition, Side
from pairity.universe import Pair
from tests.training.generated import HOUR, START
from training.backtest.fills import liquidation_price, slipped, triggered
from training.backtest.records import Bar, OpenPosition

OPENED, CLOSES = START, START + HOUR


def held(sign=1, stop=95.0, target=105.0, entry=100.0, size=1.0):
    side = Side.BUY if sign > 0 else Side.SELL
    leg = Leg("BTC", side, Decimal(1), entry, stop, target)
    record = PairPosition("id", Pair("BTC", "ETH"), sign, (leg,), START, -2.0, 1.0, -2.0)
    return OpenPosition(
        record=record, asset="BTC", sign=sign, size=size, contracts=Decimal(1), probability=0.9, decided_at=START,
        opened_at=START, reference_price=entry, entry_price=entry, stop_price=stop, target_price=target, fees=0.0,
        mark=entry,
    )  # fmt: skip


def ends(position, bar, liquidation=None):
    closing = triggered(position, Bar(*bar), OPENED, CLOSES, liquidation)
    return None if closing is None else (closing.reference_price, closing.reason, closing.at)


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


@pytest.mark.parametrize("sign", [1, -1])
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(sign):
    position, others, rate = held(sign=sign, size=10.0), 100.0, 0.004
    price = liquidation_price(position, others, rate)
    equity = others + sign * 10.0 * (price - 100.0)
    assert equity == pytest.approx(rate * 10.0 * price)
    assert (price < 100.0) if sign > 0 else (price > 100.0)


def test_an_unlevered_long_cannot_be_liquidated():
    assert liquidation_price(held(size=9.5), 1000.0, 0.004) is None


def test_slippage_is_against_the_trader():
    assert slipped(100.0, 1, 10.0) == pytest.approx(100.1)
    assert slipped(100.0, -1, 10.0) == pytest.approx(99.9)
    assert slipped(100.0, 1, 0.0) == 100.0
