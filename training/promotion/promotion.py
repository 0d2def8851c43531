"""From a finished training to a decision: may the new model trade?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from pairity.errors import NoChampionError
from pairity.settings import Settings
from training import registry
from training.backtest.comparison import Arena, Contender
from training.backtest.performance import compute_hourly_returns
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.drift import compute_stability_index
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.forest_fit import score_test_period
from training.promotion import gate
from training.registry import ModelRef

ParityCheck = Callable[[], tuple[int, str]]
"""Compares what was decided on live with the offline store: (values that differ, in words)."""
ON_TRIAL = "first model, on trial"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate said, and who is champion now."""

    verdict: gate.Verdict
    promoted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Rival:
    """The champion's net return over the challenger's test hours; None with the reason where that is not fair."""

    net: float | None
    told: str
    version: str | None = None


def conclude(settings: Settings, model: ModelRef, evidence: gate.Evidence, now: datetime) -> Outcome:
    """Judge a registered challenger, record the verdict, and promote it if it passed.

    Where there is no champion yet the first model is promoted on trial whatever the verdict: it may trade on demo, and
    real money is refused to a champion that did not pass.
    """
    verdict = gate.judge(evidence, settings.gate)
    registry.record_verdict(settings, model.version, verdict)
    first = _champion(settings) is None
    if not verdict.passed and not first:
        return Outcome(verdict, False, verdict.reason)
    reason = verdict.reason if verdict.passed else f"{ON_TRIAL}: {verdict.reason}"
    registry.promote(settings, model.version, reason, now)
    return Outcome(verdict, True, reason)


def rival(settings: Settings, dataset: TrainingSet, split: Split, arena: Arena) -> Rival:
    """Backtest the champion over the challenger's test hours, if it has seen none of them."""
    current = _champion(settings)
    if current is None:
        return Rival(None, "there is no champion yet")
    name = f"version {current.version}"
    if datetime.fromisoformat(current.train_end) >= split.test_start:
        return Rival(None, f"champion {name} has seen these hours", current.version)
    if current.feature_service != dataset.service.name or current.tags.get("universe") != _universe(settings):
        return Rival(None, f"champion {name} was made for other pairs or features", current.version)
    fitted = score_test_period(_load(settings, current), dataset, split)
    contender = arena.trade_model(fitted.scored, datetime.fromisoformat(current.train_end))
    return Rival(contender.metrics["net_return"], f"champion {name} over the same hours", current.version)


def evidence_of(
    contenders: Mapping[str, Contender],
    rival_found: Rival,
    trial_sharpes: list[float],
    scores_in: pl.Series,
    scores_out: pl.Series,
    parity: ParityCheck | None,
) -> gate.Evidence:
    """Collect what the gate looks at.

    `trial_sharpes` are the Sharpe ratios per hour of all trials, this one among them; `scores_in` and `scores_out` the
    model's probabilities on its training rows and out of sample.
    """
    model, baseline = contenders["model"], contenders.get("baseline")
    found = estimate_sharpe(compute_hourly_returns(model.result))
    mismatches, told = parity() if parity is not None else (None, "nothing was decided on live yet")
    return gate.Evidence(
        net=model.metrics["net_return"],
        trades=int(model.metrics["trades"] or 0),
        baseline_net=None if baseline is None else baseline.metrics["net_return"],
        champion_net=rival_found.net,
        champion_told=rival_found.told,
        deflated_sharpe=None if found is None else deflate_sharpe(found, trial_sharpes),
        trials=len(trial_sharpes),
        parity_mismatches=mismatches,
        parity_told=told,
        psi=compute_stability_index(scores_in.to_numpy(), scores_out.to_numpy()),
    )


def _champion(settings: Settings) -> ModelRef | None:
    try:
        return registry.champion(settings)
    except NoChampionError:
        return None


def _load(settings: Settings, model: ModelRef) -> Any:  # noqa: ANN401 - sklearn.Pipeline
    directory = registry.checked_directory(settings, model)
    import mlflow.sklearn

    return mlflow.sklearn.load_model(str(directory))


def _universe(settings: Settings) -> str:
    return ",".join(settings.universe.assets)
