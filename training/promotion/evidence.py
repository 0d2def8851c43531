"""Evidence on a challenger: what its backtest shows beside the nulls, the champion, and all trials that were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from model_registry.loading import load_book, load_estimator
from model_registry.records import ModelRef
from model_registry.registry import find_champion
from pairity.errors import NoChampionError, SignatureError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.backtest.comparison import BASELINE, HOLD, MODEL, Arena, Contender
from training.backtest.performance import compute_hourly_returns
from training.backtest.records import BacktestResult
from training.books.stored_market import make_book_terms
from training.books.walked import walk_book
from training.contenders import RULE
from training.data.history import load_history
from training.data.point_in_time import Join
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.drift import ScoreDrift
from training.evaluation.sharpe import SharpeLead, compare_sharpe, deflate_sharpe, estimate_sharpe
from training.forest_fit import score_test_period
from training.promotion.gate import Evidence, Look
from training.trials.book import TrialBook
from training.trials.judging import assess_trials

ParityCheck = Callable[[], tuple[int, str]]
"""Compares the features of live decisions with the offline store; returns how many values differ, and a description."""
LEAST_COMMON_HOURS = 48
"""Hours that a champion must not have seen for a comparison with it."""


@dataclass(frozen=True, slots=True)
class ChampionResult:
    """Lead over the champion on hours that it has not seen; None, with a note, where there is no fair comparison."""

    lead: SharpeLead | None
    note: str
    version: str | None = None


def backtest_champion(
    settings: Settings, training_set: TrainingSet, split: Split, model: Contender, join: Join, now: datetime
) -> ChampionResult:
    """Backtest the champion over those of the challenger's hours that it has not seen, and compare."""
    try:
        current = find_current_champion(settings)
    except SignatureError as error:
        return ChampionResult(None, error.what)
    if current is None:
        return ChampionResult(None, "there is no champion yet")
    name = f"version {current.version}"
    universe = settings.universe.assets if current.is_book else settings.universe.traded
    is_other = not current.is_book and current.feature_service != training_set.service.name
    if is_other or current.universe != ",".join(universe):
        return ChampionResult(None, f"champion {name} was made for other pairs or features", current.version)
    seen = datetime.fromisoformat(current.train_end)
    hours = model.result.equity["time"].to_list()
    unseen = [hour for hour in hours if hour > seen]
    if len(unseen) < LEAST_COMMON_HOURS:
        return ChampionResult(None, f"champion {name} has seen these hours", current.version)
    # The champion begins flat at its first hour; the challenger may hold a position then, as it would
    if current.is_book:
        result = _trade_book(settings, current, unseen[0], hours[-1], now)
    else:
        own = replace(split, test_start=unseen[0], until=hours[-1] + HOUR)
        estimator = load_estimator(Layout.of(settings), current)
        scored = score_test_period(estimator, training_set, own, threshold=current.threshold).scored
        history, _ = load_history(settings, join, unseen[0], hours[-1], now)
        result = Arena(settings, history).trade_model(scored, seen).result
    lead = compare_sharpe(compute_hourly_returns(model.result)[-len(unseen) :], compute_hourly_returns(result))
    return ChampionResult(lead, f"champion {name} over {format_count(len(unseen), 'hour')}", current.version)


def _trade_book(
    settings: Settings, champion: ModelRef, first: datetime, last: datetime, now: datetime
) -> BacktestResult:
    """Trade the book of a version, within its own limits, at the costs of the settings: those of its challenger."""
    book = load_book(Layout.of(settings), champion)
    terms = replace(make_book_terms(settings), limits=book.limits)
    return walk_book(settings, book.family, terms, first, last, now, book.fit).run.result


def find_current_champion(settings: Settings) -> ModelRef | None:
    """Return the champion, None where there is none; SignatureError where it is not signed."""
    try:
        return find_champion(settings)
    except NoChampionError:
        return None


def collect_evidence(
    contenders: Sequence[Contender],
    champion: ChampionResult,
    book: TrialBook,
    look: Look,
    *,
    parity: tuple[int | None, str],
    drift: ScoreDrift,
) -> Evidence:
    """Return the evidence on a challenger, the first of `contenders`; `book` has all trials, this one among them."""
    by_key = {contender.key: contender for contender in contenders}
    model = by_key[MODEL]
    returns = compute_hourly_returns(model.result)
    leads = {
        key: compare_sharpe(returns, compute_hourly_returns(other.result))
        for key, other in by_key.items()
        if key != MODEL and len(returns) > 2
    }
    sharpe, trials = estimate_sharpe(returns), book.count()
    superior = None
    if np.ptp(returns) > 0:
        superior = assess_trials(book, model.result.equity["time"][0], len(returns), returns)
    return Evidence(
        net=model.metrics["net_return"],
        trades=int(model.metrics["trades"] or 0),
        baseline=leads.get(BASELINE),
        nulls={name: leads[key] for key, name in ((RULE, RULE), (HOLD, by_key[HOLD].name)) if key in leads},
        champion=champion.lead,
        champion_note=champion.note,
        deflated_sharpe=None if sharpe is None else deflate_sharpe(sharpe, trials.effective),
        trials=trials,
        superior=None if superior is None else float(superior.adjusted[0]),
        superior_best=None if superior is None else superior.best,
        look=look,
        parity_mismatches=parity[0],
        parity_note=parity[1],
        drift=drift,
    )
