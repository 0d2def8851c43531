"""Inputs of one decision, and the decision that a model's scores lead to: one for champion and challenger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from pairity.settings import Settings
from pairity.strategy.lifecycle import decide
from pairity.strategy.types import Decision, MarketView, PairScore, StrategyState
from pairity.universe import Pair
from serving.models.scoring import Scorer


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """Inputs of the decision on the bar that closed at `event_timestamp`: everything but the model."""

    event_timestamp: datetime
    pair_rows: pl.DataFrame
    """One row per pair as read online: pair_id, event_timestamp, features; nulls where nothing is known."""
    market: MarketView
    state: StrategyState
    withheld: Mapping[str, str]
    """Assets and pairs with withheld rows, and the rule that withholds them."""
    suspended: str | None = None
    """Why nothing may be opened now; None where it may. Held positions are watched all the same."""
    blocked: Mapping[str, str] = field(default_factory=dict)
    """Assets in which nothing may be opened, with the reason: somebody else's position, or no trading."""


def make_decision(scorer: Scorer, inputs: DecisionInputs, settings: Settings) -> Decision:
    """Return the decision that the strategy takes with the scores of `scorer`.

    Pure but for the model's own arithmetic.
    """
    scores = scorer.score(inputs.pair_rows, settings.universe.pairs, inputs.event_timestamp)
    held = {position.pair for position in inputs.state.positions}
    scores = suspend_entries(scores, held, inputs.suspended)
    scores = explain_scores(block_entries(scores, held, inputs.blocked, settings.strategy.legs), inputs.withheld)
    interval = timedelta(minutes=settings.serve.interval_minutes)
    return decide(inputs.state, scores, inputs.market, settings.strategy, interval)


def suspend_entries(scores: Sequence[PairScore], held: Collection[Pair], reason: str | None) -> list[PairScore]:
    """Return the scores with all pairs but the held ones unusable for `reason`; unchanged without a reason."""
    if reason is None:
        return list(scores)
    # A held pair keeps its score: without it the strategy could not see that an exit is due.
    return [score if score.pair in held else replace(score, unusable=reason) for score in scores]


def block_entries(
    scores: Sequence[PairScore], held: Collection[Pair], blocked: Mapping[str, str], legs: str
) -> list[PairScore]:
    """Return the scores with those pairs unusable that would trade a blocked asset; held ones keep theirs."""
    if not blocked:
        return list(scores)
    return [_block_score(score, blocked, legs) if score.pair not in held else score for score in scores]


def _block_score(score: PairScore, blocked: Mapping[str, str], legs: str) -> PairScore:
    traded = (score.pair.base,) if legs == "base" else score.pair.assets
    reason = next((blocked[asset] for asset in traded if asset in blocked), None)
    return score if reason is None or score.unusable else replace(score, unusable=reason)


def explain_scores(scores: Sequence[PairScore], withheld: Mapping[str, str]) -> list[PairScore]:
    """Return the scores; those without features say which withheld rows of the pair or its assets are the reason."""
    if not withheld:
        return list(scores)
    return [_explain_score(score, withheld) if score.unusable else score for score in scores]


def _explain_score(score: PairScore, withheld: Mapping[str, str]) -> PairScore:
    names = (score.pair.pair_id, *score.pair.assets)
    explanation = "; ".join(f"{name} {withheld[name]}" for name in names if name in withheld)
    return replace(score, unusable=f"{score.unusable} ({explanation})") if explanation else score
