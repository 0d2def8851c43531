"""A decision's probability, computed again from its journalled features by the model version that decided."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feature_repo.catalog import find_service, find_view
from feature_repo.model_matrix import build_model_matrix
from feature_repo.offline_files import make_schema
from model_registry.records import RULE_VERSION, ModelRef
from model_registry.registry import find_version
from pairity.errors import ModelIntegrityError, RegistryError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.records import DecisionRecord, FeatureVector
from serving.models.scoring import load_scorer, positive_probabilities


@dataclass(frozen=True, slots=True)
class RescoredDecision:
    """Probability of a decision, computed again (None without features), and where the model came from."""

    probability: float | None
    run_id: str
    train_end: str
    snapshot_id: str
    family: str


def rescore(settings: Settings, decision: DecisionRecord, vector: FeatureVector | None) -> RescoredDecision:
    """Score `vector` with the version that made `decision`.

    Raises RegistryError where the registry does not have the version, and ModelIntegrityError where its files are not
    those that the decision was made with.
    """
    scorer = load_scorer(settings, _find_model(settings, decision))
    model = scorer.ref
    if model.sha256 != decision.model_sha256:
        raise ModelIntegrityError(
            f"{decision.model_name} version {decision.model_version} is registered with sha256 {model.sha256}, "
            f"the decision was made with {decision.model_sha256}",
            "look for the registry that the decision was made with",
        )
    probability = None
    if vector is not None:
        declared = find_service(vector.service)
        types = {name: make_schema(find_view(declared.view))[name] for name in declared.features}
        row = pl.DataFrame([dict(vector.values)], schema=types)
        probability = positive_probabilities(scorer.estimator, build_model_matrix(row, declared))[0]
    return RescoredDecision(probability, model.run_id, model.train_end, model.snapshot_id, model.family)


def _find_model(settings: Settings, decision: DecisionRecord) -> ModelRef:
    if decision.model_version == RULE_VERSION:
        raise RegistryError(
            f"{decision.decision_id} was made by the rule {decision.model_name} of a replay, which no registry keeps: "
            "there is no score to compute again",
            "look at what it decided on with `pairity why`",
        )
    try:
        return find_version(settings, decision.model_version, decision.model_name)
    except UnknownNameError as error:
        # Nobody mistyped a name: the journal and the registry do not belong together
        raise RegistryError(
            f"model {decision.model_name!r} has no version {decision.model_version} in "
            f"{Layout.of(settings).tracking_place}",
            "use the data directory it was trained in",
        ) from error
