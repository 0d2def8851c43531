"""Fitted models of every family that can trade, over made-up features, in a registry of their own."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from feature_repo.catalog import EVENT_TIME, PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry import registry
from model_registry.records import FAMILY_TAG, REFERENCE_FAMILY, ModelRef
from model_registry.stored_families import STORED_FAMILIES
from pairity.layout import Layout
from pairity.settings import Settings
from tests.serving.registered_models import ASSETS, settings_in
from tests.serving.trading import T0
from tests.training.published import asset_rows, pair_rows
from training import tracking
from training.models.registrable import Registrable, fit_registrable
from training.run_records import RunRecord

FAMILIES = tuple(STORED_FAMILIES)
SCORERS = tuple(name for name, family in STORED_FAMILIES.items() if not family.is_forest)
LINEAGE = {
    "feature_service": PAIR_FOREST_FEATURES.name,
    "snapshot_id": "s",
    "code_revision": "c",
    "train_end": T0.isoformat(),
    "universe": ",".join(ASSETS),
}


def settings_of(home, family: str, name: str | None = None) -> Settings:
    settings = settings_in(home, name or f"of_{family}")
    model = settings.model.model_copy(update={"family": family})
    label = settings.label.model_copy(update={"horizon_bars": 2})  # as far as the labels below look ahead
    return settings.model_copy(update={"model": model, "label": label})


HOURS = 200


@lru_cache
def labelled(seed: int = 1) -> pl.DataFrame:
    """Rows of all pairs with labels that follow the z-score, and a feature that is missing now and then."""
    settings = settings_in("/nowhere")
    rows = pair_rows(settings, asset_rows(settings, HOURS, 3)).drop_nulls("z_score")
    noise = np.random.default_rng(seed).normal(0, 1.0, rows.height)
    labels = (rows["z_score"].to_numpy() + noise > 0.3).astype(np.int64)
    return rows.with_columns(
        label=pl.Series(labels),
        t0=pl.col(EVENT_TIME),
        t1=pl.col(EVENT_TIME) + timedelta(hours=2),
        half_life_h=pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col("half_life_h")),
    )


@lru_cache
def fitted(family: str, seed: int = 1) -> Registrable:
    settings = settings_of("/nowhere", family)
    return fit_registrable(labelled(seed), PAIR_FOREST_FEATURES, settings)


def log(settings: Settings, model: Registrable, files: dict[str, bytes] | None = None) -> tuple[str, str]:
    """Store a model (or other files) with a run; return the run and the model's URI."""
    layout = Layout.of(settings)
    artifacts = layout.reports / model.family
    artifacts.mkdir(parents=True, exist_ok=True)
    record = RunRecord(
        params={},
        metrics={},
        tags=LINEAGE,
        training_set=pl.DataFrame({"pair_id": ["BTC__ETH"] * 2, "label": [0, 1]}),
        training_digest="f" * 64,
        source=layout.features,
        artifacts=artifacts,
    )
    with tracking.start_run(layout, record) as run_id:
        if model.files:
            return run_id, tracking.log_files(layout, run_id, files or model.files)
        example = build_model_matrix(labelled().head(3), PAIR_FOREST_FEATURES)
        return run_id, tracking.log_forest(layout, model.estimator, example)


def tags_of(family: str) -> dict[str, str]:
    return LINEAGE | ({} if family == REFERENCE_FAMILY else {FAMILY_TAG: family})


def register(settings: Settings, seed: int = 1) -> ModelRef:
    """Fit the family of the settings and register it as challenger, gate not asked."""
    model = fitted(settings.model.family, seed)
    run_id, uri = log(settings, model)
    return registry.register(settings, run_id, uri, tags_of(model.family))
