"""From a finished training to a decision: may the new model trade?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from model_registry.loading import load_estimator
from model_registry.records import ModelRef, Verdict
from model_registry.registry import find_champion, promote, record_verdict
from pairity.errors import NoChampionError, SignatureError
from pairity.layout import Layout
from pairity.settings import Settings
from training.backtest.comparison import Arena, Contender
from training.backtest.performance import compute_hourly_returns
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.drift import compute_stability_index
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.forest_fit import score_test_period
from training.promotion.gate import Evidence, apply_gate
from training.trials.book import TrialBook
from training.trials.judging import assess_trials

ParityCheck = Callable[[], tuple[int, str]]
"""Compares the features of live decisions with the offline store; returns how many values differ, and a description."""
ON_TRIAL = "first model, on trial"


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """Outcome of the gate: the verdict, whether the challenger is champion now, and why."""

    verdict: Verdict
    promoted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ChampionResult:
    """Net return of the champion over the challenger's test hours; None, with a note, where that would not be fair."""

    net: float | None
    note: str
    version: str | None = None


def decide_promotion(settings: Settings, model: ModelRef, evidence: Evidence, now: datetime) -> GateOutcome:
    """Apply the gate to a registered challenger, record the verdict, and promote the challenger if it passed.

    Where there is no champion yet, the first model is promoted on trial whatever the verdict: it may trade on demo, and
    real money is refused to a champion that did not pass. Beside a champion that is not signed nothing is promoted: the
    comparison with it would prove nothing, and somebody has to look at it.
    """
    verdict = apply_gate(evidence, settings.gate)
    record_verdict(settings, model.version, verdict)  # first: no champion is ever without the verdict on it
    try:
        is_first = _current_champion(settings) is None
    except SignatureError as error:
        return GateOutcome(verdict, False, f"nothing is promoted: {error.what}")
    if not verdict.passed and not is_first:
        return GateOutcome(verdict, False, verdict.reason)
    reason = verdict.reason if verdict.passed else f"{ON_TRIAL}: {verdict.reason}"
    promote(settings, model.version, reason, now)
    return GateOutcome(verdict, True, reason)


def backtest_champion(settings: Settings, training_set: TrainingSet, split: Split, arena: Arena) -> ChampionResult:
    """Backtest the champion over the challenger's test hours, if it has seen none of them."""
    try:
        current = _current_champion(settings)
    except SignatureError as error:
        return ChampionResult(None, error.what)
    if current is None:
        return ChampionResult(None, "there is no champion yet")
    name = f"version {current.version}"
    if datetime.fromisoformat(current.train_end) >= split.test_start:
        return ChampionResult(None, f"champion {name} has seen these hours", current.version)
    if current.feature_service != training_set.service.name or current.universe != ",".join(settings.universe.traded):
        return ChampionResult(None, f"champion {name} was made for other pairs or features", current.version)
    fitted = score_test_period(load_estimator(Layout.of(settings), current), training_set, split)
    contender = arena.trade_model(fitted.scored, datetime.fromisoformat(current.train_end))
    return ChampionResult(contender.metrics["net_return"], f"champion {name} over the same hours", current.version)


def collect_evidence(
    contenders: Mapping[str, Contender],
    champion: ChampionResult,
    book: TrialBook,
    scores_in: pl.Series,
    scores_out: pl.Series,
    parity: ParityCheck | None,
) -> Evidence:
    """Return the evidence on a challenger, whose backtests are `contenders`.

    `book` has all trials, this one among them. `scores_in` and `scores_out` are the model's probabilities on its
    training rows and out of sample.
    """
    model, baseline = contenders["model"], contenders.get("baseline")
    returns = compute_hourly_returns(model.result)
    sharpe, trials = estimate_sharpe(returns), book.count()
    superior = assess_trials(book, model.result.equity["time"][0], len(returns), returns)
    mismatches, parity_note = parity() if parity is not None else (None, "nothing was decided on live yet")
    return Evidence(
        net=model.metrics["net_return"],
        trades=int(model.metrics["trades"] or 0),
        baseline_net=None if baseline is None else baseline.metrics["net_return"],
        champion_net=champion.net,
        champion_note=champion.note,
        deflated_sharpe=None if sharpe is None else deflate_sharpe(sharpe, trials.effective),
        trials=trials,
        superior=None if superior is None else float(superior.adjusted[0]),
        superior_best=None if superior is None else superior.best,
        parity_mismatches=mismatches,
        parity_note=parity_note,
        psi=compute_stability_index(scores_in.to_numpy(), scores_out.to_numpy()),
    )


def _current_champion(settings: Settings) -> ModelRef | None:
    try:
        return find_champion(settings)
    except NoChampionError:
        return None
