"""The leaderboard: all families on the same walk-forward folds, hours and costs, beside holding BTC.

Families of pairs are traded with the base leg alone and with both legs, books of many names netted. A model that was
trained only on what was known before it scores each test period; the periods are then traded as one. Nothing is chosen
by looking at them: every line counts as a trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME, PAIR_HOURLY
from model_registry.records import REFERENCE_FAMILY
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.errors import MissingDataError
from pairity.progress import Progress
from pairity.settings import Settings
from training.backtest.comparison import HOLD, Arena, Contender, choose_hold_asset
from training.backtest.performance import compute_hourly_returns
from training.backtest.trade_log import group_by_position
from training.books.lines import trade_book_lines
from training.data.asset_training_sets import build_asset_training_set
from training.data.folds import Fold, mirror_folds, require_hours_to_test, split_walk_forward
from training.data.history import load_history
from training.data.point_in_time import KNOWN, Join, count_decided_hours
from training.data.splits import keep_back, split_chronologically
from training.data.training_sets import (
    TrainingSet,
    build_training_set,
    choose_pair_service,
    digest_training_rows,
)
from training.evaluation.cost_threshold import CostThreshold
from training.evaluation.differences import measure_auc_difference, measure_sharpe_difference
from training.evaluation.forecasts import measure_information
from training.evaluation.forest_quality import classify
from training.evaluation.overfitting import Overfitting, estimate_overfitting_of_distinct
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.evaluation.superiority import Superiority
from training.evaluation.trial_clusters import TrialCount
from training.labels.outcomes import add_outcomes
from training.models.families import Family, Portfolio
from training.models.thresholds import has_own_threshold
from training.readiness import require_ready
from training.reports import score_files
from training.trials.judging import assess_trials
from training.trials.ledger import TrialLedger
from training.trials.run import Market
from training.walk_forward import LEGS, WalkForwardScores, score_walk_forward

TWO_LEGS = "_two_legs"
"""Ending of the line of a family that is traded with both legs."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the leaderboard: a family's backtest over all test periods, and the quality of its scores."""

    family: str
    description: str
    contender: Contender
    quality: dict[str, float | None]
    """`candidates_*`: classification on candidate rows (|z| above entry); `forecast_*`: rank correlation of score and
    outcome; `sign_*`: trading the sign. Labelled rows only. `sharpe_over_btc` and `roc_auc_over_pair_forest`, with
    their 95% intervals: differences to holding a coin and to the reference. Empty for holding a coin."""
    importances: dict[str, float]
    """Importances of the last fold's model."""
    scored: pl.DataFrame
    """event_timestamp, pair_id, score, label of every scored decision (of candidates, for families of pairs)."""
    decided: pl.DataFrame
    """pair_id, event_timestamp, score, train_end of every decision of the test periods; empty for holding a coin."""
    deflated_sharpe: float | None
    folds: list[dict[str, float | None]] = field(default_factory=list)
    """Per fold: net return and trades of the positions that were opened in it, the quality of its scores, and the
    threshold of its model."""
    thresholds: tuple[CostThreshold, ...] = ()
    """Threshold of each fold's model; empty where the family has none of its own."""


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All standings, best net return first, and the overfitting of choosing among them."""

    standings: tuple[Standing, ...]
    folds: tuple[Fold, ...]
    overfitting: Overfitting | None
    """Stability of the families' ranks by net return, holding a coin aside; None where fewer than two families
    traded."""
    training_set: TrainingSet
    trials: TrialCount
    """All trials of the ledger, these among them."""
    superiority: Superiority | None
    """Whether any trial over these hours earns more than nothing; None where the hours are too few."""
    notes: tuple[str, ...]
    bars: pl.DataFrame
    """asset, event_timestamp, open, high, low, close of the hours that were traded."""


class _Entrant(NamedTuple):
    family: Family | None
    """None for books and for holding a coin."""
    contender: Contender
    walk_scores: WalkForwardScores | None
    book: str | None = None
    """What the ledger of trials calls a book; None for the others."""

    @property
    def legs(self) -> str:
        """Legs that are traded: `base` or `both`."""
        return "both" if self.contender.key.endswith(TWO_LEGS) else "base"

    @property
    def is_coin(self) -> bool:
        """Whether it holds a coin: a measure of the others, no trial and no choice."""
        return self.contender.key == HOLD

    @property
    def is_choice(self) -> bool:
        """Whether somebody might choose it: not holding a coin, nor a book that is there for comparison."""
        return not self.is_coin and (self.book is None or BOOK_FAMILIES[self.contender.key].is_choice)

    @property
    def trial(self) -> str:
        """What was tried, for the ledger: a family's two lines are one trial with other settings."""
        return self.family.name if self.family is not None else self.book or self.contender.key

    @property
    def changes(self) -> dict[str, object]:
        """Settings of the strategy in which the line differs from the user's, for the ledger of trials."""
        if self.family is None or self.family.portfolio is not None:
            return {}
        return {"legs": self.legs}


