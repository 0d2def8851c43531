"""Rows of the catalogue's views with any bits that a number can have, and frames reduced to their bits."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.catalog import View
from feature_repo.offline_files import make_schema

START = datetime(2025, 2, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=1)
SPECIAL = (-0.0, 0.0, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 0.1 + 0.2, float("inf"), None)


def make_rows(
    view: View,
    entities: Iterable[str] = ("A", "B"),
    hours: Iterable[int] = range(4),
    seed: int = 0,
    lag: timedelta = TICK,
) -> pl.DataFrame:
    """One row per entity and hour, known `lag` after its event; values are drawn from the seed."""
    rng = random.Random(seed)
    rows = [
        {view.entity: name, "event_timestamp": START + hour * HOUR, "created_timestamp": START + hour * HOUR + lag}
        | {feature.name: _value(rng, feature.dtype) for feature in view.features}
        for name in entities
        for hour in hours
    ]
    return pl.DataFrame(rows, schema=make_schema(view))


def as_bits(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with floats as their bit patterns: what equality of two frames should mean."""
    floats = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    return frame.with_columns(
        pl.Series(name, [_pattern(value) for value in frame[name]], dtype=pl.String) for name in floats
    )


def _pattern(value: float | None) -> str | None:
    return None if value is None else struct.pack(">d", value).hex()


def _value(rng: random.Random, dtype: str) -> float | int | str | None:
    if dtype == "int64":
        return rng.randrange(-(2**63), 2**63)
    if dtype == "string":
        return rng.choice(["BTC", "ETH", "Ω"])
    if rng.random() < 0.2:
        return rng.choice(SPECIAL)
    return rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300)
