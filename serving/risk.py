"""Switches and limits before any order: which money is traded, and whether there is enough of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from pairity.errors import ConfigError, InsufficientBalanceError, LiveSwitchError
from pairity.settings import Settings
from pairity.universe import ContractSpec, exact
from serving.execution.venue_records import Balance
from venue.okx_client import LIVE_CONSENT, LIVE_VARIABLE
from venue.okx_hosts import exchange_address, signed_address

LEVERAGE = "leverage"
"""Cause of guarding while the venue allows less leverage than the settings ask for."""


class Mode(StrEnum):
    """Mode of trading: whose money is traded."""

    PAPER = "paper"
    """A paper exchange on this machine."""
    DEMO = "demo"
    """The venue's demo trading."""
    LIVE = "live"
    """Real money."""


def choose_mode(settings: Settings, *, live: bool) -> Mode:
    """Return the mode to trade in. Real money needs the flag `--live` *and* the environment's consent; else it is demo.

    Raises LiveSwitchError where the flag comes without the consent, and ConfigError where the exchange is not one for
    that money, or not one for a key at all (`venue.okx_hosts`).
    """
    address = exchange_address(settings.exchange)
    if address.is_loopback:
        if live:
            raise ConfigError(
                "--live was given, but exchange.url leads to a paper exchange",
                "leave out one of the two",
            )
        return Mode.PAPER
    signed_address(settings.exchange, live=live)
    consent = os.environ.get(LIVE_VARIABLE)
    if live and consent != LIVE_CONSENT:
        state = "is not set" if consent is None else f"is {consent!r}"
        raise LiveSwitchError(
            f"--live was given, but {LIVE_VARIABLE} {state}",
            f"set {LIVE_VARIABLE}={LIVE_CONSENT} as well to trade real money, or leave out --live for the demo",
        )
    return Mode.LIVE if live else Mode.DEMO


def check_leverage(settings: Settings, contracts: Mapping[str, ContractSpec]) -> None:
    """Raise ConfigError where `strategy.leverage` is above what the venue allows an instrument of the universe.

    Call it while flat: an open position must be guarded, whatever the settings say (see `explain_leverage`).
    """
    if reason := explain_leverage(settings, contracts):
        raise ConfigError(*reason)


def explain_leverage(settings: Settings, contracts: Mapping[str, ContractSpec]) -> tuple[str, str] | None:
    """Return what is wrong with `strategy.leverage` and what to do; None where the venue allows it everywhere."""
    wanted = settings.strategy.leverage
    below = {asset: spec.max_leverage for asset, spec in contracts.items() if spec.max_leverage < wanted}
    if not below:
        return None
    listed = ", ".join(f"{asset} {most:f}" for asset, most in below.items())
    return (
        f"strategy.leverage {wanted} is above what the venue allows: {listed}",
        f"set strategy.leverage to {min(below.values()):f} at most, or leave these assets out of the universe",
    )


def check_balance(
    balance: Balance, settings: Settings, contracts: Mapping[str, ContractSpec], prices: Mapping[str, Decimal]
) -> None:
    """Refuse an account that cannot open the smallest position; call it while flat.

    `contracts` and `prices` by asset short name. The smallest position is the larger of `strategy.min_position_usdt`
    and the cheapest contract of the universe. Raises InsufficientBalanceError with all the numbers.
    """
    strategy = settings.strategy
    usable = balance.available * exact(strategy.max_balance_fraction) * strategy.leverage
    least = exact(strategy.min_position_usdt)
    reason = f"strategy.min_position_usdt {least}"
    smallest = {
        asset: contract.notional(contract.min_sz, prices[asset])
        for asset, contract in contracts.items()
        if asset in prices
    }
    if smallest and min(smallest.values()) > least:
        asset = min(smallest, key=lambda name: smallest[name])
        least, reason = smallest[asset], f"the venue's smallest {asset} order"
    if usable < least:
        raise InsufficientBalanceError(
            f"{balance.available} {balance.currency} are available; {usable:.2f} of them can be used at leverage "
            f"{strategy.leverage}; the smallest position takes {least:.2f} ({reason})",
            "pay in, or release margin; on the demo the balance can be reset on the venue's site",
        )
