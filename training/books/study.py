"""The study of books: every family over the same hours, after costs, with what its result depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.durable import replace_file_with
from pairity.errors import UnknownNameError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.backtest.comparison import choose_hold_asset
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.backtest.records import BacktestResult
from training.books.bench import BookBench, find_half_capital
from training.books.decision_log import write_decisions
from training.books.engine import BookRun
from training.books.evidence import (
    Certainty,
    Floats,
    Variation,
    correlate,
    find_ruin,
    hold_name,
    measure_certainty,
    split_by_quarter,
    split_by_year,
)
from training.books.lines import explain_comparison, note_begin
from training.books.market_cases import Question, ask_market
from training.books.placebo import Placebo
from training.books.registrations import list_open
from training.books.stored_market import find_first_universe, load_market, make_book_terms, name_trial
from training.books.study_cases import BooksAsked, BookStudy, leave_out, study_all, try_hours
from training.data.contracts import note_assumed_contracts
from training.data.point_in_time import read_snapshot_id
from training.data.unit_check import require_one_unit
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.evaluation.trial_clusters import TrialCount
from training.reports.books_page import write_books_page
from training.trials.ledger import TrialLedger
from training.trials.run import Market, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEvidence:
    """One family: its result, how sure it is, by year and quarter, under other circumstances, beside placebos."""

    family: BookFamily
    run: BookRun
    metrics: Mapping[str, float | None]
    certainty: Certainty | None
    deflated_sharpe: float | None
    """Probability that the ratio is above what the best of all trials so far would show by luck."""
    years: tuple[tuple[int, float, float | None], ...]
    quarters: tuple[tuple[str, float], ...]
    variations: tuple[Variation, ...]
    """Costs, a day's delay, other hours of decision."""
    capacity: tuple[tuple[float, Variation], ...]
    """Capital in USDT, ascending → the book with it."""
    half_capital: float | None
    """Capital at which half of the smallest one's net return is left."""
    placebos: tuple[Placebo, ...]
    left_out: tuple[tuple[str, float | None], ...]
    """Name that was left out → Sharpe ratio without it, lowest first; empty where that was not asked for."""

    @property
    def result(self) -> BacktestResult:
        """The book itself."""
        return self.run.result


@dataclass(frozen=True, slots=True)
class BooksReport:
    """Evidence of all families over the same hours, and how their hourly returns move together."""

    evidence: tuple[BookEvidence, ...]
    correlations: Mapping[str, Mapping[str, float | None]]
    first: datetime
    last: datetime
    coin: str
    coin_returns: Floats
    """Hourly returns of holding this coin over the same hours."""
    trials: TrialCount
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def choose_families(names: Sequence[str]) -> list[BookFamily]:
    """Return the families of these names, all without any; UnknownNameError lists those that exist."""
    for name in names:
        if name not in BOOK_FAMILIES:
            raise UnknownNameError("family of books", name, BOOK_FAMILIES)
    return [BOOK_FAMILIES[name] for name in dict.fromkeys(names)] or list(BOOK_FAMILIES.values())


def study_books(
    settings: Settings,
    families: Sequence[BookFamily],
    progress: Progress,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    in_depth: bool = False,
    whole: bool = False,
    limit_first: bool = False,
) -> BooksReport:
    """Backtest `families` on the stored bars of the universe from `since` to `until` (closes), as known at `now`.

    With `limit_first` every decision is a limit order before it is a market order (`executions`). Default is from the
    first close at which a universe of books exists. `in_depth` leaves each name out once, too. All runs are noted as
    trials. Hours from the first on that is registered and was not looked at are left alone, unless `whole`.
    MissingDataError where no book can be made, and for features in a unit of before a redenomination. Writes the equity
    curves as Parquet.
    """
    require_one_unit(settings)
    layout = Layout.of(settings)
    until, spared = (until, []) if whole else _spare_registered(settings, now, until)
    stored = load_market(settings, now, until)
    panel = stored.history.panel
    first = find_first_universe(panel, since)
    terms = make_book_terms(settings, limit_first=limit_first)
    benches = [
        BookBench(history=stored.history, family=family, terms=terms, specs=stored.specs, first=first)
        for family in families
    ]
    asked = BooksAsked(tuple(family.name for family in families), first, limit_first)

    def ask(name: str, question: Question, cases: Iterable[tuple[object, ...]]) -> Iterator[Any]:
        return ask_market(settings, stored, name, question, cases, now=now, until=until)

    studies = study_all(ask, asked, progress)
    left_out = leave_out(ask, asked, benches[0].list_names() if benches else [], progress) if in_depth else {}
    hours = try_hours(ask, asked, benches, progress)
    market = Market.of(settings, stored.bars, read_snapshot_id(layout))
    runs = [
        run
        for bench, study in zip(benches, studies, strict=True)
        for run in _list_runs(market, bench, study, hours[bench.family.name])
    ]
    count = TrialLedger.of(settings).record(runs, "books", datetime.now(UTC)).count()
    evidence = tuple(
        _judge(bench, study, hours[bench.family.name], left_out.get(bench.family.name, []), count)
        for bench, study in zip(benches, studies, strict=True)
    )
    returns = {one.family.name: compute_hourly_returns(one.result) for one in evidence}
    coin = choose_hold_asset(panel.names)
    files = (_write(layout, evidence), write_decisions(layout, [(one.family.name, one.run) for one in evidence], panel))
    held = hold_name(stored.history, coin, first)
    report = BooksReport(
        evidence=evidence,
        correlations=correlate({**returns, coin: held}),
        coin=coin,
        coin_returns=held,
        first=panel.close_of(first),
        last=panel.close_of(panel.hours - 1),
        trials=count,
        files=files,
        notes=(*spared, *_note_ruin(evidence), *_note_idle(evidence), *note_assumed_contracts(settings)),
    )
    return replace(report, files=(*files, write_books_page(layout, report)))


