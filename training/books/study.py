"""The study of books: every family over the same hours, after costs, with what its result depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.durable import replace_file_with
from pairity.errors import UnknownNameError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from training.backtest.comparison import choose_hold_asset
from training.backtest.performance import compute_hourly_returns
from training.books.evidence import (
    Bench,
    Certainty,
    Variation,
    correlate,
    hold_name,
    list_variations,
    measure_certainty,
    split_by_year,
)
from training.books.stored_market import find_first_universe, load_market, make_book_terms
from training.data.contracts import note_assumed_contracts
from training.data.point_in_time import read_snapshot_id
from training.data.unit_check import require_one_unit
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.evaluation.trial_clusters import TrialCount
from training.trials.ledger import TrialLedger
from training.trials.run import Market, Run


@dataclass(frozen=True, slots=True)
class BookEvidence:
    """One family: its result, how sure it is, by year, and under other circumstances."""

    family: BookFamily
    base: Variation
    certainty: Certainty | None
    deflated_sharpe: float | None
    """Probability that the ratio is above what the best of all trials so far would show by luck."""
    years: tuple[tuple[int, float, float | None], ...]
    variations: tuple[Variation, ...]
    left_out: tuple[tuple[str, float | None], ...]
    """Name that was left out → Sharpe ratio without it, lowest first; empty where that was not asked for."""


@dataclass(frozen=True, slots=True)
class BooksReport:
    """Evidence of all families over the same hours, and how their hourly returns move together."""

    evidence: tuple[BookEvidence, ...]
    correlations: Mapping[str, Mapping[str, float | None]]
    first: datetime
    last: datetime
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
) -> BooksReport:
    """Backtest `families` on the stored bars of the universe from `since` to `until` (closes), as known at `now`.

    Default is from the first close at which a universe of books exists. `in_depth` leaves each name out once, too. All
    runs are noted as trials. MissingDataError where no book can be made, and for features in a unit of before a
    redenomination. Writes the equity curves as Parquet.
    """
    require_one_unit(settings)
    layout = Layout.of(settings)
    stored = load_market(settings, now, until)
    history, panel = stored.history, stored.history.panel
    first = find_first_universe(panel, since)
    bench = Bench(history, make_book_terms(settings), stored.specs, first)
    market = Market.of(settings, stored.bars, read_snapshot_id(layout))
    found, runs = [], []
    for family in families:
        variations = list(list_variations(bench, family))
        names = bench.list_names() if in_depth else []
        progress.stage(family.name, 1 + len(variations) + len(names))
        base = bench.run(family, family.name)
        progress.advance(1)
        others = []
        for _, run in variations:
            others.append(run())
            progress.advance(1)
        without = []
        for name in names:
            one = bench.run(family, f"without {name}", leave_out=name)
            without.append((name, one.metrics["sharpe"]))
            progress.advance(1)
        found.append((family, base, tuple(others), tuple(sorted(without, key=lambda pair: pair[1] or 0.0))))
        runs += [_make_run(market, family, base), *(_make_run(market, family, one) for one in others)]
    count = TrialLedger.of(settings).record(runs, "books", datetime.now(UTC)).count()
    evidence = tuple(_judge(*one, count) for one in found)
    returns = {one.family.name: compute_hourly_returns(one.base.result) for one in evidence}
    coin = choose_hold_asset(panel.names)
    return BooksReport(
        evidence=evidence,
        correlations=correlate({**returns, coin: hold_name(history, coin, first)}),
        first=panel.close_of(first),
        last=panel.close_of(panel.hours - 1),
        trials=count,
        files=(_write(layout, evidence),),
        notes=tuple(note_assumed_contracts(settings)),
    )


def _make_run(market: Market, family: BookFamily, one: Variation) -> Run:
    name = family.name if one.name == family.name else f"{family.name}, {one.name}"
    return market.make_run(name, one.result.equity["time"][0], compute_hourly_returns(one.result))


def _judge(
    family: BookFamily,
    base: Variation,
    variations: tuple[Variation, ...],
    left_out: tuple[tuple[str, float | None], ...],
    count: TrialCount,
) -> BookEvidence:
    returns = compute_hourly_returns(base.result)
    ratio = estimate_sharpe(returns)
    return BookEvidence(
        family=family,
        base=base,
        certainty=measure_certainty(returns),
        deflated_sharpe=None if ratio is None else deflate_sharpe(ratio, count.effective),
        years=tuple(split_by_year(base.result)),
        variations=variations,
        left_out=left_out,
    )


def _write(layout: Layout, evidence: Sequence[BookEvidence]) -> Path:
    curves = pl.concat(
        [one.base.result.equity.select(pl.lit(one.family.name).alias("family"), pl.all()) for one in evidence]
    )
    first, last = curves["time"].min(), curves["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    path = layout.reports / "books" / f"{first:%Y-%m-%d}-{last:%Y-%m-%d}.parquet"
    replace_file_with(path, curves.write_parquet)
    return path
