"""The last look at a registered book: taken once, written into the ledger before, and into MLflow with its time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pairity.books.families import BOOK_FAMILIES
from pairity.code_revision import read_code_revision
from pairity.csv_files import escape_formulas
from pairity.durable import make_folder, replace_file_with
from pairity.errors import ConfigError, MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from training import tracking
from training.backtest.performance import compute_hourly_returns, measure_performance
from training.backtest.records import BacktestResult
from training.books.code_digest import digest_book_code
from training.books.completeness import measure_completeness
from training.books.engine import run_book
from training.books.evidence import Certainty, measure_certainty
from training.books.registrations import (
    Registration,
    define_book,
    list_differences,
    list_own_looks,
    read_registrations,
)
from training.books.stored_market import StoredMarket, load_market, make_book_terms, name_trial
from training.data.point_in_time import read_snapshot_id
from training.data.unit_check import require_one_unit
from training.evaluation.sharpe import deflate_sharpe, estimate_sharpe
from training.reports.run_curves import draw_curves
from training.reports.run_names import SUBJECT_TAG, name_run
from training.run_records import FamilyRun
from training.trials.ledger import TrialLedger
from training.trials.records import LookRecord
from training.trials.run import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLook:
    """What a look saw."""

    registration: Registration
    at: datetime
    number: int
    """1 for the first look of this registration."""
    reason: str
    """Why hours that had been looked at were looked at again; empty for a first look at untouched hours."""
    delisted: tuple[str, ...]
    """Names that end before the look does, as its author says."""
    result: BacktestResult
    metrics: Mapping[str, float | None]
    certainty: Certainty | None
    deflated_sharpe: float | None
    run_id: str


def look_at_book(
    settings: Settings, family: str, now: datetime, reason: str | None = None, delisted: Collection[str] = ()
) -> BookLook:
    """Look at the hours of a family's newest registration, once; the look is written down before it is taken.

    `delisted`: names of the universe that ended before the hours did, or were never traded: nothing that is stored says
    so. UnknownNameError for a family of no books, MissingDataError without a registration, before all hours are stored
    and where the bars of another name, or features, end before; ConfigError for a name of `delisted` that does not end,
    ConfigError where the book is defined otherwise than it was registered; and, without a `reason`, where the code has
    changed or anybody has looked at these hours.
    """
    if family not in BOOK_FAMILIES:
        raise UnknownNameError("family of books", family, BOOK_FAMILIES)
    require_one_unit(settings)
    known = read_registrations(settings, family)
    if not known:
        raise MissingDataError(f"{family} is not registered", f"register it first: pairity registrations add {family}")
    registration, terms = known[-1], make_book_terms(settings)
    present = define_book(settings, BOOK_FAMILIES[family], terms)
    if different := list(list_differences(registration.definition, present)):
        raise ConfigError(
            f"{family} is not what was registered: {'; '.join(different)}", "set it back, or register the new book"
        )
    stored = load_market(settings, now, registration.last)
    panel = stored.history.panel
    if panel.close_of(panel.hours - 1) < registration.last or panel.start > registration.first:
        stored_last = panel.close_of(panel.hours - 1)
        raise MissingDataError(
            f"hours are stored from {panel.start:%Y-%m-%d %H:%M} to {stored_last:%Y-%m-%d %H:%M} UTC, and the look is "
            f"at those from {registration.first:%Y-%m-%d %H:%M} to {registration.last:%Y-%m-%d %H:%M} UTC",
            "wait, and collect what is missing",
        )
    ended = _require_complete(settings, registration, now, delisted)
    ledger, market = TrialLedger.of(settings), Market.of(settings, stored.bars, read_snapshot_id(Layout.of(settings)))
    first, last = registration.first, registration.last
    closes = {day: close for day, close in market.closes.items() if first <= _midnight(day) <= last}
    book = ledger.read()
    objections = _list_objections(registration, book.find_look(first, last, closes))
    if objections and not reason:
        raise ConfigError(f"no look at {registration.name}: {'; '.join(objections)}", "say why in writing: --reason")
    at, given = datetime.now(UTC), reason if objections and reason else ""
    ledger.record_look(LookRecord(line=registration.line, at=at, first=first, last=last, closes=closes, reason=given))
    result = run_book(
        stored.history, BOOK_FAMILIES[family], terms, stored.specs, first=(first - panel.start) // HOUR
    ).result
    returns = compute_hourly_returns(result)
    run = market.make_run(name_trial(BOOK_FAMILIES[family], terms), first, returns)
    count, ratio = ledger.record([run], "registered look", at).count(), estimate_sharpe(returns)
    deflated = None if ratio is None else deflate_sharpe(ratio, count.effective)
    number = 1 + len(list_own_looks(registration, book.looks))
    metrics = measure_performance(result)
    seen = metrics | {"deflated_sharpe": deflated}
    run_id = _log(settings, registration, stored, result, seen, at, number, given, ended)
    return BookLook(
        registration=registration,
        at=at,
        number=number,
        reason=given,
        delisted=ended,
        result=result,
        metrics=metrics,
        certainty=measure_certainty(returns),
        deflated_sharpe=deflated,
        run_id=run_id,
    )


def _require_complete(
    settings: Settings, registration: Registration, now: datetime, delisted: Collection[str]
) -> tuple[str, ...]:
    """Return the names that end before the look does; raise where one is not said to, or is said to and does not."""
    stored = measure_completeness(settings, BOOK_FAMILIES[registration.family], registration.last, now)
    end = f"{registration.last:%Y-%m-%d %H:%M} UTC"
    if wrong := sorted({*delisted} - {*stored.ended}):
        raise ConfigError(
            f"no look at {registration.name}: {', '.join(wrong)} did not end before {end}, or is not in its universe",
            "leave it out of --delisted",
        )
    if lacks := stored.list_lacks(delisted):
        silent = [name for name in stored.ended if name not in delisted]
        said = f"; if the venue has ended it, say so: --delisted {','.join(stored.ended)}" if silent else ""
        raise MissingDataError(
            f"no look at {registration.name}: it ends at {end}, and {'; '.join(lacks)}",
            f"collect what is missing, then: pairity features{said}",
        )
    return tuple(stored.ended)


def _list_objections(registration: Registration, seen: str | None) -> list[str]:
    objections = []
    if registration.code != digest_book_code():
        objections.append(f"the code of books has changed since {registration.registered_at:%Y-%m-%d %H:%M} UTC")
    if seen is not None:
        objections.append(f"its hours are not untouched, {seen}")
    return objections


def _log(
    settings: Settings,
    registration: Registration,
    stored: StoredMarket,
    result: BacktestResult,
    metrics: Mapping[str, float | None],
    at: datetime,
    number: int,
    reason: str,
    delisted: tuple[str, ...],
) -> str:
    """Log the look as a run of the experiment of backtests, with its time, and return the run's id."""
    layout, revision = Layout.of(settings), read_code_revision()
    where = layout.reports / "books" / f"look-{registration.name}"
    make_folder(where)
    for name, table in (("equity", result.equity), ("trades", result.trades)):
        replace_file_with(_path(where, name), escape_formulas(table).write_csv)
    params = {f"registration.{key}": value for key, value in registration.definition.items()} | {
        "contender.model": f"registered book: {registration.name}",
        "registration.first": registration.first,
        "registration.last": registration.last,
        "registration.registered_at": registration.registered_at,
        "registration.expects": registration.expects[:500],
    }
    hours = (registration.first, registration.last)
    run_name = name_run(layout, tracking.BACKTESTS, f"last look {registration.name}", hours, params)
    record = FamilyRun(
        name=str(run_name),
        params=params,
        metrics={f"model_{key}": value for key, value in metrics.items()},
        tags={
            SUBJECT_TAG: run_name.subject,
            "looked_at": at.isoformat(),
            "look": str(number),
            "reason": reason,
            "delisted": ", ".join(delisted),
            "registration": registration.line,
            "snapshot_id": read_snapshot_id(layout),
            "code_revision": revision.commit or "unknown",
            "names": str(len(stored.history.panel.names)),
        },
        note=f"Last look {number} at {registration.name}, {at:%Y-%m-%d %H:%M} UTC" + (f": {reason}" if reason else ""),
        artifacts=where,
        curves=draw_curves(result),
    )
    return tracking.log_backtest(layout, record)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}_model.csv"


def _midnight(day: int) -> datetime:
    return datetime.fromtimestamp(day * 86_400, UTC)
