from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from pairity.errors import ConfigError, InsufficientBalanceError, LiveSwitchError
from pairity.settings import ExchangeSettings, Settings, StrategySettings
from serving.execution.venue_records import Balance
from serving.risk import Mode, check_balance, check_leverage, choose_mode
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
    """95% of 10.53 is just above 10 USDT; the cheapest contract is 0.01 × 0.1 ETH = 2 USDT."""
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


@pytest.mark.parametrize("leverage", [1, 20, 100])
def test_a_leverage_that_the_venue_allows_is_accepted(leverage: int) -> None:
    check_leverage(Settings(strategy=StrategySettings(leverage=leverage)), SPECS)


def test_a_leverage_above_the_venues_names_the_instruments_and_the_most() -> None:
    specs = {name: replace(spec, max_leverage=Decimal(50 if name == "ETH" else 100)) for name, spec in SPECS.items()}
    with pytest.raises(ConfigError, match="leverage 75 is above what the venue allows: ETH 50") as refused:
        check_leverage(Settings(strategy=StrategySettings(leverage=75)), specs)
    assert "to 50 at most" in refused.value.remedy
