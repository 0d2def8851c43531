"""A market that wanders: six contracts, minute by minute, drawn from a seed; volumes are small enough to matter."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from pairity.universe import ContractSpec
from paper_exchange.market.market import Bar, Funding, Instrument

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
T0 = 1_767_225_600_000
_CONTRACTS = {
    # asset: price, coins of a contract, lot, tick
    "BTC": (60_000.0, "0.01", "0.01", "0.1"),
    "ETH": (2_500.0, "0.1", "0.01", "0.01"),
    "SOL": (150.0, "1", "0.01", "0.01"),
    "XRP": (2.0, "100", "0.01", "0.0001"),
    "ADA": (0.5, "100", "0.1", "0.0001"),
    "DOT": (5.0, "1", "1", "0.001"),
}
ASSETS = tuple(_CONTRACTS)


class WanderingMarket:
    """A `paper_exchange` market over [T0, T0 + hours): random walks that share a factor, so that stops are hit."""

    label = "wandering"
    start_ms = T0

    def __init__(self, seed: int, hours: int) -> None:
        self.end_ms = T0 + hours * HOUR_MS
        self.instruments = {_name(asset): _make_instrument(asset) for asset in ASSETS}
        draw = np.random.default_rng(seed)
        factor = draw.normal(0, 0.001, hours * 60)
        self._bars = {
            _name(asset): _wander(draw, price, float(tick), factor) for asset, (price, _, _, tick) in _CONTRACTS.items()
        }
        self._rates = {
            _name(asset): [Funding(at, round(draw.normal(0, 3e-4), 6)) for at in range(T0, self.end_ms, HOUR_MS)]
            for asset in ASSETS
        }

    def bar_ms(self, _inst_id: str) -> int:
        return MINUTE_MS

    def bars(self, inst_id: str, since_ms: int, until_ms: int, _kind: str = "last") -> Sequence[Bar]:
        first, end = (max(0, -(-(at_ms - T0) // MINUTE_MS)) for at_ms in (since_ms, until_ms))
        return self._bars[inst_id][first:end]

    def bar_at(self, inst_id: str, at_ms: int, _kind: str = "last") -> Bar | None:
        place = (at_ms - T0) // MINUTE_MS
        return None if place < 0 else self._bars[inst_id][min(place, len(self._bars[inst_id]) - 1)]

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        return [payment for payment in self._rates[inst_id] if since_ms <= payment.settle_ms < until_ms]

    def open_interest(self, _inst_id: str, _at_ms: int) -> None:
        return None


def make_specs() -> dict[str, ContractSpec]:
    """Return the contracts as a trading process knows them before it has asked."""
    return {
        asset: ContractSpec(_name(asset), Decimal(value), Decimal(lot), Decimal(lot), Decimal(tick), Decimal(100))
        for asset, (_, value, lot, tick) in _CONTRACTS.items()
    }


def _name(asset: str) -> str:
    return f"{asset}-USDT-SWAP"


def _wander(draw: np.random.Generator, price: float, tick: float, factor: np.ndarray) -> list[Bar]:
    count = len(factor)
    moves = np.cumsum(np.log1p(factor + draw.normal(0, 0.002, count)))
    closes = np.round(np.maximum(np.round(price * np.exp(moves) / tick), 1) * tick, 8)
    opens = np.concatenate([[price], closes[:-1]])
    highs = np.maximum(opens, closes) * (1 + np.abs(draw.normal(0, 0.0007, count)))
    lows = np.minimum(opens, closes) * (1 - np.abs(draw.normal(0, 0.0007, count)))
    highs = np.maximum(np.round(np.round(highs / tick) * tick, 8), np.maximum(opens, closes))
    lows = np.minimum(np.round(np.round(lows / tick) * tick, 8), np.minimum(opens, closes))
    volumes = draw.uniform(2_000, 60_000, count) / opens
    times = range(T0, T0 + count * MINUTE_MS, MINUTE_MS)
    columns = (column.tolist() for column in (opens, highs, lows, closes, volumes))
    return [Bar(*row) for row in zip(times, *columns, strict=True)]


def _make_instrument(asset: str) -> Instrument:
    _, value, lot, tick = _CONTRACTS[asset]
    return Instrument(
        inst_id=_name(asset),
        ct_val=Decimal(value),
        lot_sz=Decimal(lot),
        min_sz=Decimal(lot),
        tick_sz=Decimal(tick),
        max_leverage=Decimal(100),
        max_limit_sz=Decimal(1_000_000),
        max_market_sz=Decimal(1_000_000),
        list_ms=T0 - 24 * HOUR_MS,
    )
