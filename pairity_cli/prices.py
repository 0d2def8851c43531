"""Prices as their instruments quote them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pairity.number_formats import Figure, format_exact, format_price

if TYPE_CHECKING:
    from pairity.layout import Layout


class Ticks:
    """Ticks of instruments, as far as they are known; a price without one has every digit that it came with."""

    def __init__(self, ticks: dict[str, Decimal] | None = None) -> None:
        self._ticks = ticks or {}

    @classmethod
    def read(cls, layout: Layout) -> Ticks:
        """Read the ticks of the stored contracts; none where nothing is stored."""
        from feature_repo.contract_specs import read_contracts

        if not layout.contracts.exists():
            return cls()
        return cls({asset: spec.tick_sz for asset, spec in read_contracts(layout).items()})

    def write(self, instrument: str, price: Decimal | float | None) -> Figure:
        """Return a price of an instrument, or of an asset by its short name, with the decimals of its tick."""
        tick = self._ticks.get(instrument.partition("-")[0].removesuffix("_USDT"))
        return format_exact(price) if tick is None and isinstance(price, Decimal) else format_price(price, tick)
