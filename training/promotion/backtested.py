"""A model over some hours, beside its nulls and the champion: what the gate is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pairity.settings import Settings
from training.backtest.comparison import Arena, Contender
from training.contenders import Part, compare_contenders, join_scores
from training.data.history import load_history
from training.data.point_in_time import Join
from training.data.training_sets import TrainingSet
from training.promotion.evidence import ChampionResult, backtest_champion


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtested:
    """Backtest of one or more parts of a walk forward. The first of `contenders` is the model itself."""

    contenders: list[Contender]
    champion: ChampionResult
    arena: Arena
    scored: pl.DataFrame
    """Scores of all parts, as `contenders.join_scores` joins them."""
    bars: pl.DataFrame
    """asset, event_timestamp, open, high, low, close of the hours that were traded."""
    notes: list[str]


def backtest_parts(
    settings: Settings, training_set: TrainingSet, parts: Sequence[Part], last: datetime, join: Join, now: datetime
) -> Backtested:
    """Trade the scores of consecutive parts as one, up to the bar close `last`, beside the nulls and the champion."""
    history, bars = load_history(settings, join, parts[0].split.test_start, last, now)
    arena = Arena(settings, history)
    contenders, notes = compare_contenders(settings, arena, training_set, parts)
    return Backtested(
        contenders=contenders,
        champion=backtest_champion(settings, training_set, parts[0].split, contenders[0], join, now),
        arena=arena,
        scored=join_scores(parts),
        bars=bars,
        notes=notes,
    )
