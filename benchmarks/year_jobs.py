"""Hourly microstructure and pair features by us and by peers, on the inputs of the group `data`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks import microstructure, pair_features
from benchmarks.isolated_process import Answer, Job
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.pairs import compute_pair_hourly
from pairity.digest import digest_bytes
from pairity.settings import FeatureSettings
from pairity.universe import DEFAULT_UNIVERSE, pairs_of

_WARM_UP = 200
_COLUMNS = (
    "z_score",
    "spread_rsi",
    "vol_ratio_rel",
    "realized_vol_avg",
    "atr_pct_avg",
    "funding_diff",
    "inflow_ratio",
    "correlation_168h",
    "hedge_ratio",
    "half_life_h",
)
"""Columns of pair features that are compared: those that are computed last, from all others."""
MINUTES = len(microstructure.ASSETS) * 43_920
"""Minutes of a month on average, over all assets."""


def prepare_minutes(folder: str, months: int) -> None:
    microstructure.write_minutes(Path(folder), months)


def summarise_ours(folder: str, months: int) -> Job:
    microstructure.compute_ours(Path(folder), 1)  # kernels are loaded before the clock starts, here and of the peer

    def job() -> Answer:
        hours = microstructure.compute_ours(Path(folder), months)
        return lambda: _leave_hours(folder, "summarise_ours", hours)

    return job


def summarise_with_duckdb(folder: str, months: int) -> Job:
    microstructure.compute_with_duckdb(Path(folder), months, month="01")

    def job() -> Answer:
        hours = microstructure.compute_with_duckdb(Path(folder), months)
        return lambda: _leave_hours(folder, "summarise_with_duckdb", hours)

    return job


def summarise_with_pandas(folder: str, months: int) -> Job:
    def job() -> Answer:
        hours = microstructure.compute_with_pandas(Path(folder), months)
        return lambda: _leave_hours(folder, "summarise_with_pandas", _flatten(hours))

    return job


def _flatten(hours: pd.DataFrame) -> pl.DataFrame:
    flat = hours.reset_index(names=["asset", "hour"])
    flat["event_timestamp"] = flat["hour"] + pd.Timedelta(hours=1)
    return pl.from_pandas(flat).with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC")))


def read_minutes(folder: str, months: int) -> Job:
    return lambda: str(microstructure.read_columns(Path(folder), months))


def _leave_hours(folder: str, name: str, hours: pl.DataFrame) -> str:
    """Leave what is compared: no first day of a month, which begins without the minute before it."""
    inner = hours.filter(pl.col("event_timestamp").dt.day() > 1).sort("asset", "event_timestamp")
    return leave(folder, name, inner.select(pl.col(microstructure.STATISTICS).cast(pl.Float64)).to_numpy())


def leave(folder: str, name: str, values: np.ndarray) -> str:
    """Write an answer where `compare_answers` looks for it, and return its digest."""
    np.save(Path(folder) / f"{name}.npy", values)
    return digest_bytes(np.ascontiguousarray(values).tobytes())


def prepare_bars(folder: str, assets: int) -> None:
    names = list(DEFAULT_UNIVERSE[:assets])
    made = {
        "bars": pair_features.make_bars(),
        "funding": pair_features.make_funding(),
        "inflow": pair_features.make_inflow(),
    }
    for name, frame in made.items():
        frame.filter(pl.col("asset").is_in(names)).write_parquet(Path(folder) / f"{name}.parquet")


def compute_pairs_ours(folder: str, assets: int) -> Job:
    bars, funding, inflow = _read_bars(folder)
    settings, pairs = FeatureSettings(), pairs_of(DEFAULT_UNIVERSE[:assets])

    def compute(observed: pl.DataFrame) -> pl.DataFrame:
        hours = compute_asset_hourly(observed.lazy(), funding.lazy(), settings, inflow.lazy()).collect()
        return compute_pair_hourly(hours.lazy(), pairs, settings, _WARM_UP).collect()

    compute(
        bars.group_by("asset", maintain_order=True).head(2 * _WARM_UP)
    )  # kernels are loaded before the clock starts

    def job() -> Answer:
        computed = compute(bars)
        return lambda: leave(
            folder, "compute_pairs_ours", computed.sort("pair_id", "event_timestamp").select(_COLUMNS).to_numpy()
        )

    return job


def compute_pairs_with_pandas(folder: str, assets: int) -> Job:
    """Make the job of pandas, pair by pair; what it needs of each instrument is made before the clock starts."""
    frames, pairs = _read_bars(folder), pairs_of(DEFAULT_UNIVERSE[:assets])
    wide = {asset: pair_features.compute_asset(asset, *frames) for asset in DEFAULT_UNIVERSE[:assets]}

    def job() -> Answer:
        computed = {pair.pair_id: pair_features.compute_pair(wide[pair.base], wide[pair.quote]) for pair in pairs}
        return lambda: _leave_pairs(folder, "compute_pairs_with_pandas", computed)

    return job


def compute_pairs_by_rolling_sums(folder: str, assets: int) -> Job:
    """Make the job of pandas without a loop over windows; what it needs of each instrument is made before, too."""
    frames, pairs = _read_bars(folder), pairs_of(DEFAULT_UNIVERSE[:assets])
    wide = {asset: pair_features.compute_asset(asset, *frames) for asset in DEFAULT_UNIVERSE[:assets]}

    def job() -> Answer:
        computed = {
            pair.pair_id: pair_features.compute_pair(wide[pair.base], wide[pair.quote], by_sums=True) for pair in pairs
        }
        return lambda: _leave_pairs(folder, "compute_pairs_by_rolling_sums", computed)

    return job


def _leave_pairs(folder: str, name: str, computed: Mapping[str, pd.DataFrame]) -> str:
    values = [computed[pair][list(_COLUMNS)].to_numpy()[_WARM_UP - 1 :] for pair in sorted(computed)]
    return leave(folder, name, np.vstack(values))


def _read_bars(folder: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    bars, funding, inflow = (Path(folder) / f"{name}.parquet" for name in ("bars", "funding", "inflow"))
    return pl.read_parquet(bars), pl.read_parquet(funding), pl.read_parquet(inflow)
