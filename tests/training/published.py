"""A data directory as ingestion leaves it: published features, contracts, funding and a snapshot id, all made up."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.catalog import (
    ASSET_BOOKS,
    ASSET_EXPOSURES,
    ASSET_HOURLY,
    ASSET_LAGS,
    ASSET_VWAP_DISTANCE,
    PAIR_BOOKS,
    PAIR_HOURLY,
    PAIR_SPREADS,
    VIEWS,
    find_service,
)
from feature_repo.contract_specs import write_contracts
from feature_repo.offline_files import publish, scan_view
from feature_repo.raw_datasets import find_dataset
from feature_repo.transforms.asset_books import compute_asset_books
from feature_repo.transforms.pair_books import compute_pair_books
from feature_repo.transforms.pair_spreads import compute_pair_spreads
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.universe import pairs_of
from tests.kept_homes import fill_home
from tests.training.generated import HOUR, START, hours, spec

UTC_US = pl.Datetime("us", "UTC")
KNOWN_LAG = timedelta(milliseconds=1)
SNAPSHOT = "5" * 64
TIMES = ("event_timestamp", "created_timestamp")


def settings_for(home, assets=("BTC", "ETH", "SOL"), horizon=12, **sections):
    return Settings(
        home=home,
        universe={"assets": assets},
        label={"horizon_bars": horizon, **sections.get("label", {})},
        model={"n_estimators": 8, "min_samples_leaf": 10, **sections.get("model", {})},
        strategy=sections.get("strategy", {}),
        trials={"folder": Path(home) / "trials"},  # counts of one test are not those of another
    )


def publish_all(settings, bars=260, seed=1):
    """Publish `bars` hours of both views, contracts, 8-hourly funding, and the snapshot id."""
    layout = Layout.of(settings)
    key = "all", settings.universe.model_dump_json(), bars, seed
    fill_home(layout.root, key, lambda: _publish_all(settings, layout, bars, seed))
    return layout


def _publish_all(settings, layout, bars, seed):
    assets = asset_rows(settings, bars, seed)
    publish(layout, ASSET_HOURLY, assets)
    publish(layout, PAIR_HOURLY, pair_rows(settings, assets))
    write_contracts(layout, [spec(asset, ct_val="0.01", lot="0.01") for asset in settings.universe.assets])
    for asset in settings.universe.assets:
        write_funding(layout, asset, bars)
    publish_books(layout, settings.universe.assets)
    (layout.features / "snapshot.json").write_text(json.dumps({"snapshot_id": SNAPSHOT}))


def publish_books(layout, assets):
    """Publish the rows of the views of books that follow from published bars and the lake's settlements."""
    paid = [
        pl.read_parquet(path).with_columns(asset=pl.lit(path.parts[-3].removeprefix("instrument=").split("-")[0]))
        for path in sorted(layout.lake.glob("funding/venue=okx/*/*/part.parquet"))
    ]
    columns = ["asset", *find_dataset("funding").schema]
    funding = pl.concat([find_dataset("funding").empty_of_assets(), *(rows.select(columns) for rows in paid)])
    hours = scan_view(layout, ASSET_HOURLY).select("asset", *TIMES, "close", "volume_base")
    publish(layout, ASSET_BOOKS, compute_asset_books(hours, funding.lazy(), after=START - HOUR).collect())
    publish(layout, PAIR_BOOKS, compute_pair_books(hours, pairs_of(assets), after=START - HOUR).collect())
    publish(layout, PAIR_SPREADS, compute_pair_spreads(hours, pairs_of(assets), after=START - HOUR).collect())


def publish_single_assets(settings, seed=2):
    """Lags as they follow from the published bars, made-up exposures, and a made-up rank for bars of four New York
    hours. Returns the rows of the three views by name."""
    rng = np.random.default_rng(seed)
    layout = Layout.of(settings)
    bars = scan_view(layout, ASSET_HOURLY).collect().select("asset", "event_timestamp", "close")
    returns = (pl.col("close") / pl.col("close").shift(1)).log().over("asset")
    lags = bars.with_columns(log_return=returns).with_columns(
        pl.col("log_return").shift(lag).over("asset").alias(f"log_return_lag_{lag}") for lag in range(1, 6)
    )
    exposures = bars.with_columns(
        pl.Series(name, rng.normal(size=bars.height)) for name in ASSET_EXPOSURES.feature_names if name[:3] == "s4_"
    )
    local = pl.col("event_timestamp").dt.convert_time_zone("America/New_York")
    ranks = bars.filter(local.dt.hour() % 4 == 0).with_columns(
        ranked_dist=pl.Series(rng.uniform(size=bars.filter(local.dt.hour() % 4 == 0).height)),
        hours_observed=4,
        assets_ranked=len(settings.universe.assets),
    )
    made = {}
    for view, rows in ((ASSET_LAGS, lags), (ASSET_EXPOSURES, exposures), (ASSET_VWAP_DISTANCE, ranks)):
        made[view.name] = finished(rows, view)
        publish(layout, view, made[view.name])
    return made


