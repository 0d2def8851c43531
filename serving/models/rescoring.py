"""A decision's probability, computed again from its journalled features by the very model version."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feature_repo.catalog import find_service, find_view
from feature_repo.model_matrix import build_model_matrix
from feature_repo.offline_files import make_schema
from pairity.errors import ModelIntegrityError
from pairity.settings import Settings
from serving.journal.records import DecisionRecord, FeatureVector
from serving.models.scoring import positive_probabilities
from serving.registered import load_version


@dataclass(frozen=True, slots=True)
class Rescored:
    """The probability (None without features) and where the model came from."""

    probability: float | None
    run_id: str
    train_end: str
    snapshot_id: str


def rescore(settings: Settings, decision: DecisionRecord, vector: FeatureVector | None) -> Rescored:
    """Score `vector` with the version that made `decision`; ModelIntegrityError if its files are other ones now."""
    scorer = load_version(settings, decision.model_name, decision.model_version)
    if scorer.ref.sha256 != decision.model_sha256:
        raise ModelIntegrityError(
            f"{decision.model_name} version {decision.model_version} is registered with sha256 {scorer.ref.sha256}, "
            f"the decision was made with {decision.model_sha256}",
            "look for the registry that the decision was made with",
        )
    probability = None
    if vector is not None:
        declared = find_service(vector.service)
        types = {name: make_schema(find_view(declared.view))[name] for name in declared.features}
        row = pl.DataFrame([dict(vector.values)], schema=types)
        probability = positive_probabilities(scorer.estimator, build_model_matrix(row, declared))[0]
    return Rescored(probability, scorer.ref.run_id, scorer.ref.train_end, scorer.ref.snapshot_id)