def compare_families(
    settings: Settings,
    families: Sequence[Family],
    join: Join,
    now: datetime,
    progress: Progress,
    *,
    books: Sequence[BookFamily] = (),
    spare: bool = False,
) -> Leaderboard:
    """Fit, score and trade every family walk-forward (`settings.evaluation`).

    Families of `books` are traded over the same hours; nothing of them is fitted.
    With `spare`, the hours that the gate keeps back for its last look are left alone.
    Uses nothing that was unknown at `now`. Every line is written into the ledger of trials, holding a coin excepted,
    before any is judged. MissingDataError where the history is too short. A family that cannot be fitted on a fold is
    left out, with a note.
    """
    notes = require_ready(settings)
    # Labels are at no more hours than features: what these are too few for is refused before the long join.
    pair_ids = [pair.pair_id for pair in settings.universe.pairs]
    if hours := count_decided_hours(settings, PAIR_HOURLY, pair_ids, now):
        require_hours_to_test(hours, settings.evaluation.train_bars)
    progress.stage("training set", 1)
    training_set = build_training_set(settings, choose_pair_service(settings), join, now)
    until = _find_kept_back(settings, training_set) if spare else None
    training_set = _cut(training_set, until)
    evaluation = settings.evaluation
    labelled = training_set.labelled(settings.label)
    if any(has_own_threshold(family, settings) for family in families):
        labelled = add_outcomes(labelled, training_set, settings, join, now, *LEGS)
    folds = split_walk_forward(
        labelled,
        test_bars=evaluation.test_bars,
        train_bars=evaluation.train_bars,
        horizon_bars=settings.label.horizon_bars,
        rolling=evaluation.rolling,
    )
    history, bars = load_history(settings, join, folds[0].blocks[0].first, training_set.last_decision, now)
    arena = Arena(settings, history)
    fields = _TrainingSets(settings, join, now, training_set, folds, until)
    progress.advance(1)
    entrants: list[_Entrant] = []
    for number, family in enumerate(families, 1):
        # A stage each: a forest costs a hundred times what a rule does, and says nothing of how long others take
        progress.stage(f"{family.name} ({number} of {len(families)})", len(folds))
        try:
            walk_scores = score_walk_forward(settings, family, *fields.of(family.portfolio), progress)
        except MissingDataError as error:
            notes.append(f"{family.name} is left out: {error.what}")
            progress.advance(len(folds), f"{family.name} is left out")
            continue
        entrants += [
            _Entrant(family, contender, walk_scores) for contender in trade_scores(settings, arena, family, walk_scores)
        ]
    if books:
        progress.stage("books", len(books))
    lines, said = trade_book_lines(settings, books, history.hours, now, progress)
    entrants += [_Entrant(None, line.contender, None, line.trial) for line in lines]
    notes += said
    progress.stage("compare", 1)
    entrants.append(_Entrant(None, arena.trade_hold(choose_hold_asset(settings.universe.traded)), None))
    returns = [compute_hourly_returns(entrant.contender.result) for entrant in entrants]
    market = Market.of(settings, bars, digest_training_rows(training_set.labelled(settings.label)))
    first = history.hours[0]
    runs = [
        market.make_run(entrant.trial, first, own, entrant.changes)
        for entrant, own in zip(entrants, returns, strict=True)
        if not entrant.is_coin
    ]
    book = TrialLedger.of(settings).record(runs, "leaderboard", datetime.now(UTC))
    trials = book.count()
    standings = [_make_standing(settings, entrant, trials, folds) for entrant in entrants]
    _add_differences(settings, standings, returns)
    progress.advance(1)
    return Leaderboard(
        standings=tuple(sorted(standings, key=lambda s: -(s.contender.metrics["net_return"] or 0.0))),
        folds=tuple(folds),
        overfitting=_judge_ranks(entrants, returns),
        training_set=training_set,
        trials=trials,
        superiority=assess_trials(book, first, len(history.hours)),
        notes=tuple(notes),
        bars=bars,
    )


