"""A loaded model, and the scores it gives to online features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.catalog import EVENT_TIME
from feature_repo.model_matrix import build_model_matrix
from model_registry.loading import load_estimator
from model_registry.records import ModelRef
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import PairScore
from pairity.universe import Pair

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Scorer:
    """A loaded model, which scores pairs with the probability of the label's positive class."""

    ref: ModelRef
    estimator: Any

    def score(self, rows: pl.DataFrame, pairs: Sequence[Pair], event_timestamp: datetime) -> list[PairScore]:
        """Return one PairScore per pair, in order; pairs without features of `event_timestamp` are unusable, with why.

        `rows` has one row per pair (pair_id, event_timestamp, features), nulls where the online store knows nothing.
        """
        by_pair = {row["pair_id"]: row for row in rows.iter_rows(named=True)}
        features = self.ref.service.features
        reasons = {pair: _unusable_reason(by_pair.get(pair.pair_id), event_timestamp, features) for pair in pairs}
        usable = [pair for pair in pairs if reasons[pair] is None]
        probabilities = self._probabilities(rows, usable)
        return [
            _make_score(pair, by_pair.get(pair.pair_id) or {}, probabilities.get(pair), reasons[pair]) for pair in pairs
        ]

    def _probabilities(self, rows: pl.DataFrame, pairs: Sequence[Pair]) -> dict[Pair, float]:
        if not pairs:
            return {}
        order = pl.DataFrame({"pair_id": [pair.pair_id for pair in pairs]})
        # Joined onto the order of the pairs: rows of a DataFrame carry no names, only their position counts
        matrix = build_model_matrix(order.join(rows, on="pair_id", how="left", maintain_order="left"), self.ref.service)
        return dict(zip(pairs, positive_probabilities(self.estimator, matrix), strict=True))


def load_scorer(settings: Settings, model: ModelRef) -> Scorer:
    """Check and load the files of a registered version; raises what `load_estimator` raises."""
    return Scorer(model, load_estimator(Layout.of(settings), model))


def _make_score(pair: Pair, row: dict[str, Any], probability: float | None, unusable: str | None) -> PairScore:
    return PairScore(pair, row.get("z_score"), probability, unusable, row.get("hedge_ratio"))


def _unusable_reason(row: dict[str, Any] | None, event_timestamp: datetime, features: Sequence[str]) -> str | None:
    """Return why a pair's features must not be traded on; None where they are fresh and finite.

    Only features of the bar that has just closed count. Infinite values are looked for here because building the matrix
    refuses them: one pair with infinite features must not end the decision about all others.
    """
    if row is None or row[EVENT_TIME] is None:
        return "no features online"
    if row[EVENT_TIME] != event_timestamp:
        age_h = (event_timestamp - row[EVENT_TIME]).total_seconds() / 3600
        return f"stale: features are {age_h:.0f} h old"
    infinite = [name for name in features if isinstance(value := row.get(name), float) and math.isinf(value)]
    return f"infinite: {', '.join(infinite)}" if infinite else None


def positive_probabilities(estimator: Any, matrix: pd.DataFrame) -> list[float]:  # noqa: ANN401 - a scikit-learn pipeline
    """Return the probability of the label's positive class for each row."""
    positive = list(estimator.classes_).index(1)  # scikit-learn orders columns by the sorted labels that it has seen
    probabilities: list[float] = estimator.predict_proba(matrix)[:, positive].tolist()
    return probabilities
