"""What one decision is made on, and the decision that a model's scores lead to: one for champion and challenger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from pairity.settings import Settings
from pairity.strategy.lifecycle import decide
from pairity.strategy.types import Decision, MarketView, PairScore, StrategyState
from pairity.universe import Pair
from serving.models.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a decision on the bar that closed at `event_timestamp` is made on, besides the model."""

    event_timestamp: datetime
    pair_rows: pl.DataFrame
    """One row per pair as read online: pair_id, event_timestamp, features; nulls where nothing is known."""
    market: MarketView
    state: StrategyState
    held_back: Mapping[str, str]
    """Assets and pairs of which rows are held back, with the rule."""
    barred: str | None = None
    """Why nothing may be opened now; positions keep being watched."""


def choose(scorer: Scorer, seen: Seen, settings: Settings) -> Decision:
    """The decision that the strategy takes with the scores of `scorer`. Pure but for the model's own arithmetic."""
    scores = scorer.score(seen.pair_rows, settings.universe.pairs, seen.event_timestamp)
    held = {position.pair for position in seen.state.positions}
    scores = explained(barred(scores, held, seen.barred), seen.held_back)
    interval = timedelta(minutes=settings.serve.interval_minutes)
    return decide(seen.state, scores, seen.market, settings.strategy, interval)


def barred(scores: Sequence[PairScore], held: Collection[Pair], reason: str | None) -> list[PairScore]:
    """With a reason nothing may be opened; what is held keeps being watched."""
    if reason is None:
        return list(scores)
    return [score if score.pair in held else replace(score, unusable=reason) for score in scores]


def explained(scores: Sequence[PairScore], held_back: Mapping[str, str]) -> list[PairScore]:
    """Why features are missing, where rows of the pair or of one of its assets are held back."""
    if not held_back:
        return list(scores)
    names = {score.pair: (score.pair.pair_id, *score.pair.assets) for score in scores}
    told = {
        pair: "; ".join(f"{name} {held_back[name]}" for name in own if name in held_back) for pair, own in names.items()
    }
    return [
        replace(score, unusable=f"{score.unusable} ({told[score.pair]})")
        if score.unusable and told[score.pair]
        else score
        for score in scores
    ]
