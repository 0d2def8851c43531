"""A loaded model, and the scores it gives to online features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.catalog import EVENT_TIME
from feature_repo.model_matrix import build_model_matrix
from model_registry.loading import load_estimator
from model_registry.records import ModelRef
from model_registry.signatures import Verifier
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import PairScore
from pairity.universe import Pair
from serving.models.forest_votes import predict_probabilities

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
        by_id = {pair_id: place for place, pair_id in enumerate(rows["pair_id"].to_list())}
        places = [by_id.get(pair.pair_id) for pair in pairs]
        reasons = _unusable_reasons(rows, places, event_timestamp, self.ref.service.features)
        usable = [place for place, reason in zip(places, reasons, strict=True) if place is not None and reason is None]
        probabilities = iter(self._probabilities(rows, usable))
        z_scores, hedge_ratios = _values_at(rows, "z_score", places), _values_at(rows, "hedge_ratio", places)
        threshold = self.ref.threshold
        return [
            PairScore(
                pair=pair,
                z=z,
                probability=next(probabilities) if reason is None else None,
                unusable=reason,
                hedge_ratio=ratio,
                threshold=threshold,
            )
            for pair, z, ratio, reason in zip(pairs, z_scores, hedge_ratios, reasons, strict=True)
        ]

    def _probabilities(self, rows: pl.DataFrame, places: Sequence[int]) -> list[float]:
        if not places:
            return []
        return positive_probabilities(self.estimator, build_model_matrix(rows[places], self.ref.service))


def load_scorer(settings: Settings, model: ModelRef) -> Scorer:
    """Check signatures and files of a registered version and load it.

    Raises SignatureError where the version is not what was signed, and what `load_estimator` raises.
    """
    layout = Layout.of(settings)
    Verifier(layout).require_registration(model)
    return Scorer(model, load_estimator(layout, model))


def _values_at(rows: pl.DataFrame, column: str, places: Sequence[int | None]) -> list[float | None]:
    """Return a column's values at `places`; None for a place of None, and where there is no such column."""
    values = rows[column].to_list() if column in rows.columns else [None] * rows.height
    return [None if place is None else values[place] for place in places]


def _unusable_reasons(
    rows: pl.DataFrame, places: Sequence[int | None], event_timestamp: datetime, features: Sequence[str]
) -> list[str | None]:
    """Return for each place why its features must not be traded on; None where they are fresh and finite.

    Only features of the bar that has just closed count. Infinite values are looked for here because building the matrix
    refuses them: one pair with infinite features must not end the decision about all others.
    """
    fresh = (rows[EVENT_TIME] == event_timestamp).to_list()
    infinite = _find_infinite(rows, features)
    reasons: list[str | None] = []
    for place in places:
        known = None if place is None or fresh[place] else rows[EVENT_TIME][place]
        if place is None or fresh[place] is None:
            reasons.append("no features online")
        elif known is not None:
            reasons.append(f"stale: features are {(event_timestamp - known).total_seconds() / 3600:.0f} h old")
        else:
            reasons.append(infinite.get(place))
    return reasons


def _find_infinite(rows: pl.DataFrame, features: Sequence[str]) -> dict[int, str]:
    """Return what to say of the rows with infinite features, by their place."""
    numbers = [name for name in features if rows.schema.get(name) == pl.Float64]
    if not numbers:
        return {}
    marks = rows.select(pl.col(numbers).is_infinite().fill_null(False))
    found = marks.select(pl.any_horizontal(pl.all())).to_series().arg_true().to_list()
    return {place: f"infinite: {', '.join(name for name in numbers if marks[name][place])}" for place in found}


def positive_probabilities(estimator: Any, matrix: pd.DataFrame) -> list[float]:  # noqa: ANN401 - a scikit-learn pipeline
    """Return the probability of the label's positive class for each row."""
    positive = list(estimator.classes_).index(1)  # scikit-learn orders columns by the sorted labels that it has seen
    probabilities: list[float] = predict_probabilities(estimator, matrix)[:, positive].tolist()
    return probabilities
