"""Train a book: the same hours, nulls, trials, last look and gate as a model of pairs, and a version of the registry.

What a training does with a book is to trade it over the test period, to put what it tried into the ledger of trials, to
let the gate judge it, and to register its definition. One that learns is traded walk-forward: that line is what the
gate judges. Registered with it is the fit of one moment, made by the function that made those of the walk: at the last
close where the book has passed, else at the end of the training part.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.books.families import BookFamily
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.backtest.comparison import MODEL, Arena, Contender, choose_hold_asset
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.basis import OpenBasis
from training.books.bench import FACTORS
from training.books.completeness import Completeness, measure_completeness
from training.books.evidence import Certainty, Variation, find_ruin, measure_certainty, split_by_year
from training.books.registrations import list_open
from training.books.run_files import define_stored_book, record_book, write_book_files
from training.books.stored_market import make_book_terms, name_trial
from training.books.train_report import BookTrainReport
from training.books.walked import WalkedBook, walk_book
from training.contenders import RULE, Part, compare_contenders, compare_ratios, join_scores, measure_trials
from training.data.history import load_history, read_bars
from training.data.point_in_time import Join
from training.data.splits import Split
from training.data.training_sets import TrainingSet
from training.evaluation.drift import ScoreDrift, measure_score_drift
from training.evaluation.line_statistics import list_statistics
from training.forest_fit import ScoredForest, score_test_period
from training.models.registrable import fit_registrable
from training.promotion.backtested import Backtested, Rival, compare_with_rival
from training.promotion.evidence import ParityCheck, backtest_champion
from training.promotion.judging import Case, judge
from training.promotion.promotion import decide_promotion
from training.reports.run_files import CARD, locate_directory
from training.stage_timer import StageTimer
from training.trials.ledger import TrialLedger
from training.trials.run import Market, Run

BOOK_STAGES = ("training set", "backtest", "costs", "gate", "report", "register")

BookTrainSteps = Generator[None, Rival | None, BookTrainReport]
"""A training that stops once, as `training.job.TrainSteps` does."""


def train_book_in_steps(
    settings: Settings,
    family: BookFamily,
    progress: Progress,
    open_basis: OpenBasis,
    join: Join,
    *,
    now: datetime,
    parity: ParityCheck | None,
    reason: str | None,
) -> BookTrainSteps:
    """Trade `family` over the test period of a training at `now`, judge it and register it.

    Arguments are those of `training.job.train`. MissingDataError where there is no universe of a book before the end of
    the test, and where one that learns knows too little at the end of the training part; nothing is registered then.
    """
    stages, terms = StageTimer(progress), make_book_terms(settings)
    with stages("training set"):
        basis = open_basis()
        whole, split, kept_back = basis.split(settings, basis.labelled)
        nulls = _Nulls(settings, basis.training_set, join, now)
    with stages("backtest"):
        walk = walk_book(settings, family, terms, split.test_start, kept_back.test_start - HOUR, now)
        fit = walk.fit_until(split.train_end)
        walked = nulls.beside(walk, [split])
    with stages("costs"):
        costs = walk.bench.trade_costs()
        closes = read_bars(settings, [choose_hold_asset(settings.universe.traded)], split.test_start, basis.last, now)
        market = Market.of(settings, closes, basis.digest)
        trial = name_trial(family, terms)
        # Before anything is judged: the trials of this training count too
        TrialLedger.of(settings).record(
            _list_runs(market, trial, walked.contenders[0], costs), "training", datetime.now(UTC)
        )
    rival = yield
    looked: list[WalkedBook] = []
    with stages("gate"):

        def look_on() -> Backtested:
            looked.append(walk_book(settings, family, terms, split.test_start, basis.last, now))
            return compare_with_rival(nulls.beside(looked[0], [split, kept_back]), rival)

        stored = measure_completeness(settings, family, basis.last, now)
        judgement = judge(
            Case(
                settings=settings,
                market=market,
                book=TrialLedger.of(settings).read(),
                walked=compare_with_rival(walked, rival),
                kept_back=kept_back,
                last=basis.last,
                parity=parity() if parity is not None else (None, "nothing was decided on live yet"),
                drift=_measure_drift(walk, seed=settings.model.seed),
                reason=reason,
                trial=trial,
                lacks=_list_lacks(stored, kept_back.test_start),
            ),
            look_on,
        )
        contenders = judgement.judged.contenders
        judged = looked[0] if judgement.looked else walk
    with stages("report"):
        files = write_book_files(settings, judged, contenders)
    certainty = measure_certainty(compute_hourly_returns(contenders[0].result))
    differences = {f"{MODEL}_{name}": value for name, value in compare_ratios(contenders).items()}
    measures = {
        **differences,
        **_flatten(contenders),
        **measure_trials(TrialLedger.of(settings).read().count(), contenders[0]),
        **_summarise(certainty, costs),
    }
    with stages("register"):
        # What passed counts as having seen everything, as a model of pairs does that is fitted once more
        learnt = replace(whole, train=basis.labelled) if judgement.verdict.passed else split
        if judgement.verdict.passed:
            fit = judged.fit_until(learnt.train_end)
        book = define_stored_book(settings, judged, terms, fit)
        model = record_book(
            settings, book, judged, learnt, judged.tabulate_weights(), metrics=measures, contenders=contenders
        )
        outcome = decide_promotion(settings, model, judgement.verdict, now)
    return BookTrainReport(
        family=family.name,
        universe=walk.universe,
        fitted_at=None if book.fit is None else book.fit.made_at,
        test_start=split.test_start,
        test_end=contenders[0].result.equity["time"][-1],
        kept_back_hours=0 if judgement.looked else (basis.last - kept_back.test_start) // HOUR + 1,
        backtests={one.key: one.metrics for one in contenders},
        contender_names={one.key: one.name for one in contenders},
        differences=differences,
        certainty=certainty,
        years=tuple(split_by_year(contenders[0].result)),
        costs=tuple(costs),
        notes=(
            *judgement.judged.notes,
            *_note(settings, walk, judged),
            *_note_ended(stored, kept_back.test_start),
            *basis.notes,
        ),
        market_digest=judged.digest_market(),
        snapshot_id=basis.training_set.snapshot_id,
        registration=book.registration,
        model=model,
        outcome=outcome,
        judged=contenders[0],
        files=(*files, locate_directory(settings) / CARD),
        stage_seconds=stages.seconds,
    )


class _Nulls:
    """What a book stands beside: the same rule, baseline, coin and champion as a model of pairs, over its hours."""

    def __init__(self, settings: Settings, training_set: TrainingSet, join: Join, now: datetime) -> None:
        self._rule = settings.model_copy(update={"model": settings.model.model_copy(update={"family": RULE})})
        self._settings, self._training_set, self._join, self._now = settings, training_set, join, now

    def beside(self, walk: WalkedBook, splits: Sequence[Split]) -> Backtested:
        """Return the book with its nulls and the champion, over the test periods of `splits` as one."""
        result = walk.run.result
        family = walk.bench.family
        book = Contender(MODEL, f"{family.name}: {family.description}", result, measure_performance(result))
        first, last = splits[0].test_start, result.equity["time"][-1]
        parts = [Part(split, self._score_rule(split)) for split in splits]
        history, bars = load_history(self._settings, self._join, first, last, self._now)
        arena = Arena(self._rule, history)
        nulls, notes = compare_contenders(self._rule, arena, self._training_set, parts)
        champion = backtest_champion(self._settings, self._training_set, splits[0], book, self._join, self._now)
        return Backtested(
            contenders=[book, *nulls[1:]],  # the first is the rule once more, as a model
            champion=champion,
            arena=arena,
            scored=join_scores(parts),
            bars=bars,
            notes=notes,
        )

    def _score_rule(self, split: Split) -> ScoredForest:
        rule = fit_registrable(split.train, self._training_set.service, self._rule)
        return score_test_period(rule.estimator, self._training_set, split)


def _list_runs(market: Market, trial: str, book: Contender, costs: Sequence[Variation]) -> list[Run]:
    """Return what was tried: the book, and the book at other costs, by the names that `pairity books` gives them."""
    first = book.result.equity["time"][0]
    tried = [market.make_run(trial, first, compute_hourly_returns(book.result))]
    return tried + [market.make_run(f"{trial}, {one.name}", first, one.returns) for one in costs]


def _measure_drift(walk: WalkedBook, *, seed: int) -> ScoreDrift:
    """Return how far the weights that were wanted in the test are from those that the hours before ask for.

    A rule learns nothing, and a book that learns does so walk-forward: what it says of the hours before is out of
    sample. Not known where these have no universe.
    """
    before, after = walk.tabulate_before(), walk.tabulate_weights()
    scored = after.select(EVENT_TIME, pl.col("weight").alias("probability"))
    return measure_score_drift((before, before["weight"].to_numpy()), scored, seed=seed)


def _flatten(contenders: Sequence[Contender]) -> dict[str, float | None]:
    """Return the measures of all contenders under the names that a training of a model of pairs gives them."""
    statistics = list_statistics(contenders)
    return {
        f"{one.key}_{name}": value
        for one in contenders
        for name, value in {**statistics[one.key], **one.metrics}.items()
    }


def _summarise(certainty: Certainty | None, costs: Sequence[Variation]) -> dict[str, float | None]:
    """Return the evidence that a book alone has: the years that its ratio needs, and what it earns at other costs."""
    at_costs = {
        f"costs_{by}_{name}": one.metrics[name]
        for by, one in zip(FACTORS, costs, strict=True)
        for name in ("net_return", "sharpe")
    }
    return {"model_years_needed": None if certainty is None else certainty.years_needed, **at_costs}


def _list_lacks(stored: Completeness, first: datetime) -> str:
    """Return what lacks in the hours of a look from `first` on, with the way out; empty where nothing does."""
    lacks = "; ".join(stored.list_lacks(stored.list_ended_before(first)))
    way_out = "collect it and run pairity features; a name that the venue has ended, take out of universe.assets"
    return f"{lacks} ({way_out})" if lacks else ""


def _note_ended(stored: Completeness, first: datetime) -> list[str]:
    """Return a note on the names that are taken as delisted because they end before `first`; nothing without any."""
    ended = stored.list_ended_before(first)
    return [f"taken as delisted, their bars end before the hours of the look: {', '.join(ended)}"] if ended else []


def _note(settings: Settings, walk: WalkedBook, judged: WalkedBook) -> list[str]:
    end = judged.panel.close_of(judged.panel.hours - 1)
    notes = [
        f"hours from {one.first:%Y-%m-%d %H:%M} UTC on are registered for a look at {one.name}, and were traded here: "
        "that look will ask for a reason"
        for one in list_open(settings)
        if one.first <= end and one.last >= judged.first
    ]
    if walk.universe > walk.first:
        notes.append(f"nothing is held before {walk.universe:%Y-%m-%d %H:%M} UTC, for want of a universe")
    if (lost := find_ruin(judged.run.result)) is not None:
        notes.append(f"the book is ruined at {lost:%Y-%m-%d %H:%M} UTC: nothing is left of it")
    return notes
