"""Positions in pairs, netted to names: two pairs that hold the same coin both ways trade it once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PairStake:
    """One pair that is held: `side` +1 is long `base` and short `quote`; gross is Σ|w| of its two legs."""

    base: str
    quote: str
    side: int
    gross: float
    base_volatility: float
    quote_volatility: float

    @property
    def weights(self) -> tuple[float, float]:
        """Signed weights of base and quote: legs ∝ 1/volatility, so that each carries the same risk."""
        base, quote = 1.0 / self.base_volatility, 1.0 / self.quote_volatility
        unit = self.side * self.gross / (base + quote)
        return unit * base, -unit * quote


def net_pairs(stakes: Iterable[PairStake]) -> dict[str, float]:
    """Return the weight of each name over all stakes (signed fractions of equity), sorted by name.

    A name whose stakes cancel each other keeps a weight of 0: it is one that leaves.
    """
    parts: dict[str, list[float]] = {}
    for stake in stakes:
        base, quote = stake.weights
        parts.setdefault(stake.base, []).append(base)
        parts.setdefault(stake.quote, []).append(quote)
    return {name: math.fsum(parts[name]) for name in sorted(parts)}
