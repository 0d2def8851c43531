"""Limits of one entry: its size, what the account would hold with it, and whether its market can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pairity.number_formats import format_against, format_money, format_number, format_plain
from pairity.strategy.types import Entry
from pairity.trading_settings import LimitSettings
from pairity.universe import ContractSpec, exact
from serving.limits.records import AccountMeasures, AssetMeasures, Breach, Consequence

_FUNDING_LIMIT_HOURS = Decimal(8)
"""Hours that `limits.funding_rate` is for, and that a rate is taken to be of where the venue does not say."""


def check_entry(
    entry: Entry,
    account: AccountMeasures,
    assets: Mapping[str, AssetMeasures],
    contracts: Mapping[str, ContractSpec],
    limits: LimitSettings,
) -> tuple[Breach, ...]:
    """Return every limit that an entry would exceed; `assets` and `contracts` by short name, of its legs at least.

    An asset whose mark price is not known is not opened: nothing says that its bar is still true.
    """
    sizes = {leg.asset: contracts[leg.asset].notional(leg.contracts, exact(leg.reference_price)) for leg in entry.legs}
    markets = [breach for leg in entry.legs for breach in _check_market(assets[leg.asset], limits)]
    return (*_check_sizes(sizes, account, limits), *markets)


def check_increase(
    asset: AssetMeasures, added: Decimal, after: Decimal, account: AccountMeasures, limits: LimitSettings
) -> tuple[Breach, ...]:
    """Return every limit that more of a name of a book would exceed: `added` USDT, `after` of it in all."""
    breaches = list(_check_market(asset, limits))
    if limits.position_usdt is not None and after > exact(limits.position_usdt):
        measured = f"{format_against(after, limits.position_usdt)} USDT of {asset.asset}"
        allowed = f"{format_money(limits.position_usdt)} USDT"
        breaches.append(Breach("limits.position_usdt", measured, allowed, Consequence.NO_ENTRY))
    together = account.gross_notional + added
    if together > exact(limits.gross_leverage) * account.equity:
        measured = f"{format_money(together)} USDT with {asset.asset} at an equity of {format_money(account.equity)}"
        allowed = f"{format_plain(limits.gross_leverage)} times"
        breaches.append(Breach("limits.gross_leverage", measured, allowed, Consequence.NO_ENTRY))
    return tuple(breaches)


def _check_sizes(sizes: Mapping[str, Decimal], account: AccountMeasures, limits: LimitSettings) -> Iterator[Breach]:
    for asset, size in sizes.items():
        if limits.position_usdt is not None and size > exact(limits.position_usdt):
            allowed = f"{format_money(limits.position_usdt)} USDT"
            yield Breach(
                "limits.position_usdt",
                f"{format_against(size, limits.position_usdt)} USDT of {asset}",
                allowed,
                Consequence.NO_ENTRY,
            )
    together = account.gross_notional + sum(sizes.values(), Decimal(0))
    if together > exact(limits.gross_leverage) * account.equity:
        measured = f"{format_money(together)} USDT with this entry at an equity of {format_money(account.equity)}"
        yield Breach(
            "limits.gross_leverage", measured, f"{format_plain(limits.gross_leverage)} times", Consequence.NO_ENTRY
        )


def _check_market(asset: AssetMeasures, limits: LimitSettings) -> Iterator[Breach]:
    allowed = f"{limits.price_deviation:.2%}"
    if asset.mark is None or asset.close is None:
        unknown = "mark price" if asset.mark is None else "last close"
        measured = f"the {unknown} of {asset.asset} is not known"
        yield Breach("limits.price_deviation", measured, allowed, Consequence.NO_ENTRY)
    elif (distance := abs(asset.mark / asset.close - 1)) > exact(limits.price_deviation):
        measured = (
            f"{asset.asset} is marked {format_against(distance, limits.price_deviation, percent=True)} off the last bar"
        )
        yield Breach("limits.price_deviation", measured, allowed, Consequence.NO_ENTRY)
    hours = asset.funding_hours or _FUNDING_LIMIT_HOURS
    # Per hour, without a division: it would round.
    if abs(asset.funding_rate or Decimal(0)) * _FUNDING_LIMIT_HOURS > exact(limits.funding_rate) * hours:
        measured = f"{asset.funding_rate} in {hours} h at the last settlement of {asset.asset}"
        allowed = f"{format_number(limits.funding_rate)} in {_FUNDING_LIMIT_HOURS} h"
        yield Breach("limits.funding_rate", measured, allowed, Consequence.NO_ENTRY)
