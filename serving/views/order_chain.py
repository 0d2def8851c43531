"""View of the chain behind an order: what the page /why/ORDER shows, and `pairity trace --chain` prints."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from pairity.names import ORDER_ID
from serving.books.volatility import VolatilityRecomputation
from serving.explanation import explain_assessment
from serving.journal import BookRecord, DecisionRecord, Run
from serving.lineage import LakeRecomputation, Recomputation
from serving.order_chain import OrderChain
from serving.views.base import Amount, Inputs, View, amount
from serving.views.errors import NotFoundError
from serving.views.lineage import FeatureView


class ChainStep(View):
    """One transition of the order, with what the venue said."""

    at: datetime
    state: str
    answer: str


class ChainOrder(View):
    """The order."""

    client_order_id: str
    order_id: str | None
    position_id: str
    purpose: str
    side: str
    instrument: str
    contracts: Amount
    filled_contracts: Amount
    average_price: Amount | None
    state: str
    created_at: datetime
    steps: list[ChainStep]


class ChainPair(View):
    """What the decision said of one pair."""

    pair: str
    z: float | None
    probability: float | None
    score: float | None
    why: str = Field(description="What became of it: opened, or the first reason against it.")


class ChainName(View):
    """What the decision of a book said of one name. Weights are signed fractions of equity, contracts signed."""

    name: str
    weight: float = Field(description="That prices had drifted to.")
    target: float
    held: Amount
    contracts: Amount = Field(description="To hold from then on.")
    cause: str = Field(description="Why it was traded, or not.")
    why: str = Field(description="Why the book wants this weight.")


class ChainDecision(View):
    """The decision that placed the order, with all its pairs, or all names of a book."""

    decision_id: str
    event_timestamp: datetime = Field(description="Close of the bar that was decided on.")
    decision_time: datetime
    action: str
    reason: str
    feature_service: str
    pairs: list[ChainPair]
    names: list[ChainName] = Field(description="Of a book; empty where pairs were decided on.")


class ChainModel(View):
    """The model version that decided, and what it was trained on."""

    name: str
    version: str
    family: str
    sha256: str
    run_id: str
    train_end: str
    snapshot_id: str
    training: list[str] = Field(description="Training rows with their digest, label, folds, seed and code, in words.")


class ChainScore(View):
    """What the order follows from, as it was decided on and computed again. Null: there is none.

    The probability of its pair; of a book the weight that the family asks for of its name.
    """

    kind: Literal["probability", "weight"]
    pair: str = Field(description="The pair, or the name of a book.")
    recorded: float | None
    from_journal: float | None = Field(description="Computed again from the journalled features.")
    same_from_journal: bool
    from_lake: float | None = Field(description="Computed again from features of the raw data.")
    same_from_lake: bool | None = Field(description="Null: not computed from the raw data.")


class ChainVolatility(View):
    """What a book's target of volatility was compared with: annualised, of the unscaled book over sixty days."""

    target: float
    recorded: float | None = Field(description="As decided on; null: it was not known.")
    names: list[str] = Field(description="Names that could be traded.")
    known_at: datetime = Field(description="Until when data count as known.")
    measured_again: float | None = Field(description="From the stored bars and features as known then.")
    same: bool
    fault: str | None = Field(description="Why it could not be measured again.")


class ChainPart(View):
    """Raw rows that the features came from: a dataset of an instrument in a month."""

    dataset: str
    instrument: str
    month: str
    content: str = Field(description="Digest of what the lake has there.")


class ChainRaw(View):
    """The raw data as they were known at the decision."""

    compared: int = Field(description="Features that were computed again.")
    different: list[str] = Field(description="Those that are not the journal's, to the bit.")
    known_from: datetime | None = Field(
        description="When the row could first be known; null: the lake has no such row."
    )
    parts: list[ChainPart] = Field(description="Those of the pair's own instruments.")
    others: int = Field(description="Partitions of other instruments that were read too.")
    digest: str | None = Field(description="One digest of all of them.")


class ChainCode(View):
    """The run of the trading process that decided: its code and settings."""

    code_revision: str
    settings_digest: str
    mode: str
    started_at: datetime


class OrderChainView(View):
    """From an order back to its raw data and its code. Null and empty: no decision placed the order."""

    order: ChainOrder
    entry_order: str | None = Field(description="Order that opened the position of one without a decision.")
    decision: ChainDecision | None
    features: list[FeatureView]
    model: ChainModel | None
    score: ChainScore | None
    volatility: ChainVolatility | None = Field(default=None, description="Of a book with a target of volatility.")
    raw: ChainRaw | None
    raw_fault: str | None = Field(description="Why the raw data could not be read.")
    code: ChainCode | None


def find_order(seen: Inputs, order: str) -> str:
    """Return the client order id of an order that is named by its own or the venue's id; NotFoundError without one."""
    rows = ORDER_ID.accepts(order) and seen.journal.ask(
        "SELECT client_order_id FROM intents WHERE client_order_id = :name OR order_id = :name LIMIT 1", name=order
    )
    if not rows:
        raise NotFoundError("the journal has no order of this id", "take one from /api/v1/orders, or pairity account")
    return str(rows[0]["client_order_id"])


