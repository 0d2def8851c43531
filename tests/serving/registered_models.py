"""A registry with small forests over made-up features, and situations to decide on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.catalog import EVENT_TIME, PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry import registry
from model_registry.records import ModelRef
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import AssetView, MarketView, StrategyState
from serving.decision import DecisionInputs
from tests.serving.trading import SPECS, T0
from tests.training.published import asset_rows, pair_rows
from training import tracking
from training.models import pair_forest
from training.run_records import RunRecord

ASSETS = ("BTC", "ETH", "SOL")
NOW = T0


def settings_in(home: Path, name: str = "pair_forest") -> Settings:
    """A small forest called `name`: tests may share a database and still have a registry of their own."""
    model = {"name": name, "n_estimators": 12, "min_samples_leaf": 5, "max_depth": 4}
    return Settings(home=home, universe={"assets": ASSETS}, model=model)


def history(settings: Settings, seed: int = 3) -> pl.DataFrame:
    """pair_id, event_timestamp and features of 80 hours of all pairs."""
    key = settings.universe.model_dump_json(), seed
    if key not in _histories:
        _histories[key] = pair_rows(settings, asset_rows(settings, 80, seed)).drop_nulls("z_score")
    return _histories[key]


_histories: dict[tuple[str, int], pl.DataFrame] = {}
_fits: dict[tuple[str, int], Any] = {}


def fit(settings: Settings, seed: int) -> Any:
    """The forest of labels that differ by `seed`: fitted once by a process, it is the same under every name."""
    key = settings.model.model_copy(update={"name": "pair_forest"}).model_dump_json(), seed
    if key not in _fits:
        rows = history(settings)
        rng = np.random.default_rng(seed)
        labels = (rows["z_score"].to_numpy() + rng.normal(0, 1.5, rows.height) > 0.5).astype(np.int64)
        matrix = build_model_matrix(rows, PAIR_FOREST_FEATURES)
        _fits[key] = pair_forest.fit_pipeline(matrix, labels, ASSETS, settings.model, fit_threads=1)
    return _fits[key]


def register(settings: Settings, seed: int, **tags: str) -> ModelRef:
    """Fit on labels that differ by `seed`, and register as challenger, gate not asked."""
    pipeline = fit(settings, seed)
    matrix = build_model_matrix(history(settings).head(3), PAIR_FOREST_FEATURES)
    layout = Layout.of(settings)
    files = layout.reports / f"seed{seed}"
    files.mkdir(parents=True, exist_ok=True)
    lineage = {
        "feature_service": PAIR_FOREST_FEATURES.name,
        "snapshot_id": "s",
        "code_revision": "c",
        "train_end": T0.isoformat(),
        "universe": ",".join(ASSETS),
    }
    lineage |= tags
    training_set = pl.DataFrame({"pair_id": ["BTC__ETH"] * 2, "label": [0, 1]})
    record = RunRecord(
        params={},
        metrics={},
        tags=lineage,
        training_set=training_set,
        training_digest="f" * 64,
        source=layout.features,
        artifacts=files,
    )
    with tracking.start_run(layout, record) as run_id:
        uri = tracking.log_forest(layout, pipeline, matrix)
    return registry.register(settings, run_id, uri, lineage)


def promote(settings: Settings, model: ModelRef) -> None:
    registry.promote(settings, model.version, "a test", NOW)


def seen_at(settings: Settings, hour: int, **changes: Any) -> DecisionInputs:
    """What could be seen at the close of one hour of `history`, from 0 on."""
    rows = history(settings)
    times = rows[EVENT_TIME].unique().sort()
    close = times[hour]
    assets = {
        asset: AssetView(asset=asset, close=100.0, atr=1.0, volatility=0.01, funding_rate=0.0, spec=SPECS.get(asset))
        for asset in ASSETS
    }
    market = MarketView(close + timedelta(seconds=30), close, assets, {})
    given = {"state": StrategyState(10_000.0), "withheld": {}} | changes
    return DecisionInputs(close, rows.filter(pl.col(EVENT_TIME) == close), market, **given)
