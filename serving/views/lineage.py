"""Views of what a decision came from: the features of a pair, the model, its data and the code."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from pairity.errors import PairityError
from pairity.universe import Pair
from serving.journal import DecisionRecord
from serving.knowledge_times import read_known_times
from serving.views.base import Inputs, View
from serving.views.errors import NotFoundError


class Lineage(View):
    """From a decision back to orders, model, data and code. Null: not recorded, or not known to this process."""

    order_ids: list[str] = Field(description="Client order ids of the orders that the decision led to.")
    run_id: str | None = Field(description="MLflow run that trained the model.")
    model_name: str
    model_version: str
    sha256: str
    training_set: str | None = Field(description="Digest of the rows that the model was trained on.")
    snapshot_id: str | None = Field(description="Digest of the raw data behind them.")
    code_revision: str | None = Field(description="Of the process that decided.")
    feature_service: str


class FeatureView(View):
    """One feature as the decision saw it. `value` is null where it was not known, or not finite."""

    name: str
    value: float | int | str | bool | None
    event_timestamp: datetime | None = Field(description="When it could first be known.")
    created_timestamp: datetime | None = Field(description="When it was known here.")
    service: str
    entity: str


class PairFeatures(View):
    """Everything that a decision knew of one pair and its assets."""

    decision_id: str
    pair: str
    features: list[FeatureView]
    lineage: Lineage


def make_lineage(seen: Inputs, record: DecisionRecord) -> Lineage:
    """Return where a decision came from, as far as the journal and the loaded model say."""
    orders = seen.journal.ask(
        "SELECT client_order_id FROM intents WHERE decision_id = :id ORDER BY created_at, client_order_id",
        id=record.decision_id,
    )
    run = seen.journal.run(record.run_id)
    model = seen.sightings.model
    known = model if model is not None and (model.version, model.sha256) == _version_of(record) else None
    return Lineage(
        order_ids=[row["client_order_id"] for row in orders],
        run_id=None if known is None else known.run_id,
        model_name=record.model_name,
        model_version=record.model_version,
        sha256=record.model_sha256,
        training_set=None if known is None else known.tags.get("training_digest"),
        snapshot_id=None if known is None else known.snapshot_id,
        code_revision=None if run is None else run.code_revision,
        feature_service=record.feature_service,
    )


def view_pair_features(seen: Inputs, record: DecisionRecord, pair_id: str) -> PairFeatures:
    """Return the features of a pair and of its assets at a decision.

    NotFoundError for what is no pair of that decision.
    """
    try:
        pair = Pair.from_id(pair_id)
    except PairityError as error:
        raise NotFoundError(error.what, error.remedy) from error
    if pair not in {item.pair for item in record.decision.scores}:
        raise NotFoundError(f"decision {record.decision_id} has no pair {pair_id}", "see its scores for those it has")
    entities = (pair.pair_id, *pair.assets)
    vectors = [vector for vector in seen.journal.vectors(record.decision_id) if vector.entity in entities]
    vectors.sort(key=lambda vector: entities.index(vector.entity))
    created = read_known_times(seen.layout, record, vectors)
    return PairFeatures(
        decision_id=record.decision_id,
        pair=pair.pair_id,
        features=[
            FeatureView(
                name=name,
                value=value,
                event_timestamp=vector.event_timestamp,
                created_timestamp=created.get((vector.service, vector.entity)),
                service=vector.service,
                entity=vector.entity,
            )
            for vector in vectors
            for name, value in vector.values.items()
        ],
        lineage=make_lineage(seen, record),
    )


def _version_of(record: DecisionRecord) -> tuple[str, str]:
    return record.model_version, record.model_sha256
