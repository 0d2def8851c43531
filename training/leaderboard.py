"""All families on the same walk-forward folds, the same hours and the same costs, beside holding BTC.

Families of pairs are traded with the base leg alone and with both legs. Each test period is scored by a model that was
trained on what was known before it, and nothing else; the periods are then traded as one. Nothing is chosen by looking
at them: every line counts as a trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.errors import MissingDataError
from pairity.progress import Progress
from pairity.settings import Settings
from training.backtest.comparison import Arena, Contender, hold_asset
from training.backtest.performance import hourly_returns
from training.backtest.trade_log import positions
from training.data import asset_training_sets as asset_datasets
from training.data import training_sets as datasets
from training.data.folds import Fold, mirrored, walk_forward
from training.data.history import load_history
from training.data.training_sets import Dataset, Join
from training.evaluation.forecasts import information
from training.evaluation.metrics import classification
from training.evaluation.overfitting import Overfitting, among_different
from training.evaluation.sharpe import deflated, estimate
from training.models.families import Family, Portfolio
from training.walk_forward import Walked, walk


@dataclass(frozen=True, slots=True)
class Standing:
    """One line: a family's backtest over all test periods, and how good its scores were."""

    family: str
    told: str
    contender: Contender
    quality: dict[str, float | None]
    """`candidates_*`: classification on candidate rows (|z| above entry); `forecast_*`: rank correlation of score and
    outcome; `sign_*`: trading the sign. Labelled rows only; empty for holding a coin."""
    importances: dict[str, float]
    """Of the last fold's model."""
    scored: pl.DataFrame
    """event_timestamp, pair_id, score, label of every scored decision (of candidates, for families of pairs)."""
    deflated_sharpe: float | None
    folds: list[dict[str, float | None]] = field(default_factory=list)
    """Per fold: net return and trades of the positions that were opened in it, and the quality of its scores."""


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All standings, best net return first, and what choosing among them is worth."""

    standings: tuple[Standing, ...]
    folds: tuple[Fold, ...]
    overfitting: Overfitting | None
    """Of choosing the best family by its Sharpe ratio; None where fewer than two of them traded."""
    dataset: Dataset
    trials: int
    notes: tuple[str, ...]
    bars: pl.DataFrame
    """asset, event_timestamp, open, high, low, close of the hours that were traded."""


class _Entrant(NamedTuple):
    family: Family | None
    contender: Contender
    walked: Walked | None


def compare_families(
    settings: Settings,
    families: Sequence[Family],
    join: Join,
    now: datetime,
    progress: Progress,
    earlier_trials: Sequence[float] = (),
) -> Leaderboard:
    """Fit, score and trade every family walk-forward (`settings.evaluation`).

    `earlier_trials`: Sharpe ratios per hour of what was tried before, for the deflated Sharpe ratio. MissingDataError
    where the history is too short; a family that cannot be fitted on some fold is left out, with a note.
    """
    progress.stage("training set", 1)
    dataset = datasets.build(settings, datasets.pair_service(settings), join, now)
    evaluation = settings.evaluation
    folds = walk_forward(
        dataset.labelled(settings.label), test_bars=evaluation.test_bars, train_bars=evaluation.train_bars,
        rolling=evaluation.rolling,
    )  # fmt: skip
    history, bars = load_history(settings, join, dataset, folds[0].blocks[0].first, now)
    arena = Arena(settings, history)
    fields = _Fields(settings, join, now, dataset, folds)
    progress.stage("families", len(families) * len(folds) + 1)
    entrants: list[_Entrant] = []
    notes: list[str] = []
    for family in families:
        try:
            walked = walk(settings, family, *fields.of(family.portfolio), progress)
        except MissingDataError as error:
            notes.append(f"{family.name} is left out: {error.what}")
            continue
        entrants += [_Entrant(family, contender, walked) for contender in traded(settings, arena, family, walked)]
    entrants.append(_Entrant(None, arena.hold(hold_asset(settings.universe.assets)), None))
    progress.advance(1)
    returns = [hourly_returns(entrant.contender.result) for entrant in entrants]
    trials = [*earlier_trials, *_ratios(returns)]
    standings = [_standing(settings, entrant, trials, folds) for entrant in entrants]
    return Leaderboard(
        standings=tuple(sorted(standings, key=lambda s: -(s.contender.metrics["net_return"] or 0.0))),
        folds=tuple(folds), overfitting=among_different(np.column_stack(returns)), dataset=dataset, trials=len(trials),
        notes=tuple(notes), bars=bars,
    )  # fmt: skip


def traded(settings: Settings, arena: Arena, family: Family, walked: Walked) -> Iterator[Contender]:
    """One set of scores traded: pairs with the base leg alone, and with both legs where they trade at all."""
    if family.portfolio is not None:
        policy = family.portfolio.policy(settings)
        yield arena.portfolio(family.name, family.told, walked.rows, walked.pairs, policy, walked.train_end)
        return
    pair = None if family.pair is None else walked.pairs[0]
    alone = arena.family(family.name, family.told, walked.rows, pair, walked.train_end)
    yield alone
    if alone.metrics["trades"]:
        name, told = f"{family.name}_two_legs", f"{family.told}; two legs"
        yield arena.family(name, told, walked.rows, pair, walked.train_end, "both")


class _Fields:
    """What families learn from; each training set of assets is made once."""

    def __init__(self, settings: Settings, join: Join, now: datetime, pairs: Dataset, folds: Sequence[Fold]) -> None:
        self._settings, self._join, self._now = settings, join, now
        self._pairs = pairs, list(folds)
        self._known: dict[tuple[str, int, bool, tuple[str, ...]], tuple[Dataset, list[Fold]]] = {}

    def of(self, portfolio: Portfolio | None) -> tuple[Dataset, list[Fold]]:
        """Training set and folds of the same test periods; MissingDataError where its features are not there."""
        if portfolio is None:
            return self._pairs
        assets = portfolio.assets(self._settings)
        key = portfolio.service.name, portfolio.horizon_bars, portfolio.daily, assets
        if key not in self._known:
            dataset = asset_datasets.build(
                self._settings, portfolio.service, self._join, self._now,
                assets=assets, horizon_bars=portfolio.horizon_bars, daily=portfolio.daily,
            )  # fmt: skip
            labelled = dataset.rows.filter(pl.col(datasets.KNOWN) & pl.col("label").is_not_null())
            self._known[key] = dataset, mirrored(labelled, self._pairs[1])
        return self._known[key]


def _standing(settings: Settings, entrant: _Entrant, trials: Sequence[float], folds: Sequence[Fold]) -> Standing:
    family, contender, walked = entrant
    ratio = estimate(hourly_returns(contender.result))
    by_fold = _by_fold(contender, folds)
    quality: dict[str, float | None] = {}
    scored = pl.DataFrame(schema={"event_timestamp": pl.Datetime("us", "UTC"), "pair_id": pl.String,
                                  "score": pl.Float64, "label": pl.Float64})  # fmt: skip
    if family is not None and walked is not None:
        judged = _judged(settings, family, walked)
        quality = _quality(settings, family, judged)
        by_fold = [
            traded | _quality(settings, family, judged.filter(pl.col("fold") == number))
            for number, traded in enumerate(by_fold, 1)
        ]
        scored = judged.select("event_timestamp", "pair_id", "score", pl.col("label").cast(pl.Float64))
    return Standing(
        family=contender.key, told=contender.name, contender=contender, quality=quality,
        importances=walked.importances if walked is not None else {}, scored=scored,
        deflated_sharpe=None if ratio is None else deflated(ratio, trials), folds=by_fold,
    )  # fmt: skip


def _judged(settings: Settings, family: Family, walked: Walked) -> pl.DataFrame:
    """Rows with a score and an outcome; of pairs the candidates only, elsewhere a label is 0 by definition."""
    rows = walked.rows.drop_nulls(["label", "score"])
    return rows if family.portfolio is not None else rows.filter(pl.col("z_score").abs() > settings.label.z_entry)


def _quality(settings: Settings, family: Family, judged: pl.DataFrame) -> dict[str, float | None]:
    if family.portfolio is not None:
        return information(judged) | family.portfolio.quality(judged, settings)
    found = classification(judged["label"].to_numpy(), judged["score"].to_numpy(), settings.strategy.probability_min)
    return {f"candidates_{name}": value for name, value in found.items()} | information(judged)


def _by_fold(contender: Contender, folds: Sequence[Fold]) -> list[dict[str, float | None]]:
    """Positions by the period in which they were decided; the last one reaches to the end of history."""
    starts = [fold.blocks[0].first for fold in folds]
    found: list[dict[str, float | None]] = []
    for first, after in zip(starts, [*starts[1:], None], strict=True):
        own = positions(contender.result.trades).filter(pl.col("opened_at") >= first)
        if after is not None:
            own = own.filter(pl.col("opened_at") < after)
        net = float(own["net_pnl"].sum()) / contender.result.initial_equity
        found.append({"net_return": net, "trades": float(own.height)})
    return found


def _ratios(returns: Sequence[NDArray[np.float64]]) -> list[float]:
    return [ratio.value for ratio in map(estimate, returns) if ratio is not None]
