"""Which transform computes which view, and the inputs that it gets.

A transform is a function of one `Inputs`. The functions below pick what each view needs; the maths is in the modules
beside this one. A chunk is computed whole or continued by some hours: a transform reads what its windows need, returns
the rows later than `Inputs.after`, and these have the bits that the whole chunk would give them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import polars as pl

from feature_repo.catalog import (
    ASSET_BOOKS,
    ASSET_CROSS_SECTION,
    ASSET_EXPOSURES,
    ASSET_HOURLY,
    ASSET_LAGS,
    ASSET_MICROSTRUCTURE,
    ASSET_RISK_BUCKETS,
    ASSET_UNIVERSE,
    ASSET_VWAP_DISTANCE,
    CREATED_TIME,
    EVENT_TIME,
    FACTOR_RETURNS,
    PAIR_BOOKS,
    PAIR_HOURLY,
    PAIR_OUTCOMES,
    PAIR_SPREADS,
    VIEWS,
    View,
)
from feature_repo.raw_datasets import DATASETS, INSTANT, instant
from feature_repo.transforms import cross_section, lags
from feature_repo.transforms.asset_books import compute_asset_books, compute_asset_universe
from feature_repo.transforms.assets import FUNDING_REACH, INFLOW_REACH, compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours, prefer_bars, select_bars
from feature_repo.transforms.chunk_memory import TICK, ChunkMemory, append
from feature_repo.transforms.cross_section import compute_cross_section
from feature_repo.transforms.dead import find_dead_hours, find_dead_minutes
from feature_repo.transforms.early_hours import HOURS
from feature_repo.transforms.exposures import compute_asset_exposures, compute_risk_buckets
from feature_repo.transforms.factor_returns import compute_hourly_factors
from feature_repo.transforms.grid import EVENT
from feature_repo.transforms.hours import summarise_hours
from feature_repo.transforms.lags import compute_asset_lags
from feature_repo.transforms.microstructure import INTERVAL_MAX_AGE, OPEN_INTEREST_MAX_AGE, compute_microstructure
from feature_repo.transforms.pair_books import compute_pair_books, has_close
from feature_repo.transforms.pair_outcomes import compute_pair_outcomes
from feature_repo.transforms.pair_spreads import compute_pair_spreads
from feature_repo.transforms.pairs import compute_pair_hourly
from feature_repo.transforms.risk_panel import RiskPanel, build_risk_panel
from feature_repo.transforms.vwap_distance import compute_vwap_distance, has_bar_close
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, MINUTE
from pairity.universe import Pair

ReadRaw = Callable[[str, datetime, datetime], pl.LazyFrame]
"""Reader of raw rows: (dataset, since, until) → rows with since <= time < until, the newest version of each.

Rows have the columns of the dataset and `asset`; they are sorted by asset and time.
"""

MAX_REACH = timedelta(days=4)
"""Longest reach before a chunk's start for a value that lasts (a settlement, a sample)."""


