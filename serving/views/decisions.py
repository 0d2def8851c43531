"""Views of decisions: the list, every pair of one with the first reason against it, and the heat map of the last."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from pairity.strategy.selection import choose_direction, find_threshold
from pairity.strategy.types import PairAssessment
from pairity.universe import Pair
from serving.explanation import explain_assessment
from serving.journal import DecisionRecord
from serving.journal.expressions import Expressions
from serving.views.base import Amount, Cut, Inputs, Page, View, parse_time
from serving.views.errors import NotFoundError
from serving.views.lineage import Lineage, make_lineage


class BestPair(View):
    """The pair with the highest score, whether or not anything stood against it."""

    pair: str
    score: float


class DecisionItem(View):
    """One decision in a list."""

    decision_id: str
    decision_time: datetime
    event_timestamp: datetime = Field(description="Close of the bar that was decided on.")
    action: str
    reason: str
    model_version: str
    pairs: int
    entered: list[str] = Field(description="Positions that the decision opens.")
    best: BestPair | None


class ScoreView(View):
    """What a decision said of one pair."""

    pair: str
    asset_a: str
    asset_b: str
    z: float | None
    probability: float | None
    edge: float | None = Field(description="Probability beyond the threshold: the model's own, or the settings'.")
    score: float | None = Field(description="|z|·probability.")
    direction: Literal["long", "short"] | None
    hedge_ratio: float | None
    rejected: str | None = Field(description="The first reason against it; null of a candidate.")
    outcome: str = Field(description="What became of it, in words.")


class BookNameView(View):
    """What a decision of a book said of one name. Weights are signed fractions of equity, contracts signed."""

    name: str
    weight: float = Field(description="What prices had made of it.")
    target_weight: float = Field(description="What is wanted, within the limits.")
    held: Amount = Field(description="Contracts before.")
    contracts: Amount = Field(description="Contracts to hold from then on.")
    cause: str = Field(description="Why it is traded, or not.")
    why: str = Field(description="Why the family wants this weight.")
    score: float | None
    price: float | None = Field(description="Close that sizes were found at.")


class DecisionView(DecisionItem):
    """One decision with all its pairs, or all names of a book, and where it came from."""

    exits: list[str]
    scores: list[ScoreView]
    book: list[BookNameView] = Field(
        default_factory=list, description="Names of a decision of a book; empty of one on pairs."
    )
    lineage: Lineage


class HeatCell(View):
    """One pair of the heat map."""

    a: str
    b: str
    score: float | None
    z: float | None
    probability: float | None
    rejected: str | None
    outcome: str = Field(description="What became of it, in words.")


class HeatMap(View):
    """The last decision as a map of assets by assets: each pair once, `a` before `b` in universe order."""

    decision_id: str | None
    event_timestamp: datetime | None
    assets: list[str]
    cells: list[HeatCell]


# What a list shows is picked out by the database: decisions of a large universe are long, and Python's lock is
# trading's too. Numbers are left in their text, which Python reads: SQLite rounds them to 15 digits.
def _select_items(sql: Expressions) -> str:
    score = sql.number_at("s.value", "divergence_score")
    entered = sql.list_of(sql.text_at("e.value", "position_id"), "e.place")
    return f"""
        SELECT decision_id, decision_time, event_timestamp, action, reason, model_version,
            {sql.count_items("decision_json", "scores")} AS pairs,
            (SELECT {entered} FROM {sql.items_of("decision_json", "entries", "e")}) AS entered,
            (SELECT s.value FROM {sql.items_of("decision_json", "scores", "s")}
             WHERE {score} IS NOT NULL ORDER BY {score} DESC, s.place LIMIT 1) AS best
        FROM decisions
    """


def view_decisions(seen: Inputs, cut: Cut) -> Page[DecisionItem]:
    """Return a page of decisions, newest bar first."""
    keys = cut.keys(1)
    where, values = ("WHERE event_timestamp < :before", {"before": keys[0]}) if keys else ("", {})
    order = "ORDER BY event_timestamp DESC LIMIT :limit"
    rows = seen.journal.ask(f"{_select_items(seen.journal.expressions)} {where} {order}", limit=cut.limit + 1, **values)
    items = []
    for row in rows:
        best = json.loads(row["best"]) if row["best"] else None
        items.append(
            DecisionItem(
                decision_id=row["decision_id"],
                decision_time=parse_time(row["decision_time"]),
                event_timestamp=parse_time(row["event_timestamp"]),
                action=row["action"],
                reason=row["reason"],
                model_version=row["model_version"],
                pairs=row["pairs"],
                entered=json.loads(row["entered"]),
                best=None if best is None else _read_best(best),
            )
        )
    return cut.page(items, [(row["event_timestamp"],) for row in rows])


def _read_best(score: dict[str, Any]) -> BestPair:
    pair = Pair(score["pair"]["base"], score["pair"]["quote"])
    return BestPair(pair=pair.pair_id, score=score["divergence_score"])


def view_decision(seen: Inputs, decision_id: str) -> DecisionView:
    """Return one decision; NotFoundError for an id that the journal does not have."""
    record = read_decision(seen, decision_id)
    decision = record.decision
    scored = [item for item in decision.scores if item.divergence_score is not None]
    best = max(scored, key=lambda item: item.divergence_score or 0.0, default=None)
    return DecisionView(
        decision_id=record.decision_id,
        decision_time=record.decision_time,
        event_timestamp=record.event_timestamp,
        action=decision.action.value,
        reason=decision.reason,
        model_version=record.model_version,
        pairs=len(decision.scores),
        entered=[entry.position_id for entry in decision.entries],
        best=None if best is None else BestPair(pair=best.pair.pair_id, score=best.divergence_score or 0.0),
        exits=[exit_.position_id for exit_ in decision.exits],
        scores=[view_score(seen, record, item) for item in decision.scores],
        book=_view_book(seen, decision_id),
        lineage=make_lineage(seen, record),
    )


def _view_book(seen: Inputs, decision_id: str) -> list[BookNameView]:
    book = seen.journal.books.get(decision_id)
    return [
        BookNameView(
            name=one.name,
            weight=one.weight,
            target_weight=one.target,
            held=format(one.held, "f"),
            contracts=format(one.contracts, "f"),
            cause=one.cause,
            why=one.why,
            score=one.score,
            price=one.price,
        )
        for one in (() if book is None else book.names)
    ]


def read_decision(seen: Inputs, decision_id: str) -> DecisionRecord:
    """Return a decision of the journal; NotFoundError for an id that it does not have."""
    record = seen.journal.decision(decision_id)
    if record is None:
        raise NotFoundError(f"the journal has no decision {decision_id!r}", "list them with /api/v1/decisions")
    return record


def view_score(seen: Inputs, record: DecisionRecord, item: PairAssessment) -> ScoreView:
    """Return what a decision said of one pair."""
    base, quote = item.pair.assets
    direction: Literal["long", "short"] | None = None
    if item.z is not None:
        direction = "long" if choose_direction(item.z) > 0 else "short"
    return ScoreView(
        pair=item.pair.pair_id,
        asset_a=base,
        asset_b=quote,
        z=item.z,
        probability=item.probability,
        edge=None if item.probability is None else item.probability - _find_threshold(seen, item),
        score=item.divergence_score,
        direction=direction,
        hedge_ratio=item.hedge_ratio,
        rejected=item.rejected,
        outcome=explain_assessment(record, item),
    )


def _find_threshold(seen: Inputs, item: PairAssessment) -> float:
    """Return the model's own threshold, where the decision went by it; else that of the settings."""
    return find_threshold(None, seen.settings.strategy) if item.threshold is None else item.threshold


def view_heatmap(seen: Inputs) -> HeatMap:
    """Return the last decision as a map; without one, the universe's assets and no cells."""
    record = seen.journal.last_decision()
    if record is None:
        return HeatMap(decision_id=None, event_timestamp=None, assets=list(seen.settings.universe.traded), cells=[])
    scores = record.decision.scores
    cells = [
        HeatCell(
            a=item.pair.base,
            b=item.pair.quote,
            score=item.divergence_score,
            z=item.z,
            probability=item.probability,
            rejected=item.rejected,
            outcome=explain_assessment(record, item),
        )
        for item in scores
    ]
    assets = list(dict.fromkeys([item.pair.base for item in scores] + [item.pair.quote for item in scores]))
    return HeatMap(decision_id=record.decision_id, event_timestamp=record.event_timestamp, assets=assets, cells=cells)
