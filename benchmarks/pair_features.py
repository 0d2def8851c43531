"""A year of pair features against a loop over pairs in pandas, which computes them in the obvious way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.case import Case
from feature_repo.catalog import PAIR_HOURLY
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.pairs import compute_pair_hourly
from pairity.settings import FeatureSettings
from pairity.universe import DEFAULT_UNIVERSE, pairs_of

HOURS = 365 * 24
START = datetime(2024, 12, 15, tzinfo=UTC)


def make_bars() -> pl.DataFrame:
    generator = np.random.default_rng(0)
    frames = []
    for asset in DEFAULT_UNIVERSE:
        close = 100 * np.exp(np.cumsum(generator.normal(0, 0.005, HOURS)))
        spread = np.abs(generator.normal(0, 0.002, HOURS)) * close
        time = [START + timedelta(hours=h + 1) for h in range(HOURS)]
        columns = {
            "asset": asset,
            "event_timestamp": time,
            "open": close,
            "high": close + spread,
            "low": close - spread,
            "close": close,
            "volume_base": np.full(HOURS, 10.0),
            "volume_quote": close * generator.uniform(5, 15, HOURS),
            "minutes_observed": 60,
            "known_at": [t + timedelta(milliseconds=1) for t in time],
        }
        types = {name: pl.Datetime("us", "UTC") for name in ("event_timestamp", "known_at")}
        frames.append(pl.DataFrame(columns, schema_overrides={**types, "minutes_observed": pl.Int64}))
    return pl.concat(frames)


def make_samples(column: str, value: str, every: timedelta, known_after: timedelta) -> pl.DataFrame:
    """Return one number per asset and step of time: funding settlements, or daily inflow."""
    generator = np.random.default_rng(1)
    times = [START - timedelta(days=2) + step * every for step in range((HOURS + 48) // (every // timedelta(hours=1)))]
    frames = [
        pl.DataFrame(
            {
                "asset": asset,
                column: times,
                value: generator.uniform(1e-5, 1e-4, len(times)),
                "known_at": [time + known_after + timedelta(milliseconds=1) for time in times],
            }
        )
        for asset in DEFAULT_UNIVERSE
    ]
    return pl.concat(frames).with_columns(pl.col(column, "known_at").cast(pl.Datetime("us", "UTC")))


def make_funding() -> pl.DataFrame:
    return make_samples("funding_time", "funding_rate", timedelta(hours=8), timedelta(0))


def make_inflow() -> pl.DataFrame:
    return make_samples("time", "inflow", timedelta(days=1), timedelta(days=1))


def cases(_scratch: Path) -> Iterator[Case]:
    settings, pairs, observed = FeatureSettings(), pairs_of(DEFAULT_UNIVERSE), make_bars()
    funding, inflow = make_funding(), make_inflow()

    def ours() -> pl.DataFrame:
        assets = compute_asset_hourly(observed.lazy(), funding.lazy(), settings, inflow.lazy()).collect()
        return compute_pair_hourly(assets.lazy(), pairs, settings, 200).collect()

    wide = {asset: compute_asset(asset, observed, funding, inflow) for asset in DEFAULT_UNIVERSE}

    def theirs() -> pd.DataFrame:
        return pd.concat([compute_pair(wide[p.base], wide[p.quote]).assign(pair_id=p.pair_id) for p in pairs])

    def check() -> None:
        both = ours()
        for pair in (pairs[0], pairs[-1]):
            mine = both.filter(pl.col("pair_id") == pair.pair_id).to_pandas().set_index("event_timestamp")
            other = compute_pair(wide[pair.base], wide[pair.quote]).iloc[199:]
            assert list(mine.index) == list(other.index)
            numbers = {feature.name for feature in PAIR_HOURLY.features if feature.dtype == "float64"}
            assert set(other) == numbers, set(other) ^ numbers
            for name in other:
                np.testing.assert_allclose(mine[name], other[name], rtol=1e-6, atol=1e-9, err_msg=name)

    peer = f"pandas {pd.__version__}, pair by pair"
    name = f"pair features, {len(pairs)} pairs × {HOURS:,} hours (polars {pl.__version__}, numba {version('numba')})"
    yield Case(name=name, ours=ours, peer=peer, theirs=theirs, check=check)


def compute_asset(asset: str, observed: pl.DataFrame, funding: pl.DataFrame, inflow: pl.DataFrame) -> pd.DataFrame:
    """Return the bars of one asset with the funding and inflow known at each close; not timed."""
    rows, rates, flows = (frame.filter(pl.col("asset") == asset).to_pandas() for frame in (observed, funding, inflow))
    rows = rows.set_index("event_timestamp")
    settled = rates.set_index("funding_time")["funding_rate"]
    known = flows.set_index(flows["time"] + pd.Timedelta("1D"))["inflow"]
    rows["funding"] = settled.reindex(rows.index, method="ffill", tolerance=pd.Timedelta("1D"))
    hours = rates["funding_time"].diff().dt.total_seconds() / 3600
    per_hour = (rates["funding_rate"] / hours).set_axis(settled.index)
    rows["funding_per_hour"] = per_hour.reindex(rows.index, method="ffill", tolerance=pd.Timedelta("1D"))
    rows["inflow"] = known.reindex(rows.index, method="ffill", tolerance=pd.Timedelta("2D"))
    return rows


def compute_pair(a: pd.DataFrame, b: pd.DataFrame, *, by_sums: bool = False) -> pd.DataFrame:
    """Compute one pair's features. ATR is the mean of true ranges, not ta's, which smooths as Wilder does.

    `by_sums`: the half-life by rolling moments of the legs instead of two fits per window.
    """
    spread = a["close"] / b["close"]
    ratio = a["volume_quote"] / b["volume_quote"]
    log_a, log_b = np.log(a["close"]), np.log(b["close"])
    return_a, return_b = a["close"].pct_change(), b["close"].pct_change()
    vol_a, vol_b = return_a.rolling(24).std(), return_b.rolling(24).std()
    atr_a, atr_b = (_compute_true_range(side).rolling(14).mean() for side in (a, b))
    slope = log_a.rolling(168).cov(log_b) / log_b.rolling(168).var()
    if by_sums:
        half_life = _roll_half_life(log_a, log_b, slope)
    else:
        windows = range(168, len(a) + 1)
        fits = [_fit_half_life(*(log.iloc[end - 168 : end].to_numpy() for log in (log_a, log_b))) for end in windows]
        half_life = pd.Series(fits, index=a.index[167:])
    return pd.DataFrame(
        {
            "spread": spread,
            "z_score": (spread - spread.rolling(24).mean()) / spread.rolling(24).std(),
            "spread_rsi": _strength_index(spread, 14),
            "spread_roc": 100 * spread.pct_change(5),
            "spread_change_1h": spread.pct_change(),
            "vol_ratio": ratio,
            "vol_ratio_rel": ratio / ratio.rolling(12).mean(),
            "vol_diff_ratio": vol_a / vol_b,
            "realized_vol_base": vol_a,
            "realized_vol_quote": vol_b,
            "realized_vol_avg": (vol_a + vol_b) / 2,
            "atr_base": atr_a,
            "atr_quote": atr_b,
            "atr_pct_base": atr_a / a["close"],
            "atr_pct_quote": atr_b / b["close"],
            "atr_pct_avg": (atr_a / a["close"] + atr_b / b["close"]) / 2,
            "base_funding": a["funding"],
            "quote_funding": b["funding"],
            "funding_diff": a["funding_per_hour"] - b["funding_per_hour"],
            "funding_avg": (a["funding_per_hour"] + b["funding_per_hour"]) / 2,
            "base_inflow": a["inflow"],
            "quote_inflow": b["inflow"],
            "inflow_ratio": a["inflow"] / b["inflow"],
            "correlation_168h": return_a.rolling(168).corr(return_b),
            "hedge_ratio": slope,
            "half_life_h": half_life,
        }
    )


def _strength_index(prices: pd.Series, period: int) -> pd.Series:
    """Wilder's index from the first change on, as the usual library has it."""
    change = prices.diff()
    up, down = (
        part.ewm(alpha=1 / period, adjust=False, min_periods=period).mean()
        for part in (change.clip(lower=0), -change.clip(upper=0))
    )
    return 100 - 100 / (1 + up / down)


