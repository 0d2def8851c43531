"""Limits: each is found where it is exceeded, none where it is only reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.trading_settings import LimitSettings
from serving.limits import AccountMeasures, AssetMeasures, Consequence, check_account, check_entry
from tests.serving.trading import SPECS, entry

CALM = AccountMeasures(
    at=datetime(2026, 1, 5, 12, tzinfo=UTC),
    equity=Decimal(10_000),
    day_start=Decimal(10_000),
    peak=Decimal(10_000),
    gross_notional=Decimal(0),
    orders_last_hour=0,
    rejects_last_hour=0,
    margin_ratio=None,
)
BTC = AssetMeasures("BTC", close=Decimal(80_000), mark=Decimal(80_000), funding_rate=Decimal("0.0001"))
LIMITS = LimitSettings()


@pytest.mark.parametrize(
    ("changed", "limit", "consequence"),
    [
        ({"equity": Decimal(0)}, "equity", Consequence.HALT),
        ({"equity": Decimal(-5)}, "equity", Consequence.HALT),
        ({"peak": Decimal("12500.01")}, "limits.drawdown", Consequence.HALT),
        ({"day_start": Decimal("10526.32")}, "limits.day_loss", Consequence.NO_ENTRY),
        ({"gross_notional": Decimal("30000.01")}, "limits.gross_leverage", Consequence.NO_ENTRY),
        ({"orders_last_hour": 61}, "limits.orders_per_hour", Consequence.NO_ENTRY),
        ({"rejects_last_hour": 11}, "limits.rejects_per_hour", Consequence.NO_ENTRY),
        ({"margin_ratio": Decimal("2.99")}, "limits.margin_ratio", Consequence.NO_ENTRY),
        ({"margin_ratio": Decimal("0.5")}, "limits.margin_ratio", Consequence.NO_ENTRY),
    ],
)
def test_an_account_beyond_a_limit(changed, limit, consequence):
    [breach] = check_account(replace(CALM, **changed), LIMITS)
    assert (breach.limit, breach.consequence) == (limit, consequence)
    assert str(breach).startswith(f"{limit}: ")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"peak": Decimal("12500.1")}, "20.001% below the peak, the limit is 20.000%"),
        ({"day_start": Decimal("10526.4")}, "5.001% lost today, the limit is 5.000%"),
        ({"peak": Decimal(15_000)}, "33.33% below the peak, the limit is 20.00%"),
        ({"gross_notional": Decimal("30001")}, "3.0001 times the equity, the limit is 3"),
        ({"margin_ratio": Decimal("2.9996")}, "2.9996 times the maintenance margin, the limit is 3"),
    ],
)
def test_what_was_measured_is_told_from_its_limit(changed, said):
    [breach] = check_account(replace(CALM, **changed), LIMITS)
    assert str(breach) == f"{breach.limit}: {said}"


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"peak": Decimal(12_500)},
        {"day_start": Decimal("10526.31")},
        {"gross_notional": Decimal(30_000)},
        {"orders_last_hour": 60, "rejects_last_hour": 10},
        {"margin_ratio": Decimal(3)},
        {"equity": Decimal(11_000)},
    ],
)
def test_an_account_at_its_limits_may_trade(changed):
    assert check_account(replace(CALM, **changed), LIMITS) == ()


@given(
    equity=st.decimals(1, 10**6, places=2),
    start=st.decimals(1, 10**6, places=2),
    peak=st.decimals(1, 10**6, places=2),
    held=st.decimals(0, 10**7, places=2),
)
def test_results_are_judged_as_a_book_keeper_would(equity, start, peak, held):
    found = {
        breach.limit
        for breach in check_account(
            replace(CALM, equity=equity, day_start=start, peak=peak, gross_notional=held), LIMITS
        )
    }
    assert ("limits.day_loss" in found) == (equity * 100 < start * 95)
    assert ("limits.drawdown" in found) == (equity * 100 < peak * 80)
    assert ("limits.gross_leverage" in found) == (held > 3 * equity)


def check(asset=BTC, account=CALM, limits=LIMITS, contracts="1.25"):
    return [breach.limit for breach in check_entry(entry(contracts=contracts), account, {"BTC": asset}, SPECS, limits)]


@pytest.mark.parametrize(
    ("asset", "limits"),
    [
        (replace(BTC, mark=Decimal(88_001)), ["limits.price_deviation"]),
        (replace(BTC, mark=Decimal(71_999)), ["limits.price_deviation"]),
        (replace(BTC, mark=None), ["limits.price_deviation"]),
        (replace(BTC, close=None), ["limits.price_deviation"]),
        (replace(BTC, funding_rate=Decimal("-0.0201")), ["limits.funding_rate"]),
        (replace(BTC, mark=Decimal(88_000), funding_rate=Decimal("0.02")), []),
        (replace(BTC, funding_rate=None), []),
    ],
)
def test_a_market_that_cannot_be_believed_is_not_entered(asset, limits):
    assert check(asset) == limits


def test_an_entry_counts_with_what_is_held():
    """1.25 contracts of 0.01 BTC at 80,000 are 1,000 USDT."""
    assert check(account=replace(CALM, gross_notional=Decimal(29_000))) == []
    assert check(account=replace(CALM, gross_notional=Decimal("29000.01"))) == ["limits.gross_leverage"]


def test_a_leg_has_a_largest_size():
    assert check(limits=LimitSettings(position_usdt=1_000)) == []
    assert check(limits=LimitSettings(position_usdt=999)) == ["limits.position_usdt"]
    assert check(contracts="125") == ["limits.gross_leverage"]
