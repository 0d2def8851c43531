"""Decisions of a family over history: what it wants at each close. An account has no part in them.

Targets follow from what was known of the market, so that one plan serves every account, cost and capital.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairity.books.decision import plan_weights
from pairity.books.families import BookFamily, BookMarket, PairSides, Target
from pairity.books.features import NameFeatures, choose_universe
from pairity.books.limits import HOURS_PER_YEAR, VOLATILITY_HOURS, BookLimits, Step
from pairity.timeline import HOUR
from training.books.history_features import FeatureHistory, read_known
from training.books.panel import BookPanel
from training.books.ranker import WalkForwardRanker

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlannedDecision:
    """What is wanted at the close of row `hour`: the family's target, and its weights within the limits."""

    hour: int
    target: Target
    weights: Mapping[str, float]
    steps: tuple[Step, ...]
    features: Mapping[str, NameFeatures]
    """Of the names that could be traded."""


def plan_book(
    history: FeatureHistory,
    family: BookFamily,
    able: frozenset[str],
    *,
    first: int = 0,
    phase_h: int = 0,
    limits: BookLimits | None = None,
) -> tuple[PlannedDecision, ...]:
    """Return the decisions of `family` from row `first` to the last but one; only names of `able` are seen.

    `phase_h`: hours after 00:00 UTC at which a day's first decision is due. The volatility target knows nothing before
    sixty days have been planned.
    """
    panel, limits = history.panel, limits or BookLimits()
    pairs: PairSides = {}
    planned: list[PlannedDecision] = []
    ranker = (
        None
        if family.ranker is None
        else WalkForwardRanker(history=history, kind=family.ranker, able=able, size=family.size)
    )
    for hour in range(first, panel.hours - 1):
        if (panel.close_of(hour) - HOUR * phase_h).hour % family.every_hours:
            continue
        market = view_market(history, family, able, hour, pairs, {} if ranker is None else ranker.score(hour))
        realised = None if limits.volatility is None else measure_realised(panel, planned, hour)
        plan = plan_weights(family, market, limits, realised)
        pairs = plan.target.pairs
        planned.append(PlannedDecision(hour, plan.target, plan.weights, plan.steps, market.features))
    return tuple(planned)


def view_market(
    history: FeatureHistory,
    family: BookFamily,
    able: frozenset[str],
    hour: int,
    held_pairs: PairSides,
    scores: Mapping[str, float],
) -> BookMarket:
    """Return what a family sees at the close of row `hour` of the names of `able`."""
    features = {name: known for name, known in history.name_features(hour).items() if name in able}
    z_scores: Mapping[tuple[str, str], float] = {}
    if family.needs_pairs:
        z_scores = history.z_scores(hour, tuple(choose_universe(features, family.size)))
    return BookMarket(features, z_scores, held_pairs, scores)


def measure_realised(panel: BookPanel, planned: Sequence[PlannedDecision], hour: int) -> float | None:
    """Return the annualised volatility of the unscaled targets over the sixty days that end at row `hour`.

    Weights of a decision hold from the next hour on, without drift and costs; an hour without a bar moves nothing. Only
    bars count that were known at the close. None before sixty days have been planned, and where nothing moved.
    """
    begin = hour - VOLATILITY_HOURS
    if not planned or planned[0].hour > begin:
        return None
    closes = read_known(panel, panel.closes, hour, VOLATILITY_HOURS + 1)
    moves = np.nan_to_num(closes[1:] / closes[:-1] - 1.0)
    earned = np.zeros(VOLATILITY_HOURS)
    end = VOLATILITY_HOURS
    for one in reversed(planned):
        start = max(0, one.hour - begin)
        for name, weight in one.target.weights.items():
            earned[start:end] += weight * moves[start:end, panel.names.index(name)]
        end = start
        if one.hour <= begin:
            break
    deviation = float(earned.std(ddof=1))
    return deviation * HOURS_PER_YEAR**0.5 if deviation > 0 else None
