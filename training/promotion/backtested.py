"""A model over some hours, beside its nulls and the champion: what the gate is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import polars as pl

from pairity.number_formats import format_count
from pairity.settings import Settings
from training.backtest.comparison import Arena, Contender
from training.backtest.performance import compute_hourly_returns
from training.contenders import Part, compare_contenders, join_scores
from training.data.history import load_history
from training.data.point_in_time import Join
from training.data.training_sets import TrainingSet
from training.evaluation.sharpe import compare_sharpe
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


class Rival(NamedTuple):
    """A version that the same training has made champion, and what it was judged by."""

    version: str
    contender: Contender


def compare_with_rival(backtested: Backtested, rival: Rival | None) -> Backtested:
    """Return the backtest with `rival`, over the hours of both, in the place of the champion of before; None: as it is.

    The rival has learnt from these hours since it was judged: what counts is what it showed before.
    """
    if rival is None:
        return backtested
    own, other = (compute_hourly_returns(one.result) for one in (backtested.contenders[0], rival.contender))
    hours = min(len(own), len(other))
    note = f"version {rival.version} of the same training over {format_count(hours, 'hour')}"
    lead = compare_sharpe(own[:hours], other[:hours])
    return replace(backtested, champion=ChampionResult(lead, note, rival.version))
