from __future__ import annotations

from decimal import Decimal

import pytest

from pairity.errors import ConfigError, InsufficientBalanceError, LiveSwitchError
from pairity.settings import ExchangeSettings, Settings, StrategySettings
from serving.execution.venue_records import Balance
from serving.risk import Mode, check_balance, choose_mode
from tests.serving.trading import SPECS

PRICES = {"BTC": Decimal(80000), "ETH": Decimal(2000)}


def on(url: str | None) -> Settings:
    return Settings(exchange=ExchangeSettings(url=url))


@pytest.mark.parametrize("url", ["http://127.0.0.1:18080", "http://localhost:1", "http://[::1]:1"])
def test_a_local_exchange_is_paper(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRITY_LIVE_TRADING", "i-accept-the-risk")
    assert choose_mode(on(url), live=False) is Mode.PAPER
    with pytest.raises(ConfigError, match="paper exchange"):
        choose_mode(on(url), live=True)


@pytest.mark.parametrize("url", [None, "https://my.okx.com"])
def test_real_money_needs_both_switches(url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAIRITY_LIVE_TRADING", raising=False)
    assert choose_mode(on(url), live=False) is Mode.DEMO
    with pytest.raises(LiveSwitchError, match=r"PAIRITY_LIVE_TRADING is not set"):
        choose_mode(on(url), live=True)
    for half in ("1", "yes", "true", "I-ACCEPT-THE-RISK", ""):
        monkeypatch.setenv("PAIRITY_LIVE_TRADING", half)
        with pytest.raises(LiveSwitchError, match="PAIRITY_LIVE_TRADING=i-accept-the-risk"):
            choose_mode(on(url), live=True)
    monkeypatch.setenv("PAIRITY_LIVE_TRADING", "i-accept-the-risk")
    assert choose_mode(on(url), live=False) is Mode.DEMO
    assert choose_mode(on(url), live=True) is Mode.LIVE


@pytest.mark.parametrize(("available", "enough"), [("0", False), ("10.52", False), ("10.53", True), ("10000", True)])
def test_the_balance_must_carry_the_smallest_position(available: str, enough: bool) -> None:
    """95 % of 10.53 is just above 10 USDT; the cheapest contract is 0.01 × 0.1 ETH = 2 USDT."""
    balance = Balance("USDT", Decimal(available), Decimal(available))
    if enough:
        check_balance(balance, Settings(), SPECS, PRICES)
    else:
        with pytest.raises(InsufficientBalanceError, match="min_position_usdt"):
            check_balance(balance, Settings(), SPECS, PRICES)


def test_the_venue_s_own_minimum_counts_and_leverage_helps() -> None:
    dear = {"BTC": SPECS["BTC"]}
    balance = Balance("USDT", Decimal(50), Decimal(50))
    prices = {"BTC": Decimal(1_000_000)}
    with pytest.raises(InsufficientBalanceError, match="smallest BTC order"):
        check_balance(balance, Settings(), dear, prices)
    check_balance(balance, Settings(strategy=StrategySettings(leverage=3)), dear, prices)
