"""The study of books: every family over the same hours, after costs, with what its result depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from feature_repo.catalog import ASSET_HOURLY
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.durable import replace_file_with
from pairity.errors import MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.backtest.comparison import choose_hold_asset
from training.backtest.inputs import read_lake_settlements
from training.backtest.performance import compute_hourly_returns
from training.books.account import BookCosts
from training.books.engine import BookTerms
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
from training.books.history_features import FeatureHistory
from training.books.panel import BookPanel, build_panel
from training.data.contracts import note_assumed_contracts, read_traded_contracts
from training.data.history import read_bars
from training.data.point_in_time import read_snapshot_id
from training.data.unit_check import require_one_unit
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.evaluation.trial_clusters import TrialCount
from training.trials.ledger import TrialLedger
from training.trials.run import Market, Run

_IMPACT = 1.0


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
    history, bars = _load(settings, now, until)
    panel = history.panel
    first = _find_first(panel, since)
    costs = BookCosts(settings.costs.taker_fee_bps, settings.costs.slippage_bps, _IMPACT)
    specs = read_traded_contracts(settings, layout)
    bench = Bench(history, BookTerms(settings.costs.initial_equity_usdt or 100_000.0, costs), specs, first)
    market = Market.of(settings, bars, read_snapshot_id(layout))
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


def _load(settings: Settings, now: datetime, until: datetime | None) -> tuple[FeatureHistory, pl.DataFrame]:
    layout, assets = Layout.of(settings), settings.universe.assets
    beginning = datetime(2009, 1, 1, tzinfo=UTC)
    bars = read_bars(settings, assets, beginning, until or now, now)
    if bars.is_empty():
        raise MissingDataError(f"no bars of {ASSET_HOURLY.name} are stored", "ingest or collect the universe first")
    settlements = read_lake_settlements(layout, settings.features.venue, assets, now)
    return FeatureHistory(build_panel(bars, settlements, settings.features.decision_lag / HOUR)), bars


def _find_first(panel: BookPanel, since: datetime | None) -> int:
    """Return the first row from which a universe can exist, or that of `since` where it is later."""
    from pairity.books.features import MIN_BARS
    from pairity.books.ranks import MIN_NAMES

    old = ((~(panel.closes != panel.closes)).cumsum(axis=0) >= MIN_BARS).sum(axis=1) >= MIN_NAMES
    if not old.any():
        raise MissingDataError(
            f"fewer than {MIN_NAMES} names have {MIN_BARS:,} hourly bars: there is no universe of a book",
            "put more names into universe.assets, and ingest or collect a longer history of them",
        )
    earliest = int(old.argmax())
    return earliest if since is None else max(earliest, (since - panel.start) // HOUR)


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
