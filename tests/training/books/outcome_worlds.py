"""Made-up worlds in which spreads continue, revert, or do neither."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from pairity.universe import ContractSpec, inst_id
from training.books.panel import BookPanel

NAMES = tuple(f"N{place}" for place in range(8))
_NOISE = 0.004


def make_moves(kind, draw, hours):
    """Return hourly log returns, hours × names, of a world that `continues`, `reverts` or is `noise`."""
    shape = (hours, len(NAMES))
    noise = draw.normal(0, _NOISE, shape) * np.linspace(0.8, 1.4, len(NAMES))
    if kind == "continues":
        flips = draw.random(shape) < 1 / 240
        signs = np.where(draw.random(len(NAMES)) < 0.5, 1, -1) * np.where(flips, -1, 1).cumprod(axis=0)
        return noise + 0.0006 * signs
    if kind == "reverts":
        level, moves = np.zeros(len(NAMES)), np.empty(shape)
        for hour in range(hours):
            moves[hour] = noise[hour] - level / 72
            level = level + moves[hour]
        return moves
    return noise


def make_world(kind, *, seed=3, days=170):
    """Return a panel of eight names with settlements every 8 hours."""
    draw, hours = np.random.default_rng(seed), 24 * days
    moves = make_moves(kind, draw, hours) + draw.normal(0, 0.003, (hours, 1))
    closes = np.exp(np.cumsum(moves, axis=0)) * np.linspace(5, 40, len(NAMES))
    opens = np.vstack([closes[:1], closes[:-1]])
    settled = np.arange(1, hours + 1)[:, None] % 8 == 0
    rates = np.where(settled, draw.normal(5e-5, 5e-5, closes.shape), np.nan)
    return BookPanel(
        start=datetime(2025, 1, 1, 1, tzinfo=UTC),
        names=NAMES,
        opens=opens,
        highs=np.maximum(opens, closes),
        lows=np.minimum(opens, closes),
        closes=closes,
        volumes=draw.uniform(1e4, 2e4, closes.shape),
        late=np.zeros(closes.shape),
        rates=rates,
        covered=np.where(settled, 8.0, 0.0) * np.ones(closes.shape),
    )


def make_world_specs():
    """Return contracts of one coin and lots of a thousandth."""
    lot = Decimal("0.001")
    return {name: ContractSpec(inst_id(name), Decimal(1), lot, lot, Decimal("0.0001"), Decimal(50)) for name in NAMES}
