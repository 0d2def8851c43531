"""Hourly features of a pair: a = base asset, b = quote asset, spread = close_a / close_b.

Formulas: docs/formulas.md, Pair features. The assets' columns lie side by side as one array of assets × hours from the
chunk's start on, and pairs are computed from it in one pass: what two assets share is never copied for each pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import PAIR_HOURLY
from feature_repo.knowledge_time import inputs_known_at
from feature_repo.raw_datasets import INSTANT
from feature_repo.transforms.division import divide
from feature_repo.transforms.grid import EVENT
from feature_repo.transforms.window_kernels import PAIR_STATISTICS, all_pair_statistics
from feature_repo.transforms.windows import MIN_SHARE, ROUNDING, Floats
from pairity.settings import FeatureSettings
from pairity.timeline import HOUR
from pairity.universe import Pair

Ints = NDArray[np.int64]
_SERIES = ("close", "log_close", "volume_quote", "return_1h")
"""What windows are computed from, in the order in which the kernel takes it."""
_AVERAGED = ("realized_vol_24h", "atr_14", "atr_pct", "funding_rate", "inflow")
_TAKEN = ("close", "volume_quote", "return_1h", *_AVERAGED)
_TYPES = {"float64": pl.Float64(), "int64": pl.Int64(), "string": pl.String()}
_SCHEMA = pl.Schema(
    {
        "pair_id": pl.String(),
        EVENT: INSTANT,
        "created_timestamp": INSTANT,
        **{feature.name: _TYPES[feature.dtype] for feature in PAIR_HOURLY.features},
    }
)


def compute_pair_hourly(
    assets: pl.LazyFrame,
    pairs: Sequence[Pair],
    settings: FeatureSettings,
    min_aligned_bars: int,
    *,
    after: datetime | None = None,
) -> pl.LazyFrame:
    """Return the columns of `catalog.PAIR_HOURLY`: one row per pair and hour that both assets have, sorted by both.

    `assets`: rows of `catalog.ASSET_HOURLY` since the chunk's start. A pair has rows once it has `min_aligned_bars`
    common hours since then, this one included; only rows later than `after` are returned. `event_timestamp` is the
    close of the hour, `created_timestamp` the later of both assets'. Units and null policies: the catalogue; nothing is
    carried forward.
    """
    compute = partial(_compute, pairs=pairs, settings=settings, least=min_aligned_bars, after=after)
    return assets.select("asset", EVENT, "created_timestamp", *_TAKEN).map_batches(
        compute, schema=_SCHEMA, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )


def count_aligned_bars(assets: pl.LazyFrame, pairs: Sequence[Pair]) -> pl.DataFrame:
    """Return pair_id and aligned_bars: hours that both assets of a pair have (0 where none), in order of `pairs`."""
    hours = assets.select("asset", EVENT)
    listed = pl.LazyFrame(
        [(pair.pair_id, pair.base, pair.quote) for pair in pairs],
        schema={"pair_id": pl.String, "asset": pl.String, "quote_asset": pl.String},
        orient="row",
    )
    common = listed.join(hours, on="asset").join(
        hours, left_on=["quote_asset", EVENT], right_on=["asset", EVENT], how="semi"
    )
    counts = common.group_by("pair_id").agg(pl.len().cast(pl.Int64).alias("aligned_bars"))
    joined = listed.select("pair_id").join(counts, on="pair_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col("aligned_bars").fill_null(0)).collect()


def _compute(
    rows: pl.DataFrame, pairs: Sequence[Pair], settings: FeatureSettings, least: int, after: datetime | None
) -> pl.DataFrame:
    names = rows["asset"].unique().sort().to_list()
    place = {name: number for number, name in enumerate(names)}
    known = [pair for pair in sorted(pairs, key=lambda pair: pair.pair_id) if {*pair.assets} <= place.keys()]
    if not known:
        return _SCHEMA.to_frame()
    first = rows[EVENT].min()
    assert isinstance(first, datetime)
    at = (rows[EVENT] - first).dt.total_hours().to_numpy()
    of = rows["asset"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    # The row of each asset and hour, −1 where there is none.
    row_of = np.full((len(names), int(at.max()) + 1), -1, dtype=np.int64)
    row_of[of, at] = np.arange(rows.height)
    begin = 0 if after is None else max(0, (after - first) // HOUR + 1)
    legs = np.array([(place[pair.base], place[pair.quote]) for pair in known], dtype=np.int64)
    keys, values = _all_statistics(_series(rows, of, at, row_of.shape), row_of >= 0, legs, settings, begin, least)
    if not len(keys):
        return _SCHEMA.to_frame()
    number, hour = keys[:, 0], keys[:, 1]
    sides = [_side(rows, row_of[legs[number, side], hour], suffix) for side, suffix in enumerate("ab")]
    ids = pl.Series("pair_id", [pair.pair_id for pair in known], dtype=pl.String).gather(number)
    computed = {name: pl.Series(values[:, column]).fill_nan(None) for column, name in enumerate(PAIR_STATISTICS)}
    together = pl.concat([pl.DataFrame({"pair_id": ids, **computed}), *sides], how="horizontal")
    created = inputs_known_at("created_a", "created_b").alias("created_timestamp")
    return together.with_columns(created, *_averages()).select(PAIR_HOURLY.columns)


def _series(rows: pl.DataFrame, of: Ints, at: Ints, shape: tuple[int, int]) -> Floats:
    """Return assets × `_SERIES` × hours, NaN where missing."""
    # Polars' logarithm, once per asset: numpy's may differ in the last bit from one processor to the next.
    with_logarithm = rows.with_columns(pl.col("close").log().alias("log_close"))
    out = np.full((shape[0], len(_SERIES), shape[1]), np.nan)
    for number, name in enumerate(_SERIES):
        out[of, number, at] = with_logarithm[name].fill_null(np.nan).to_numpy()
    return out


def _all_statistics(
    series: Floats, present: NDArray[np.bool_], legs: Ints, settings: FeatureSettings, begin: int, least: int
) -> tuple[Ints, Floats]:
    """Return `window_kernels.all_pair_statistics` of all pairs, computed in as many threads as Polars has."""
    of_both = (settings.volume_mean_bars, settings.correlation_window_bars, settings.hedge_window_bars)
    windows = np.array([settings.z_window_bars, settings.rsi_period_bars, settings.roc_bars, *of_both], dtype=np.int64)
    full, *partial_ = of_both
    needed = np.array([full, *(math.ceil(MIN_SHARE * window) for window in partial_)], dtype=np.int64)

    def some(first: int) -> tuple[Ints, Floats]:
        own = legs[first : first + size]
        keys, values = all_pair_statistics(series, present, own, windows, needed, ROUNDING, begin, least)
        keys[:, 0] += first
        return keys, values

    size = max(1, -(-len(legs) // max(1, pl.thread_pool_size())))
    if size >= len(legs):
        return some(0)
    # No pair sees another's values, so threads change no bit. The kernel releases the interpreter's lock.
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
        parts = list(threads.map(some, range(0, len(legs), size)))
    return np.concatenate([keys for keys, _ in parts]), np.concatenate([values for _, values in parts])


def _side(rows: pl.DataFrame, places: Ints, suffix: str) -> pl.DataFrame:
    """Return the rows of one leg at `places`, with names of that leg; the base's brings the hour."""
    leg = "base_asset" if suffix == "a" else "quote_asset"
    names = {"asset": leg, "created_timestamp": f"created_{suffix}"} | {name: f"{name}_{suffix}" for name in _AVERAGED}
    hour = [EVENT] if suffix == "a" else []
    return rows[places].select(*(pl.col(name).alias(new) for name, new in names.items()), *hour)