def view_chain(chain: OrderChain) -> OrderChainView:
    """Return the chain for programs and pages."""
    trace, again = chain.trace, chain.again
    intent, decision = trace.intent, trace.decision
    order = ChainOrder(
        client_order_id=intent.client_order_id,
        order_id=intent.order_id,
        position_id=intent.position_id,
        purpose=str(intent.purpose),
        side=str(intent.side),
        instrument=intent.instrument,
        contracts=format(intent.contracts, "f"),
        filled_contracts=format(intent.filled_contracts, "f"),
        average_price=amount(intent.average_price),
        state=str(intent.state),
        created_at=intent.created_at,
        steps=[ChainStep(at=step.at, state=str(step.state), answer=step.answer) for step in trace.events],
    )
    return OrderChainView(
        order=order,
        entry_order=chain.entry,
        decision=None if decision is None else _view_decision(decision, chain.book),
        features=_list_features(chain),
        model=None if decision is None or again is None else _view_model(chain, decision, again),
        score=_view_score(chain),
        volatility=None if chain.volatility is None else _view_volatility(chain.volatility),
        raw=None if chain.lake is None else _view_raw(chain, chain.lake),
        raw_fault=chain.lake_fault,
        code=None if trace.run is None else _view_code(trace.run),
    )


def _view_decision(decision: DecisionRecord, book: BookRecord | None) -> ChainDecision:
    return ChainDecision(
        decision_id=decision.decision_id,
        event_timestamp=decision.event_timestamp,
        decision_time=decision.decision_time,
        action=str(decision.decision.action),
        reason=decision.decision.reason,
        feature_service=decision.feature_service,
        pairs=[
            ChainPair(
                pair=item.pair.pair_id,
                z=item.z,
                probability=item.probability,
                score=item.divergence_score,
                why=explain_assessment(decision, item),
            )
            for item in decision.decision.scores
        ],
        names=[
            ChainName(
                name=one.name,
                weight=one.weight,
                target=one.target,
                held=format(one.held, "f"),
                contracts=format(one.contracts, "f"),
                cause=one.cause,
                why=one.why,
            )
            for one in (() if book is None else book.names)
        ],
    )


def _list_features(chain: OrderChain) -> list[FeatureView]:
    return [
        FeatureView(
            name=name,
            value=value,
            event_timestamp=vector.event_timestamp,
            created_timestamp=chain.known.get((vector.service, vector.entity)),
            service=vector.service,
            entity=vector.entity,
        )
        for vector in chain.vectors
        for name, value in vector.values.items()
    ]


def _view_model(chain: OrderChain, decision: DecisionRecord, again: Recomputation) -> ChainModel:
    origin = again.rescored
    return ChainModel(
        name=decision.model_name,
        version=decision.model_version,
        family=origin.family,
        sha256=decision.model_sha256,
        run_id=origin.run_id,
        train_end=origin.train_end,
        snapshot_id=origin.snapshot_id,
        training=list(chain.origin),
    )


def _view_score(chain: OrderChain) -> ChainScore | None:
    again, weight, lake = chain.again, chain.weight, chain.lake
    if again is not None:
        return ChainScore(
            kind="probability",
            pair=again.pair_id,
            recorded=again.recorded,
            from_journal=again.rescored.probability,
            same_from_journal=again.is_same,
            from_lake=None if lake is None else lake.result,
            same_from_lake=None if lake is None else lake.result == again.recorded,
        )
    if weight is None or not weight.vectors:
        return None
    return ChainScore(
        kind="weight",
        pair=weight.name,
        recorded=weight.recorded,
        from_journal=weight.again,
        same_from_journal=weight.is_same,
        from_lake=None if lake is None else lake.result,
        same_from_lake=None if lake is None else lake.result == weight.recorded,
    )


def _view_volatility(one: VolatilityRecomputation) -> ChainVolatility:
    return ChainVolatility(
        target=one.recorded.target,
        recorded=one.recorded.value,
        names=list(one.recorded.names),
        known_at=one.recorded.known_at,
        measured_again=one.again,
        same=one.is_same,
        fault=one.fault,
    )


def _view_raw(chain: OrderChain, lake: LakeRecomputation) -> ChainRaw:
    of = "" if chain.weight is None else chain.weight.name
    row, legs = lake.row, set((of if chain.again is None else chain.again.pair_id).split("__"))
    parts = () if row is None else row.parts
    own = [part for part in parts if part.instrument.partition("-")[0] in legs]
    return ChainRaw(
        compared=lake.compared,
        different=list(lake.different),
        known_from=None if row is None else row.created,
        parts=[
            ChainPart(
                dataset=part.dataset, instrument=part.instrument, month=f"{part.month:%Y-%m}", content=part.content
            )
            for part in own
        ],
        others=len(parts) - len(own),
        digest=None if row is None else row.digest,
    )


def _view_code(run: Run) -> ChainCode:
    return ChainCode(
        code_revision=run.code_revision,
        settings_digest=run.settings_digest,
        mode=run.mode,
        started_at=run.started_at,
    )