def trade_scores(
    settings: Settings, arena: Arena, family: Family, walk_scores: WalkForwardScores
) -> Iterator[Contender]:
    """Trade one set of scores: pairs with the base leg alone and, where that trades at all, also with both legs."""
    if family.portfolio is not None:
        policy = family.portfolio.make_policy(settings)
        yield arena.trade_portfolio(
            family.name, family.description, walk_scores.rows, walk_scores.pairs, policy, walk_scores.train_end
        )
        return
    pair, end = None if family.choose_pair is None else walk_scores.pairs[0], walk_scores.train_end
    alone = arena.trade_family(family.name, family.description, walk_scores.choose_legs("base"), pair, end)
    yield alone
    if alone.metrics["trades"] or walk_scores.thresholds:
        name, description = f"{family.name}{TWO_LEGS}", f"{family.description}; two legs"
        yield arena.trade_family(name, description, walk_scores.choose_legs("both"), pair, end, "both")


class _TrainingSets:
    """Training sets and folds of the families; each training set of assets is built once."""

    def __init__(
        self,
        settings: Settings,
        join: Join,
        now: datetime,
        pairs: TrainingSet,
        folds: Sequence[Fold],
        until: datetime | None,
    ) -> None:
        self._settings, self._join, self._now, self._until = settings, join, now, until
        self._pairs = pairs, list(folds)
        self._known: dict[tuple[str, int, bool, tuple[str, ...]], tuple[TrainingSet, list[Fold]]] = {}

    def of(self, portfolio: Portfolio | None) -> tuple[TrainingSet, list[Fold]]:
        """Return training set and folds of the same test periods; MissingDataError where features are missing."""
        if portfolio is None:
            return self._pairs
        assets = portfolio.list_assets(self._settings)
        key = portfolio.service.name, portfolio.horizon_bars, portfolio.daily, assets
        if key not in self._known:
            training_set = build_asset_training_set(
                self._settings,
                portfolio.service,
                self._join,
                self._now,
                assets=assets,
                horizon_bars=portfolio.horizon_bars,
                daily=portfolio.daily,
            )
            training_set = _cut(training_set, self._until)
            labelled = training_set.rows.filter(pl.col(KNOWN) & pl.col("label").is_not_null())
            self._known[key] = training_set, mirror_folds(labelled, self._pairs[1], horizon_bars=portfolio.horizon_bars)
        return self._known[key]


def _find_kept_back(settings: Settings, training_set: TrainingSet) -> datetime:
    """Return the first bar close that a training at this moment would keep back."""
    labelled = training_set.labelled(settings.label)
    split = split_chronologically(labelled, settings.model.test_fraction, horizon_bars=settings.label.horizon_bars)
    return keep_back(split, labelled, training_set.last_decision, settings.gate.last_look)[1].test_start


def _cut(training_set: TrainingSet, until: datetime | None) -> TrainingSet:
    if until is None:
        return training_set
    return replace(training_set, rows=training_set.rows.filter(pl.col(EVENT_TIME) < until))