class NewAssetError(Exception):
    """An asset appears that the chunk so far does not have: the chunk has to be computed anew."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of one chunk: everything that is complete in [start, end].

    `end` is a full hour. `month` is the first instant of the month that the chunk computes; `start` lies a lookback
    before it. Rows up to `after` are computed already and lie in `memory`; None is for a whole chunk. NewAssetError
    where minutes after `after` are of an asset that had none before.
    """

    read: ReadRaw
    memory: ChunkMemory
    settings: Settings
    start: datetime
    month: datetime
    end: datetime
    after: datetime | None = None
    pairs: Sequence[Pair] | None = None
    """The pairs to compute; None: all of the settings."""
    renewed: set[str] = field(default_factory=set)
    """Datasets whose rows in `memory` are up to date; the others are read when they are asked for."""
    summaries: pl.DataFrame | None = None
    """Statistics of the new hours where they were computed elsewhere; None: they are computed here."""

    def raw(self, name: str, *, reach: timedelta = timedelta(0)) -> pl.LazyFrame:
        """Return the rows of a raw dataset from start − `reach` on that were complete at `end`; no rows without any.

        A row labelled with the very instant of `end` that is complete at once (a settlement) is part of it. Of a
        dataset of minutes only the rows that were not complete at `after` are returned, with two minutes before them.
        ValueError for a reach beyond `MAX_REACH`: a change of older rows would not make the month due again.
        """
        if not timedelta(0) <= reach <= MAX_REACH:
            raise ValueError(f"reach {reach} is not between 0 and {MAX_REACH}")
        kind = DATASETS[name]
        until = self.end - kind.known_after + TICK
        if kind.every == MINUTE:
            return self.read(name, self.start if self.after is None else self.after - _MINUTES_BEFORE, until)
        if name not in self.renewed:
            lasts = kind.every is None or kind.every > HOUR
            anchor = self.start - MAX_REACH if lasts else self.start
            since = anchor if self.after is None else self.after - kind.known_after + TICK
            self.memory.raw[name] = append(self.memory.raw.get(name), self.read(name, since, until).collect())
            self.renewed.add(name)
        rows = self.memory.raw[name].lazy().filter(pl.col(kind.time) >= instant(self.start - reach))
        return rows if self.after is None else rows.sort("asset", kind.time)

    def view(self, name: str, *, reach: timedelta | None = None) -> pl.LazyFrame:
        """Return the accepted rows of a view that was computed before: from the chunk's start, or `reach` before.

        `reach` counts back from `after`, and from the chunk's start where that is None. Sorted by entity and time.
        """
        rows = self.memory.views[name].lazy()
        if self.after is None:
            return rows
        if reach is not None:
            rows = rows.filter(pl.col(EVENT) > instant(self.after - reach))
        return rows.sort(VIEWS[name].entity, EVENT)

    def long_hours(self) -> pl.LazyFrame:
        """Return the columns `HOURS` of the accepted hours since `LONG_LOOKBACK` before the month, in no order."""
        early = self.memory.early
        assert early is not None
        return pl.concat([early.hours.lazy(), self.memory.views[ASSET_HOURLY.name].lazy().select(HOURS)])

    def long_funding(self) -> pl.LazyFrame:
        """Return the settlements since four days before `long_hours`, in no order."""
        early = self.memory.early
        assert early is not None
        return pl.concat([early.funding.lazy(), self.raw("funding", reach=MAX_REACH)])

    @cached_property
    def hours(self) -> pl.LazyFrame:
        """Statistics of the hours that are new (see `summarise_hours`)."""
        if self.summaries is not None:
            return self.summaries.lazy()
        rows = summarise_hours(self._minutes.lazy())
        return (rows if self.after is None else rows.filter(pl.col(EVENT) > instant(self.after))).collect().lazy()

    def bars(self, *, reach: timedelta) -> pl.LazyFrame:
        """Hourly bars (`bars.COLUMNS`) of the new hours, and of `reach` before them; sorted by asset and time.

        Of minutes; else the venue's own hours; else, where there is no candle at all, made of trades.
        """
        before, new = self._bars
        if before is None or self.after is None:
            return new.lazy()
        recent = before.lazy().filter(pl.col(EVENT) > instant(self.after - reach))
        return pl.concat([recent, new.lazy()]).sort("asset", EVENT)

    @cached_property
    def dead(self) -> pl.DataFrame:
        """Hours of dead contracts (see `find_dead_hours`): the new ones, and that which closed at `after`."""
        limit = self.settings.features.dead_after_hours
        return find_dead_hours(self.bars(reach=(limit + 2) * HOUR), limit)

    @cached_property
    def _bars(self) -> tuple[pl.DataFrame | None, pl.DataFrame]:
        """Bars of the hours that were computed before, None without any, and those of the new hours."""
        native = adopt_native_hours(self.raw("candles_1h"))
        if self.after is not None:
            native = native.filter(pl.col(EVENT) > instant(self.after))
        of_candles = prefer_bars(select_bars(self.hours), native)
        traded = self._traded_bars
        new = (of_candles if traded is None else prefer_bars(of_candles, traded)).collect()
        before, self.memory.bars = self.memory.bars, append(self.memory.bars, new)
        return before, new

    @cached_property
    def _traded_bars(self) -> pl.LazyFrame | None:
        """Bars of the new hours that are made of trades; None where none were collected, which costs nothing."""
        trades = self.raw("trade_bars_1m")
        if self.memory.raw["trade_bars_1m"].is_empty():
            return None
        new = trades if self.after is None else trades.filter(pl.col("open_time") >= instant(self.after))
        return select_bars(summarise_hours(new))

    @cached_property
    def risk(self) -> RiskPanel | None:
        """The panel behind the risk factors up to `end`; None without minutes."""
        settings = self.settings.features
        if self.after is None:
            dead = find_dead_minutes(self._minutes, self.dead)
            risk = build_risk_panel(self._minutes, self.start, self.end, settings, dead)
        else:
            new = self._minutes.filter(pl.col("open_time") >= instant(self.after))
            before = self.memory.risk
            dead = find_dead_minutes(new, self.dead)
            risk = None if before is None else before.extended(new, self.end, settings, dead)
            if risk is None and new.height:
                raise NewAssetError
        self.memory.risk = risk
        return risk

    @cached_property
    def _minutes(self) -> pl.DataFrame:
        return self.raw("candles_1m").collect()


