"""Lineage of an order: the decision, model and features behind it, and its probability computed again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from feature_repo.catalog import find_service, find_view
from ingestion.recomputation import RecomputedRow, recompute_row
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.names import ORDER_ID
from pairity.references import find_named
from pairity.settings import Settings
from serving.journal import DecisionRecord, FeatureVector, Trace
from serving.journal.reading import ReadingJournal
from serving.models.rescoring import RescoredDecision, rescore
from validation.parity import is_same


@dataclass(frozen=True, slots=True)
class Recomputation:
    """The probability of an order's pair: as the decision recorded it, and computed again from the same features."""

    pair_id: str
    vector: FeatureVector | None
    """The features that were decided on; None where the journal has none of the pair."""
    recorded: float | None
    rescored: RescoredDecision

    @property
    def is_same(self) -> bool:
        """Whether both are the same float."""
        return self.recorded == self.rescored.probability


def read_trace(settings: Settings, order: str) -> Trace:
    """Read everything that the journal knows of an order; UnknownNameError names the nearest of what it knows.

    `order` is a client order id, the venue's order id, the beginning of either that begins one order alone, or
    `latest`. ConfigError for what can be neither, and where several begin so; MissingDataError where nothing was sent.
    """
    ORDER_ID.check(order)
    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        known = journal.order_names()
        if not known:
            raise MissingDataError(f"no order is in {journal.path} yet", "run `pairity serve` first")
        venues = {name: client for client, name in known if name is not None}
        found = find_named("order", order, [*(client for client, _ in known), *venues])
        return journal.trace(venues.get(found, found))
    finally:
        journal.close()


def find_entry(settings: Settings, trace: Trace) -> str | None:
    """Return the order of a decision that opened the position of an order without one: of a stop placed again, say.

    None where no decision did: the position was adopted.
    """
    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        orders = journal.intents(trace.intent.position_id)
    finally:
        journal.close()
    return next((order.client_order_id for order in orders if order.decision_id is not None), None)


def recompute(settings: Settings, trace: Trace, decision: DecisionRecord) -> Recomputation:
    """Load the model version that made `decision` and score the journalled features of the order's pair again.

    Raises ModelIntegrityError if the version's files have changed since.
    """
    position_id = trace.intent.position_id
    entry = next((entry for entry in decision.decision.entries if entry.position_id == position_id), None)
    # An exit's decision has no entry; but a position is named after its pair and its bar.
    pair_id = position_id.partition("@")[0] if entry is None else entry.pair.pair_id
    vector = next(
        (item for item in trace.vectors if item.entity == pair_id and item.service == decision.feature_service), None
    )
    return Recomputation(
        pair_id=pair_id,
        vector=vector,
        recorded=next((item.probability for item in decision.decision.scores if item.pair.pair_id == pair_id), None),
        rescored=rescore(settings, decision, vector),
    )


@dataclass(frozen=True, slots=True)
class LakeRecomputation:
    """An order's features, and what follows from them, computed from the raw rows that were known at the decision."""

    row: RecomputedRow | None
    """None where the lake gives no such row."""
    compared: int
    different: tuple[str, ...]
    """Features that are not those in the journal, to the bit."""
    result: float | None
    """Probability of the order's pair; of a book the weight that it asks for of the order's name."""


def recompute_from_lake(settings: Settings, decision: DecisionRecord, vector: FeatureVector) -> LakeRecomputation:
    """Compute the features of a vector from the raw lake as known at the decision, and score them.

    Its event time must be known. Errors are those of reading the lake and of `recompute`.
    """
    assert vector.event_timestamp is not None
    view = find_view(find_service(vector.service).view)
    row = recompute_row(settings, view, vector.entity, vector.event_timestamp, decision.decision_time)
    if row is None:
        return LakeRecomputation(None, len(vector.values), tuple(vector.values), None)
    values = {name: row.values.get(name) for name in vector.values}
    different = tuple(name for name, value in vector.values.items() if not is_same(value, values[name]))
    again = rescore(settings, decision, replace(vector, values=values))
    return LakeRecomputation(row, len(values), different, again.probability)