def _compute_true_range(side: pd.DataFrame) -> pd.Series:
    before = side["close"].shift()
    ranges = [side["high"] - side["low"], (side["high"] - before).abs(), (side["low"] - before).abs()]
    return pd.concat(ranges, axis=1).max(axis=1, skipna=False)


def _roll_half_life(log_a: pd.Series, log_b: pd.Series, slope: pd.Series) -> pd.Series:
    """Return the half-life of the residual a − slope·b of each window: its moments are sums of those of the legs."""
    before_a, before_b, step_a, step_b = log_a.shift(), log_b.shift(), log_a.diff(), log_b.diff()

    def covary(one: pd.Series, other: pd.Series) -> pd.Series:
        return one.rolling(167).cov(other)

    crossed = covary(step_a, before_b) + covary(step_b, before_a)
    moved = covary(step_a, before_a) - slope * crossed + slope**2 * covary(step_b, before_b)
    spread = before_a.rolling(167).var() - 2 * slope * covary(before_a, before_b)
    phi = moved / (spread + slope**2 * before_b.rolling(167).var())
    return -np.log(2) / np.log1p(phi.where((phi > -1) & (phi < 0)))


def _fit_half_life(log_a: np.ndarray, log_b: np.ndarray) -> float:
    slope, constant = np.polyfit(log_b, log_a, 1)
    residual = log_a - slope * log_b - constant
    phi = np.polyfit(residual[:-1], np.diff(residual), 1)[0]
    return -np.log(2) / np.log1p(phi) if -1 < phi < 0 else np.nan