_TYPES = {"float64": pl.Float64(), "int64": pl.Int64(), "string": pl.String()}
# The first return of an hour needs the minute before it, and the first pair of price changes the one before that.
_MINUTES_BEFORE = 2 * MINUTE
Transform = Callable[[Inputs], pl.LazyFrame]


def _asset_hourly(inputs: Inputs) -> pl.LazyFrame:
    own = inputs.settings.features
    longest = max(own.volatility_window_bars, own.atr_period_bars, own.dead_after_hours)
    bars = inputs.bars(reach=(longest + 2) * HOUR)
    funding, inflow = inputs.raw("funding", reach=FUNDING_REACH), inputs.raw("inflow", reach=INFLOW_REACH)
    return compute_asset_hourly(bars, funding, own, inflow, after=inputs.after)


def _asset_vwap_distance(inputs: Inputs) -> pl.LazyFrame:
    own, start = inputs.settings.vwap, inputs.start
    if inputs.after is not None:
        if not has_bar_close(inputs.after, inputs.end, own):
            return _nothing(ASSET_VWAP_DISTANCE)
        start = max(start, inputs.after - own.reach_hours * HOUR)
    hours = inputs.view(ASSET_HOURLY.name).filter(pl.col(EVENT) > instant(start))
    return compute_vwap_distance(hours, start, inputs.end, own, after=inputs.after, dead=inputs.dead)


def _pair_hourly(inputs: Inputs) -> pl.LazyFrame:
    universe, own = inputs.settings.universe, inputs.settings.features
    # All hours since the chunk's start: the strength index and the count of common bars remember them. Nothing is
    # computed from pairs, so that their rows before the month are of no use.
    bars = inputs.view(ASSET_HOURLY.name)
    pairs = universe.pairs if inputs.pairs is None else inputs.pairs
    return compute_pair_hourly(bars, pairs, own, universe.min_aligned_bars, after=inputs.after or inputs.month)


def _asset_microstructure(inputs: Inputs) -> pl.LazyFrame:
    return compute_microstructure(
        inputs.view(ASSET_HOURLY.name, reach=timedelta(0)),
        inputs.hours,
        inputs.raw("funding", reach=2 * INTERVAL_MAX_AGE),
        inputs.raw("index_1h"),
        inputs.raw("open_interest", reach=DAY + OPEN_INTEREST_MAX_AGE),
        (inputs.raw("trade_bars_1m"), inputs.raw("taker_volume_1h")),
        inputs.raw("book_tops"),
        inputs.raw("liquidations"),
        after=inputs.after,
    )


def _asset_cross_section(inputs: Inputs) -> pl.LazyFrame:
    bars, micro = (inputs.view(view.name, reach=cross_section.REACH) for view in (ASSET_HOURLY, ASSET_MICROSTRUCTURE))
    return compute_cross_section(bars, micro, after=inputs.after)


def _asset_risk_buckets(inputs: Inputs) -> pl.LazyFrame:
    if inputs.risk is None:
        return _nothing(ASSET_RISK_BUCKETS)
    return compute_risk_buckets(inputs.risk, after=inputs.after).lazy()