def _averages() -> list[pl.Expr]:
    def mean(name: str) -> pl.Expr:
        return divide(pl.col(f"{name}_a") + pl.col(f"{name}_b"), 2.0)

    return [
        pl.when(pl.col("realized_vol_24h_b") > 0)
        .then(pl.col("realized_vol_24h_a") / pl.col("realized_vol_24h_b"))
        .alias("vol_diff_ratio"),
        pl.col("realized_vol_24h_a").alias("realized_vol_base"),
        pl.col("realized_vol_24h_b").alias("realized_vol_quote"),
        mean("realized_vol_24h").alias("realized_vol_avg"),
        pl.col("atr_14_a").alias("atr_base"),
        pl.col("atr_14_b").alias("atr_quote"),
        pl.col("atr_pct_a").alias("atr_pct_base"),
        pl.col("atr_pct_b").alias("atr_pct_quote"),
        mean("atr_pct").alias("atr_pct_avg"),
        pl.col("funding_rate_a").alias("base_funding"),
        pl.col("funding_rate_b").alias("quote_funding"),
        (pl.col("funding_rate_a") - pl.col("funding_rate_b")).alias("funding_diff"),
        mean("funding_rate").alias("funding_avg"),
        pl.col("inflow_a").alias("base_inflow"),
        pl.col("inflow_b").alias("quote_inflow"),
        pl.when(pl.col("inflow_b") > 0).then(pl.col("inflow_a") / pl.col("inflow_b")).alias("inflow_ratio"),
    ]
