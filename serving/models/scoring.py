"""A loaded model, and the scores it gives to online features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.catalog import EVENT_TIME, Service
from feature_repo.model_matrix import build_model_matrix
from pairity.strategy.types import PairScore
from pairity.universe import Pair

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model, exactly: what an order is traced back to."""

    name: str
    version: str
    run_id: str
    sha256: str
    service: Service
    snapshot_id: str
    train_end: str
    gate: str = "not asked"
    """What the promotion gate said: `passed`, `failed` or `not asked`."""
    universe: str = ""
    """Assets that it was trained on, comma-separated in universe order; empty where that was not recorded."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells one version from another: name, version and the digest of its files."""
        return (self.name, self.version, self.sha256)


@dataclass(frozen=True)
class Scorer:
    """A loaded model. `probability` is that of the label's positive class, fold-free and single-threaded."""

    ref: ModelRef
    estimator: Any

    def score(self, rows: pl.DataFrame, pairs: Sequence[Pair], event_timestamp: datetime) -> list[PairScore]:
        """One PairScore per pair, in order; pairs whose features are not of `event_timestamp` are unusable, and say so.

        `rows` has one row per pair (pair_id, event_timestamp, features), nulls where the online store knows nothing.
        """
        by_pair = {row["pair_id"]: row for row in rows.iter_rows(named=True)}
        features = self.ref.service.features
        reasons = {pair: _unusable(by_pair.get(pair.pair_id), event_timestamp, features) for pair in pairs}
        usable = [pair for pair in pairs if reasons[pair] is None]
        probability = self._probabilities(rows, usable)
        return [
            _pair_score(pair, by_pair.get(pair.pair_id) or {}, probability.get(pair), reasons[pair]) for pair in pairs
        ]

    def _probabilities(self, rows: pl.DataFrame, pairs: Sequence[Pair]) -> dict[Pair, float]:
        if not pairs:
            return {}
        order = pl.DataFrame({"pair_id": [pair.pair_id for pair in pairs]})
        matrix = build_model_matrix(order.join(rows, on="pair_id", how="left", maintain_order="left"), self.ref.service)
        return dict(zip(pairs, positive_probabilities(self.estimator, matrix), strict=True))


def _pair_score(pair: Pair, row: dict[str, Any], probability: float | None, unusable: str | None) -> PairScore:
    return PairScore(pair, row.get("z_score"), probability, unusable, row.get("hedge_ratio"))


def _unusable(row: dict[str, Any] | None, event_timestamp: datetime, features: Sequence[str]) -> str | None:
    """Fresh, finite or silent: only features of the bar that has just closed may be traded on.

    A feature is a number or null; one pair whose features are infinite must not end the decision about all others.
    """
    if row is None or row[EVENT_TIME] is None:
        return "no features online"
    if row[EVENT_TIME] != event_timestamp:
        age_h = (event_timestamp - row[EVENT_TIME]).total_seconds() / 3600
        return f"stale: features are {age_h:.0f} h old"
    endless = [name for name in features if isinstance(value := row.get(name), float) and math.isinf(value)]
    return f"infinite: {', '.join(endless)}" if endless else None


def positive_probabilities(estimator: Any, matrix: pd.DataFrame) -> list[float]:  # noqa: ANN401 - a scikit-learn pipeline
    """Probability of the label's positive class per row."""
    positive = list(estimator.classes_).index(1)
    probabilities: list[float] = estimator.predict_proba(matrix)[:, positive].tolist()
    return probabilities