def _make_standing(settings: Settings, entrant: _Entrant, trials: TrialCount, folds: Sequence[Fold]) -> Standing:
    family, contender, walk_scores = entrant.family, entrant.contender, entrant.walk_scores
    legs = entrant.legs
    ratio = estimate_sharpe(compute_hourly_returns(contender.result))
    by_fold = _measure_by_fold(contender, folds)
    quality: dict[str, float | None] = {}
    scored = pl.DataFrame(
        schema={
            "event_timestamp": pl.Datetime("us", "UTC"),
            "pair_id": pl.String,
            "score": pl.Float64,
            "label": pl.Float64,
        }
    )
    if family is not None and walk_scores is not None:
        evaluated = _select_evaluated(settings, family, walk_scores.choose_legs(legs))
        quality = _measure_quality(settings, family, evaluated)
        by_fold = [
            traded | _measure_quality(settings, family, evaluated.filter(pl.col("fold") == number))
            for number, traded in enumerate(by_fold, 1)
        ]
        thresholds = walk_scores.thresholds.get(legs, ())
        by_fold = [
            values | ({"threshold": thresholds[place].value} if thresholds else {})
            for place, values in enumerate(by_fold)
        ]
        scored = evaluated.select("event_timestamp", "pair_id", "score", pl.col("label").cast(pl.Float64))
    return Standing(
        family=contender.key,
        description=contender.name,
        contender=contender,
        quality=quality,
        importances=walk_scores.importances if walk_scores is not None else {},
        scored=scored,
        decided=pl.DataFrame() if walk_scores is None else walk_scores.choose_legs(legs).select(*score_files.SCHEMA),
        thresholds=() if walk_scores is None else walk_scores.thresholds.get(legs, ()),
        deflated_sharpe=None if ratio is None else deflate_sharpe(ratio, trials.effective),
        folds=by_fold,
    )


def _add_differences(settings: Settings, standings: Sequence[Standing], returns: Sequence[NDArray[np.float64]]) -> None:
    """Add to each family's quality how far it is above holding the coin, which is last, and above the reference."""
    reference = next((standing for standing in standings if standing.family == REFERENCE_FAMILY), None)
    for standing, own in zip(standings[:-1], returns[:-1], strict=True):
        standing.quality.update(measure_sharpe_difference(own, returns[-1], standings[-1].family))
        if reference is not None and reference is not standing and "candidates_rows" in standing.quality:
            reach = settings.label.horizon_bars
            standing.quality.update(measure_auc_difference(standing.scored, reference.scored, reference.family, reach))


def _select_evaluated(settings: Settings, family: Family, scored: pl.DataFrame) -> pl.DataFrame:
    """Return rows with a score and an outcome; of pairs only candidates: elsewhere a label is 0 by definition."""
    rows = scored.drop_nulls(["label", "score"])
    return rows if family.portfolio is not None else rows.filter(pl.col("z_score").abs() > settings.label.z_entry)


def _measure_quality(settings: Settings, family: Family, evaluated: pl.DataFrame) -> dict[str, float | None]:
    if family.portfolio is not None:
        information = measure_information(evaluated, family.portfolio.horizon_bars)
        return information | family.portfolio.measure_quality(evaluated, settings)
    measures = classify(evaluated, "score", settings)
    information = measure_information(evaluated, settings.label.horizon_bars)
    return {f"candidates_{name}": value for name, value in measures.items()} | information


def _measure_by_fold(contender: Contender, folds: Sequence[Fold]) -> list[dict[str, float | None]]:
    """Measure positions by the test period in which they were decided; the last one reaches to the end of history."""
    starts = [fold.blocks[0].first for fold in folds]
    by_fold: list[dict[str, float | None]] = []
    for first, after in zip(starts, [*starts[1:], None], strict=True):
        own = group_by_position(contender.result.trades).filter(pl.col("opened_at") >= first)
        if after is not None:
            own = own.filter(pl.col("opened_at") < after)
        net = float(own["net_pnl"].sum()) / contender.result.initial_equity
        by_fold.append({"net_return": net, "trades": float(own.height)})
    return by_fold


def _judge_ranks(entrants: Sequence[_Entrant], returns: Sequence[NDArray[np.float64]]) -> Overfitting | None:
    """Judge the choice among families: holding a coin is none of them, and its rank follows the market's."""
    chosen = [own for entrant, own in zip(entrants, returns, strict=True) if entrant.is_choice]
    return estimate_overfitting_of_distinct(np.column_stack(chosen)) if chosen else None
