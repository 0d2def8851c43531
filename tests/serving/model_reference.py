"""A registered model by name only, and the bar that has just closed."""

from __future__ import annotations

from datetime import UTC, datetime

from feature_repo.catalog import PAIR_FOREST_FEATURES
from model_registry.records import ModelRef

T = datetime(2025, 4, 1, 12, tzinfo=UTC)
REFERENCE = ModelRef(
    name="m",
    version="1",
    run_id="r",
    uri="",
    sha256="s",
    feature_service=PAIR_FOREST_FEATURES.name,
    snapshot_id="x",
    train_end="t",
)