def _note_ruin(evidence: Sequence[BookEvidence]) -> list[str]:
    lost = [(one.family.name, find_ruin(one.result)) for one in evidence]
    return [
        f"{name} is ruined at {at:%Y-%m-%d %H:%M} UTC: nothing is left of it" for name, at in lost if at is not None
    ]


def _note_idle(evidence: Sequence[BookEvidence]) -> list[str]:
    """Return a note about books that had too little to learn from and when the others began, and about comparisons."""
    notes = []
    for one in evidence:
        if one.family.learns:
            begun = min(one.result.trades["opened_at"].to_list(), default=None)
            note = note_begin(one.family, one.result.equity["time"][0], begun)
            notes += [] if note is None else [note]
        if not one.family.is_choice:
            notes.append(explain_comparison(one.family))
    return notes


def _spare_registered(settings: Settings, now: datetime, until: datetime | None) -> tuple[datetime | None, list[str]]:
    """Return the last close to look at, and a note where that is before the first hour of a registered look."""
    waiting = min(list_open(settings), key=lambda one: one.first, default=None)
    if waiting is None or waiting.first > (until or now):
        return until, []
    said = (
        f"hours from {waiting.first:%Y-%m-%d %H:%M} UTC on are left alone: the look at {waiting.name} is not taken yet"
    )
    return waiting.first - HOUR, [f"{said} (--whole looks at them)"]


def _list_runs(market: Market, bench: BookBench, study: BookStudy, hours: Sequence[Variation]) -> Iterator[Run]:
    """Yield what was tried; placebos and books without a name are no choices, and none of them is kept."""
    family, at = name_trial(bench.family, bench.terms), study.run.result.equity["time"][0]
    yield market.make_run(family, at, compute_hourly_returns(study.run.result))
    for one in (*study.variations, *hours, *(one for _, one in study.capacity)):
        yield market.make_run(f"{family}, {one.name}", at, one.returns)


def _judge(
    bench: BookBench,
    study: BookStudy,
    hours: Sequence[Variation],
    left_out: Sequence[tuple[str, float | None]],
    count: TrialCount,
) -> BookEvidence:
    result = study.run.result
    returns = compute_hourly_returns(result)
    ratio = estimate_sharpe(returns)
    return BookEvidence(
        family=bench.family,
        run=study.run,
        metrics=measure_performance(result),
        certainty=measure_certainty(returns),
        deflated_sharpe=None if ratio is None else deflate_sharpe(ratio, count.effective),
        years=tuple(split_by_year(result)),
        quarters=tuple(split_by_quarter(result)),
        variations=(*study.variations, *hours),
        capacity=tuple(study.capacity),
        half_capital=find_half_capital(study.capacity),
        placebos=tuple(study.placebos),
        left_out=tuple(left_out),
    )


def _write(layout: Layout, evidence: Sequence[BookEvidence]) -> Path:
    curves = pl.concat(
        [one.result.equity.select(pl.lit(one.family.name).alias("family"), pl.all()) for one in evidence]
    )
    first, last = curves["time"].min(), curves["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    path = layout.reports / "books" / f"{first:%Y-%m-%d}-{last:%Y-%m-%d}.parquet"
    replace_file_with(path, curves.write_parquet)
    return path
