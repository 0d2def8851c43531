"""Made-up markets of books: random walks with listings, delistings, holes and funding of two intervals."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from pairity.timeline import HOUR
from pairity.universe import ContractSpec, inst_id
from training.backtest.records import Settlement
from training.books.panel import build_panel

START = datetime(2025, 1, 1, 1, tzinfo=UTC)
LOT = 0.001


def make_market(seed, *, names=14, hours=2_600):
    """Return lists by name: open, high, low, close, volume (None where there is no bar) and funding (hour → rate)."""
    draw, reach = random.Random(seed), random.Random(-seed - 1)
    market = {"open": {}, "high": {}, "low": {}, "close": {}, "volume": {}, "funding": {}}
    market["first_close_hour"] = START.hour
    for place in range(names):
        name = f"N{place:02}"
        price, opens, closes, volumes = draw.uniform(5, 50), [], [], []
        listed = 0 if place < 10 else draw.randrange(300)
        gone = hours if place != 3 else hours - 60
        for hour in range(hours):
            here = listed <= hour < gone and not (place == 4 and hours - 130 <= hour < hours - 124)
            opened = price * (1 + draw.gauss(0, 0.001))
            price = opened * (1 + draw.gauss(0.00002 * (place - 6), 0.004 + 0.0005 * place))
            opens.append(opened if here else None)
            closes.append(price if here else None)
            volumes.append(draw.uniform(1e3, 2e3) * (1 + place % 5) if here else None)
        both = list(zip(opens, closes, strict=True))
        market["high"][name] = [o and max(o, c) * (1 + abs(reach.gauss(0, 0.001))) for o, c in both]
        market["low"][name] = [o and min(o, c) * (1 - abs(reach.gauss(0, 0.001))) for o, c in both]
        every = 4 if place % 3 == 0 else 8
        market["open"][name], market["close"][name], market["volume"][name] = opens, closes, volumes
        market["funding"][name] = {
            hour: draw.gauss(1e-4, 2e-4) for hour in range(hours) if (hour + 1) % every == 0 and place != 5
        }
    return market


def make_panel(market, *, late=None, until=None):
    """Return the panel of a market; `late`: (name, hour) → hours by which a bar came late."""
    rows, hours = [], until or len(next(iter(market["close"].values())))
    for name in market["close"]:
        for hour in range(hours):
            if market["close"][name][hour] is not None:
                close = START + hour * HOUR
                known = close + HOUR * (late or {}).get((name, hour), 0)
                values = [market[kind][name][hour] for kind in ("open", "high", "low", "close", "volume")]
                rows.append((name, close, known, *values))
    schema = {
        "asset": pl.String(),
        "event_timestamp": pl.Datetime("us", "UTC"),
        "first_known": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume_base": pl.Float64(),
    }
    settlements = {
        name: [Settlement(START + hour * HOUR, rate) for hour, rate in sorted(own.items())]
        for name, own in market["funding"].items()
    }
    return build_panel(pl.DataFrame(rows, schema=schema, orient="row"), settlements, 0.0)


def make_specs(market):
    """Return contracts of one coin and lots of `LOT`."""
    lot = Decimal(str(LOT))
    return {
        name: ContractSpec(inst_id(name), Decimal(1), lot, lot, Decimal("0.0001"), Decimal(50))
        for name in market["close"]
    }


def shock(market, name, hour, factor):
    """Return the market in which the price of a name is `factor` times as high from the close of an hour on."""
    changed = {kind: {**market[kind], name: list(market[kind][name])} for kind in ("open", "high", "low", "close")}
    for kind, rows in changed.items():
        begin = hour + 1 if kind in {"open", "low"} else hour
        rows[name][begin:] = [price and price * factor for price in rows[name][begin:]]
    return {**market, **changed}