def asset_rows(settings, bars, seed):
    rng = np.random.default_rng(seed)
    market = np.cumsum(rng.normal(0, 0.004, bars))
    own = np.zeros(bars)
    frames = []
    for index, asset in enumerate(settings.universe.assets):
        shocks = rng.normal(0, 0.006, bars)
        for bar in range(1, bars):
            own[bar] = 0.9 * own[bar - 1] + shocks[bar]
        close = np.round(50.0 * (index + 1) * np.exp(market + own), 4)
        opened = np.concatenate([[close[0]], close[:-1]])
        spread = np.abs(rng.normal(0, 0.002, bars))
        frame = pl.DataFrame(
            {
                "asset": asset,
                "event_timestamp": hours(bars),
                "open": opened,
                "close": close,
                "high": np.maximum(opened, close) * (1 + spread),
                "low": np.minimum(opened, close) * (1 - spread),
                "volume_base": rng.uniform(10, 20, bars),
                "volume_quote": rng.uniform(1e4, 2e4, bars),
                "minutes_observed": 60,
                "atr_14": close * 0.01,
                "atr_pct": 0.01,
                "funding_rate": 0.0001,
                "funding_interval_h": 8.0,
            }
        )
        returns = pl.col("close") / pl.col("close").shift(1) - 1
        frames.append(
            frame.with_columns(return_1h=returns).with_columns(realized_vol_24h=pl.col("return_1h").rolling_std(24))
        )
    return finished(pl.concat(frames), ASSET_HOURLY)


def pair_rows(settings, assets):
    closes = {asset: assets.filter(pl.col("asset") == asset)["close"] for asset in settings.universe.assets}
    times = assets["event_timestamp"].unique().sort()
    frames = []
    for pair in settings.universe.pairs:
        spread = closes[pair.base] / closes[pair.quote]
        frame = pl.DataFrame({"event_timestamp": times, "spread": spread}).with_columns(
            pair_id=pl.lit(pair.pair_id),
            base_asset=pl.lit(pair.base),
            quote_asset=pl.lit(pair.quote),
            z_score=(pl.col("spread") - pl.col("spread").rolling_mean(24)) / pl.col("spread").rolling_std(24),
            spread_roc=100 * (pl.col("spread") / pl.col("spread").shift(5) - 1),
            correlation_168h=pl.lit(0.3),
            hedge_ratio=pl.lit(1.0),
            atr_pct_avg=pl.lit(0.01),
        )
        frames.append(frame)
    return finished(pl.concat(frames), PAIR_HOURLY)


def finished(frame, view):
    """Missing features as nulls, `created_timestamp` as at a first load of history, columns in the view's order."""
    missing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in view.feature_names if name not in frame.columns]
    return (
        frame.with_columns(pl.col("event_timestamp").cast(UTC_US), *missing)
        .with_columns(created_timestamp=pl.col("event_timestamp") + KNOWN_LAG)
        .with_columns(pl.col(f.name).cast(pl.Int64) for f in view.features if f.dtype == "int64")
        .select(view.columns)
    )


def write_funding(layout, asset, bars):
    times = [time for time in hours(bars) if time.hour % 8 == 0]
    path = layout.lake / f"funding/venue=okx/instrument={asset}-USDT-SWAP/month=2025-03/part.parquet"
    path.parent.mkdir(parents=True)
    frame = pl.DataFrame({"funding_time": times, "funding_rate": 0.0001}).with_columns(
        pl.col("funding_time").cast(UTC_US), known_at=pl.col("funding_time").cast(UTC_US) + KNOWN_LAG
    )
    frame.write_parquet(path)


def brute_join(settings):
    """A point-in-time join that asks, row by row, what was known: newest event of the last TTL, newest version."""
    layout, ttl = Layout.of(settings), settings.features.ttl

    def join(service_name, rows):
        chosen = find_service(service_name)
        view = VIEWS[chosen.view]
        stored = {}
        for row in scan_view(layout, view).collect().iter_rows(named=True):
            stored.setdefault(row[view.entity], {}).setdefault(row["event_timestamp"], []).append(row)
        lines = []
        for requested in rows.iter_rows(named=True):
            lines.append(
                {
                    **requested,
                    **_known(stored.get(requested[view.entity], {}), requested["event_timestamp"], ttl, chosen),
                }
            )
        types = {f.name: {"string": pl.String, "int64": pl.Int64}.get(f.dtype, pl.Float64) for f in view.features}
        return pl.DataFrame(lines, schema={**rows.schema, **{name: types[name] for name in chosen.features}})

    return join


def _known(history, at, ttl, chosen):
    newest = at.replace(minute=0, second=0, microsecond=0)
    for age in range(int(ttl / HOUR) + 2):
        event = newest - age * HOUR
        versions = [row for row in history.get(event, []) if row["created_timestamp"] <= at]
        if versions and at - event <= ttl:
            best = max(versions, key=lambda row: row["created_timestamp"])
            return {name: best[name] for name in chosen.features}
    return dict.fromkeys(chosen.features)


NOW = START + timedelta(days=365)
