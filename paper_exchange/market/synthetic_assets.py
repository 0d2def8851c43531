"""Assets of the synthetic market: the ten of the default universe, and beside them as many made-up ones as wanted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pairity.errors import ConfigError

MOST_ASSETS = 1_000


class AssetModel(NamedTuple):
    """Parameters of one asset. `beta` is that to the market, `sector` an index, `turnover_usdt` quote volume per day.

    `residual` is the stationary standard deviation of ln R, which reverts with `half_life_h`; where that is None, the
    residual is a random walk and `residual` its standard deviation per day.
    """

    name: str
    price: float
    sector: int
    beta: float
    half_life_h: float | None
    residual: float
    turnover_usdt: float


MODELS = (
    AssetModel(name="BTC", price=90_000.0, sector=0, beta=1.0, half_life_h=16.0, residual=0.006, turnover_usdt=8e9),
    AssetModel(name="ETH", price=3_200.0, sector=0, beta=1.0, half_life_h=12.0, residual=0.009, turnover_usdt=6e9),
    AssetModel(name="SOL", price=140.0, sector=1, beta=1.25, half_life_h=10.0, residual=0.012, turnover_usdt=2e9),
    AssetModel(name="XRP", price=1.9, sector=2, beta=1.0, half_life_h=None, residual=0.025, turnover_usdt=1e9),
    AssetModel(name="BNB", price=850.0, sector=0, beta=1.0, half_life_h=36.0, residual=0.010, turnover_usdt=3e8),
    AssetModel(name="DOGE", price=0.13, sector=2, beta=1.3, half_life_h=None, residual=0.030, turnover_usdt=9e8),
    AssetModel(name="ADA", price=0.38, sector=1, beta=1.15, half_life_h=None, residual=0.022, turnover_usdt=2e8),
    AssetModel(name="AVAX", price=13.0, sector=1, beta=1.25, half_life_h=20.0, residual=0.014, turnover_usdt=1.5e8),
    AssetModel(name="LINK", price=13.0, sector=2, beta=1.15, half_life_h=None, residual=0.023, turnover_usdt=2e8),
    AssetModel(name="DOT", price=2.1, sector=1, beta=1.25, half_life_h=30.0, residual=0.014, turnover_usdt=1e8),
)
_HALF_LIVES_H = (None, 10.0, 12.0, 16.0, 20.0, 30.0, 36.0)


def make_models(count: int) -> tuple[AssetModel, ...]:
    """Return the models of `count` assets: the first of the ten, and after them made-up ones called A011, A012, …

    A model does not depend on how many there are. ConfigError for fewer than two or more than a thousand.
    """
    if not 2 <= count <= MOST_ASSETS:
        raise ConfigError(f"a synthetic market of {count} assets", f"choose 2 to {MOST_ASSETS:,} assets")
    return MODELS[:count] + tuple(_make_up(number) for number in range(len(MODELS) + 1, count + 1))


def _make_up(number: int) -> AssetModel:
    """Return a model with parameters like those of the ten, drawn for this number alone."""
    draw = np.random.Generator(np.random.Philox(key=number))
    half_life_h = _HALF_LIVES_H[int(draw.integers(len(_HALF_LIVES_H)))]
    return AssetModel(
        name=f"A{number:03}",
        price=float(f"{10 ** draw.uniform(-1, 3):.3g}"),
        sector=int(draw.integers(3)),
        beta=round(float(draw.uniform(0.9, 1.4)), 2),
        half_life_h=half_life_h,
        residual=round(float(draw.uniform(0.006, 0.015) if half_life_h else draw.uniform(0.02, 0.03)), 4),
        turnover_usdt=float(f"{10 ** draw.uniform(7.5, 9):.2g}"),
    )
