"""Contracts of the assets that are traded."""

from __future__ import annotations

from collections.abc import Mapping

from pairity.errors import UnknownNameError
from pairity.universe import ContractSpec


def get_contract(contracts: Mapping[str, ContractSpec], asset: str) -> ContractSpec:
    """Return the contract of an asset by its short name; UnknownNameError lists the assets that are known."""
    if asset not in contracts:
        raise UnknownNameError("contract", asset, contracts)
    return contracts[asset]
