"""The strategy as a policy that keeps every pair's assessment: what was not taken, and the first reason why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from pairity.number_formats import format_count
from pairity.settings import StrategySettings
from pairity.strategy.lifecycle import decide
from pairity.strategy.types import Decision, MarketView, PairAssessment, PairScore, StrategyState

ASSESSMENT_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Datetime("us", "UTC"),
    "pair_id": pl.String(),
    "z_score": pl.Float64(),
    "probability": pl.Float64(),
    "hedge_ratio": pl.Float64(),
    "divergence_score": pl.Float64(),
    "taken": pl.Boolean(),
    "rejected": pl.String(),
    "action": pl.String(),
    "reason": pl.String(),
}
"""One row per decision and pair of the universe: `time` is the close that was decided at; `taken` whether the pair was
entered; `rejected` why not, never empty where it was not; `action` and `reason` are those of the whole decision."""

_REASONS_TOLD = 4
_Row = tuple[datetime, str, float | None, float | None, float | None, float | None, bool, str, str, str]


class RecordingStrategy:
    """Policy that calls the core's decision function with the scores of all pairs, and keeps what it said of each.

    It decides what `policies.Strategy` decides, which leaves out pairs that cannot matter and is faster.
    """

    protected = True

    def __init__(self, settings: StrategySettings) -> None:
        self._settings = settings
        self._rows: list[_Row] = []

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Call `pairity.strategy.lifecycle.decide`, and keep the assessments."""
        decision = decide(state, scores, market, self._settings)
        taken = {entry.pair for entry in decision.entries}
        action, reason = decision.action.value, decision.reason
        for item in decision.scores:
            entered = item.pair in taken
            self._rows.append(
                (
                    market.event_timestamp,
                    item.pair.pair_id,
                    item.z,
                    item.probability,
                    item.hedge_ratio,
                    item.divergence_score,
                    entered,
                    "" if entered else _explain(item, decision),
                    action,
                    reason,
                )
            )
        return decision

    def tabulate(self) -> pl.DataFrame:
        """Return all assessments so far as `ASSESSMENT_SCHEMA`, by time and in the order of the universe."""
        return pl.DataFrame(self._rows, schema=ASSESSMENT_SCHEMA, orient="row")


def explain_no_entry(assessments: pl.DataFrame) -> str | None:
    """Return the reasons that most often spoke against a pair, with how often, where none was ever entered; else None.

    `assessments` are rows of `ASSESSMENT_SCHEMA`; None without any.
    """
    if assessments.is_empty() or assessments["taken"].any():
        return None
    reasons = assessments.group_by("rejected").len().sort(["len", "rejected"], descending=[True, False])
    told = [f"{reason} ({count:,})" for reason, count in reasons.head(_REASONS_TOLD).iter_rows()]
    others = reasons["len"][_REASONS_TOLD:].sum()
    more = f"; other reasons ({others:,})" if others else ""
    return (
        f"no pair was entered in {format_count(assessments.height, 'decision')} about a pair: {'; '.join(told)}{more}"
    )


def _explain(item: PairAssessment, decision: Decision) -> str:
    """Return why a pair was not entered: the first reason against it, a better candidate, or what was done instead."""
    if item.rejected is not None:
        return item.rejected
    if decision.entries:
        return f"{decision.entries[0].pair.pair_id} has a higher score"
    return f"nothing is opened: {decision.reason}"