def _asset_exposures(inputs: Inputs) -> pl.LazyFrame:
    if inputs.risk is None:
        return _nothing(ASSET_EXPOSURES)
    return compute_asset_exposures(inputs.risk, inputs.settings.features, after=inputs.after).lazy()


def _factor_returns(inputs: Inputs) -> pl.LazyFrame:
    if inputs.risk is None:
        return _nothing(FACTOR_RETURNS)
    return compute_hourly_factors(inputs.risk, inputs.settings.features.venue, after=inputs.after).lazy()


def _asset_lags(inputs: Inputs) -> pl.LazyFrame:
    return compute_asset_lags(inputs.view(ASSET_HOURLY.name, reach=lags.REACH), after=inputs.after)


def _asset_books(inputs: Inputs) -> pl.LazyFrame:
    return compute_asset_books(inputs.long_hours(), inputs.long_funding(), after=inputs.after or inputs.month)


def _asset_universe(inputs: Inputs) -> pl.LazyFrame:
    rows = inputs.view(ASSET_BOOKS.name, reach=timedelta(0))
    return compute_asset_universe(rows, after=inputs.after or inputs.month)


def _pair_books(inputs: Inputs) -> pl.LazyFrame:
    after = inputs.after or inputs.month
    if not has_close(after, inputs.end):
        return _nothing(PAIR_BOOKS)
    pairs = inputs.settings.universe.pairs if inputs.pairs is None else inputs.pairs
    return compute_pair_books(inputs.long_hours(), pairs, after=after)


def _pair_spreads(inputs: Inputs) -> pl.LazyFrame:
    after = inputs.after or inputs.month
    if not has_close(after, inputs.end):
        return _nothing(PAIR_SPREADS)
    pairs = inputs.settings.universe.pairs if inputs.pairs is None else inputs.pairs
    return compute_pair_spreads(inputs.long_hours(), pairs, after=after)


def _pair_outcomes(inputs: Inputs) -> pl.LazyFrame:
    after = inputs.after or inputs.month
    if not has_close(after, inputs.end):
        return _nothing(PAIR_OUTCOMES)
    pairs = inputs.settings.universe.pairs if inputs.pairs is None else inputs.pairs
    return compute_pair_outcomes(inputs.long_hours(), inputs.long_funding(), pairs, after=after)


def _nothing(view: View) -> pl.LazyFrame:
    features = {feature.name: _TYPES[feature.dtype] for feature in view.features}
    return pl.LazyFrame(schema={view.entity: pl.String(), EVENT_TIME: INSTANT, CREATED_TIME: INSTANT, **features})


TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        ASSET_HOURLY.name: _asset_hourly,
        ASSET_MICROSTRUCTURE.name: _asset_microstructure,
        ASSET_CROSS_SECTION.name: _asset_cross_section,
        ASSET_LAGS.name: _asset_lags,
        ASSET_RISK_BUCKETS.name: _asset_risk_buckets,
        ASSET_EXPOSURES.name: _asset_exposures,
        FACTOR_RETURNS.name: _factor_returns,
        ASSET_VWAP_DISTANCE.name: _asset_vwap_distance,
        ASSET_BOOKS.name: _asset_books,
        ASSET_UNIVERSE.name: _asset_universe,
        PAIR_HOURLY.name: _pair_hourly,
        PAIR_BOOKS.name: _pair_books,
        PAIR_SPREADS.name: _pair_spreads,
        PAIR_OUTCOMES.name: _pair_outcomes,
    }
)
"""Transform of each view: returns exactly the columns of the catalogue, sorted by entity and time."""

CARRIED: Mapping[str, Literal["each", "all"]] = MappingProxyType(
    {
        ASSET_HOURLY.name: "each",
        ASSET_MICROSTRUCTURE.name: "each",
        ASSET_CROSS_SECTION.name: "all",
        ASSET_VWAP_DISTANCE.name: "all",
        ASSET_UNIVERSE.name: "all",
    }
)
"""Views of which a row is known no earlier than any row before it since the chunk's start: of its entity, or of all.

The views of the risk factors see to that themselves: their panel remembers when its minutes were known. So does
`asset_books`, which has all its hours each time.
"""
