"""Which transform computes which view, and the inputs that it gets.

A transform is a function of one `Inputs`. The functions below pick what each view needs; the maths is in the modules
beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import polars as pl

from feature_repo.catalog import (
    ASSET_CROSS_SECTION,
    ASSET_EXPOSURES,
    ASSET_HOURLY,
    ASSET_LAGS,
    ASSET_MICROSTRUCTURE,
    ASSET_RISK_BUCKETS,
    ASSET_VWAP_DISTANCE,
    PAIR_HOURLY,
)
from feature_repo.raw_datasets import find_dataset
from feature_repo.transforms.assets import FUNDING_MAX_AGE, INFLOW_REACH, compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours, build_hourly_bars, prefer_minutes
from feature_repo.transforms.cross_section import compute_cross_section
from feature_repo.transforms.exposures import compute_asset_exposures, compute_risk_buckets
from feature_repo.transforms.lags import compute_asset_lags
from feature_repo.transforms.microstructure import INTERVAL_MAX_AGE, OPEN_INTEREST_MAX_AGE, compute_microstructure
from feature_repo.transforms.pairs import compute_pair_hourly
from feature_repo.transforms.vwap_distance import compute_vwap_distance
from pairity.settings import Settings
from pairity.timeline import DAY

ReadRaw = Callable[[str, datetime, datetime], pl.LazyFrame]
"""Reader of raw rows: (dataset, since, until) → rows with since <= time < until, the newest version of each.

Rows have the columns of the dataset and `asset`; they are sorted by asset and time.
"""

MAX_REACH = timedelta(days=4)
"""Longest reach before a chunk's start for a value that lasts (a settlement, a sample)."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs of one chunk: everything that is complete in [start, end].

    `end` is a full hour. `month` is the first instant of the month that the chunk computes; `start` lies a lookback
    before it. `views` holds the views computed so far, from `start` on.
    """

    read: ReadRaw
    views: Mapping[str, pl.DataFrame]
    settings: Settings
    start: datetime
    month: datetime
    end: datetime

    def raw(self, name: str, *, reach: timedelta = timedelta(0)) -> pl.LazyFrame:
        """Return the rows of a raw dataset from start − `reach` on that were complete at `end`; no rows without any.

        A row labelled with the very instant of `end` that is complete at once (a settlement) is part of it. ValueError
        for a reach beyond `MAX_REACH`: a change of older rows would not make the month due again.
        """
        if not timedelta(0) <= reach <= MAX_REACH:
            raise ValueError(f"reach {reach} is not between 0 and {MAX_REACH}")
        return self.read(name, self.start - reach, self.end - find_dataset(name).known_after + _TICK)

    def view(self, name: str) -> pl.LazyFrame:
        """Return all rows of a view that was computed before, from the chunk's start on."""
        return self.views[name].lazy()


Transform = Callable[[Inputs], pl.LazyFrame]


def _asset_hourly(inputs: Inputs) -> pl.LazyFrame:
    bars = prefer_minutes(build_hourly_bars(inputs.raw("candles_1m")), adopt_native_hours(inputs.raw("candles_1h")))
    funding, inflow = inputs.raw("funding", reach=FUNDING_MAX_AGE), inputs.raw("inflow", reach=INFLOW_REACH)
    return compute_asset_hourly(bars, funding, inputs.settings.features, inflow)


def _asset_vwap_distance(inputs: Inputs) -> pl.LazyFrame:
    return compute_vwap_distance(inputs.view(ASSET_HOURLY.name), inputs.start, inputs.end, inputs.settings.vwap)


def _pair_hourly(inputs: Inputs) -> pl.LazyFrame:
    universe = inputs.settings.universe
    return compute_pair_hourly(
        inputs.view(ASSET_HOURLY.name), universe.pairs, inputs.settings.features, universe.min_aligned_bars
    )


def _asset_microstructure(inputs: Inputs) -> pl.LazyFrame:
    return compute_microstructure(
        inputs.view(ASSET_HOURLY.name),
        inputs.raw("candles_1m"),
        inputs.raw("funding", reach=2 * INTERVAL_MAX_AGE),
        inputs.raw("index_1h"),
        inputs.raw("open_interest", reach=DAY + OPEN_INTEREST_MAX_AGE),
        (inputs.raw("trade_bars_1m"), inputs.raw("taker_volume_1h")),
        inputs.raw("book_tops"),
        inputs.raw("liquidations"),
    )


def _asset_cross_section(inputs: Inputs) -> pl.LazyFrame:
    return compute_cross_section(inputs.view(ASSET_HOURLY.name), inputs.view(ASSET_MICROSTRUCTURE.name))


def _asset_risk_buckets(inputs: Inputs) -> pl.LazyFrame:
    return compute_risk_buckets(inputs.raw("candles_1m"), inputs.start, inputs.end, inputs.settings.features)


def _asset_exposures(inputs: Inputs) -> pl.LazyFrame:
    return compute_asset_exposures(inputs.raw("candles_1m"), inputs.start, inputs.end, inputs.settings.features)


def _asset_lags(inputs: Inputs) -> pl.LazyFrame:
    return compute_asset_lags(inputs.view(ASSET_HOURLY.name))


TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        ASSET_HOURLY.name: _asset_hourly,
        ASSET_MICROSTRUCTURE.name: _asset_microstructure,
        ASSET_CROSS_SECTION.name: _asset_cross_section,
        ASSET_LAGS.name: _asset_lags,
        ASSET_RISK_BUCKETS.name: _asset_risk_buckets,
        ASSET_EXPOSURES.name: _asset_exposures,
        ASSET_VWAP_DISTANCE.name: _asset_vwap_distance,
        PAIR_HOURLY.name: _pair_hourly,
    }
)
"""Transform of each view: returns exactly the columns of the catalogue, sorted by entity and time."""
