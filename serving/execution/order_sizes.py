"""Sizes of orders on the venue: what is larger than one market order, or one stop, may be goes in several."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal

from pairity.universe import ContractSpec


def first_order(contracts: Decimal, spec: ContractSpec) -> Decimal:
    """Return the size of the first market order for `contracts`: all of it, or the most that one may have.

    What it leaves is nothing, or at least the smallest order: a rest below that could not be closed.

    >>> spec = ContractSpec("A", Decimal(1), Decimal(1), Decimal(2), Decimal(1), Decimal(1), Decimal(10))
    >>> first_order(Decimal(8), spec), first_order(Decimal(25), spec), first_order(Decimal(11), spec)
    (Decimal('8'), Decimal('10'), Decimal('8'))
    """
    return _take_first(contracts, spec, spec.max_market_sz)


def split_contracts(contracts: Decimal, spec: ContractSpec) -> Iterator[Decimal]:
    """Yield the sizes of the stops that together are `contracts`.

    A stop is no larger than one may be, nor than the market order that it becomes.
    """
    while contracts > 0:
        size = _take_first(contracts, spec, spec.max_entry_sz)
        if size <= 0:  # a largest order below one lot: let the venue say what it thinks of the whole
            size = contracts
        yield size
        contracts -= size


def _take_first(contracts: Decimal, spec: ContractSpec, largest: Decimal | None) -> Decimal:
    if largest is None or contracts <= largest:
        return contracts
    most = (largest / spec.lot_sz).to_integral_value(rounding=ROUND_DOWN) * spec.lot_sz
    return most - spec.min_sz if contracts - most < spec.min_sz and most >= 2 * spec.min_sz else most
