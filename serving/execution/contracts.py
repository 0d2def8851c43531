"""Contracts of the assets that are traded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pairity.errors import UnconfirmedError, UnknownNameError
from pairity.universe import ContractSpec
from serving.execution.venue import VenuePort


def get_contract(contracts: Mapping[str, ContractSpec], asset: str) -> ContractSpec:
    """Return the contract of an asset by its short name; UnknownNameError lists the assets that are known."""
    if asset not in contracts:
        raise UnknownNameError("contract", asset, contracts)
    return contracts[asset]


async def require_values(venue: VenuePort, known: Iterable[ContractSpec]) -> None:
    """Raise UnconfirmedError where the venue lists a contract with another value than is known.

    The same number of contracts is another position then. The watch takes the new value over, positions and all.
    """
    listings = await venue.listings()
    for contract in known:
        listing = listings.get(contract.instrument)
        if listing is not None and listing.spec.ct_val != contract.ct_val:
            raise UnconfirmedError(
                f"a contract {contract.instrument} is {listing.spec.ct_val} coins now, was {contract.ct_val}",
                "nothing is sent by the old value; the new one is taken over at the next look",
            )
