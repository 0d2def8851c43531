"""The chain behind an order, walked once for everybody who shows it: the command as text and JSON, the page.

Order → decision with all its pairs → feature values with event and knowledge time → model version, run, label, folds →
training set and snapshot → raw partitions → code and settings. The score, or a book's weight, is computed again twice:
from the vectors of the journal, and from the raw lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from model_registry.run_origin import read_origin
from pairity.books.present import MeasureBook
from pairity.errors import PairityError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.universe import short_name
from serving.books.lineage import WeightRecomputation, recompute_weight, recompute_weight_from_lake
from serving.books.volatility import VolatilityRecomputation, measure_again
from serving.explanation import read_book
from serving.journal import BookRecord, DecisionRecord, FeatureVector, Trace
from serving.knowledge_times import read_known_times
from serving.lineage import LakeRecomputation, Recomputation, find_entry, read_trace, recompute, recompute_from_lake


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChain:
    """What stands behind one order; what only a decision has is empty or None where no decision placed it."""

    trace: Trace
    entry: str | None = None
    """Order of a decision that opened the position of one without a decision; None where none did."""
    vectors: tuple[FeatureVector, ...] = ()
    """Features of the order's pair and of its assets; of a book those of its name and of the name's pairs."""
    known: Mapping[tuple[str, str], datetime]
    """When their rows were known here, by service and entity."""
    book: BookRecord | None = None
    """The decision's names, where a book decided: no model scored them."""
    weight: WeightRecomputation | None = None
    """Of a book: the weight behind the order."""
    volatility: VolatilityRecomputation | None = None
    """Of a book with a target of volatility: what the target was compared with."""
    again: Recomputation | None = None
    origin: tuple[str, ...] = ()
    """Lines on training rows, label, folds and code."""
    lake: LakeRecomputation | None = None
    """None where it was not asked for, or where the journal has no vector of the pair."""
    lake_fault: str | None = None
    """Why the raw lake could not be read."""


def walk_chain(
    settings: Settings, order: str, *, from_lake: bool = True, measure: MeasureBook | None = None
) -> OrderChain:
    """Walk from an order to its raw data and code; without `from_lake` the raw data are left out.

    With `measure` the volatility that a book's target was compared with is measured again.

    Raises what `read_trace` and `recompute` raise; a run or a lake that cannot be read is said in the chain.
    """
    trace, layout = read_trace(settings, order), Layout.of(settings)
    if trace.decision is None:
        return OrderChain(trace=trace, entry=find_entry(settings, trace), known={})
    if (book := read_book(settings, trace.decision)) is not None:
        chain = _walk_book(settings, trace, trace.decision, book, from_lake=from_lake)
        if measure is None:
            return chain
        return replace(chain, volatility=measure_again(settings, trace.decision, book, measure))
    again = recompute(settings, trace, trace.decision)
    entities = (again.pair_id, *again.pair_id.split("__"))
    vectors = tuple(vector for vector in trace.vectors if vector.entity in entities)
    try:
        origin = tuple(read_origin(layout, again.rescored.run_id))
    except PairityError as error:
        origin = (f"its training cannot be read: {error.what}",)
    lake, fault = None, None
    if from_lake and again.vector is not None and again.vector.event_timestamp is not None:
        try:
            lake = recompute_from_lake(settings, trace.decision, again.vector)
        except PairityError as error:
            fault = error.what
    return OrderChain(
        trace=trace,
        vectors=tuple(sorted(vectors, key=lambda vector: entities.index(vector.entity))),
        known=read_known_times(layout, trace.decision, vectors),
        again=again,
        origin=origin,
        lake=lake,
        lake_fault=fault,
    )


def _walk_book(
    settings: Settings, trace: Trace, decision: DecisionRecord, book: BookRecord, *, from_lake: bool
) -> OrderChain:
    weight = recompute_weight(settings, decision, book, short_name(trace.intent.instrument), trace.vectors)
    lake, fault = None, None
    if from_lake and weight.own:
        try:
            lake = recompute_weight_from_lake(settings, decision, book, weight)
        except PairityError as error:
            fault = error.what
    return OrderChain(
        trace=trace,
        vectors=weight.own,
        known=read_known_times(Layout.of(settings), decision, weight.own),
        book=book,
        weight=weight,
        lake=lake,
        lake_fault=fault,
    )
