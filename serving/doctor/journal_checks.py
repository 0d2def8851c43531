"""Checks of the journal: its file, its orders, the state of the process, and its positions beside the venue's."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from pairity.books.families import BOOK_FAMILIES
from pairity.errors import JournalError, JournalWriteError, PairityError, PrivacyError
from pairity.journal_place import JournalDatabase
from pairity.margin import MarginMode
from pairity.number_formats import format_count, format_duration
from pairity.strategy.types import Side
from pairity.timeline import format_instant
from pairity.universe import inst_id
from serving.doctor.case import Case
from serving.doctor.findings import TIMED, Check, Finding, SkippedError, Sure, fault, unknown, warning
from serving.doctor.journal_reading import connect_reading, find_writer, reading_journal
from serving.execution.protection import closes
from serving.journal import IntentState, Journal, TradingState, tables
from serving.journal.opened import is_there

_UNKNOWN_AFTER = timedelta(minutes=5)
"""An outcome that is unknown for longer was asked for often, and is no matter of one lost answer."""
_UNSENT = frozenset({IntentState.INTENDED, IntentState.SENT, IntentState.UNKNOWN})


_Holding = tuple[str, str]
"""Instrument and margin mode: the venue keeps a position for each."""


def _check_journal(case: Case) -> Iterable[Finding]:
    place = case.layout.journal_place
    try:
        if not is_there(place):
            raise SkippedError("nothing was traded yet")
        with reading_journal(place):
            pass
    except PrivacyError as error:
        return [fault("others can read or change the journal", error.what, error.remedy.removeprefix("run: "))]
    except JournalWriteError as error:
        return [fault("the journal cannot be used now", error.what, error.remedy)]
    except JournalError as error:
        what = "the journal is of another version" if "schema version" in error.what else "the journal is damaged"
        return [fault(what, error.what, error.remedy)]
    return ([] if isinstance(place, JournalDatabase) else _check_content(place)) or _check_version(case)


def _check_content(path: Path) -> list[Finding]:
    """Read every page: the quick look of every start does not compare indices with their tables."""
    connection = connect_reading(path)
    try:
        said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        return [fault("the journal is damaged", f"{type(error).__name__}: {error}", _restore())]
    finally:
        connection.close()
    if said != "ok":
        return [fault("the journal is damaged", f"SQLite says: {said}", _restore())]
    if orphan is not None:
        return [
            fault("the journal disagrees with itself", f"a row of {orphan[0]} leads to none of {orphan[2]}", _restore())
        ]
    return []


def _check_version(case: Case) -> list[Finding]:
    with _opened(case) as journal:
        version = journal.schema_version
    if version != tables.SCHEMA_VERSION:
        what = "the journal is of an older version"
        fact = f"version {version}; this program writes {tables.SCHEMA_VERSION}, and extends it when it starts"
        return [warning(what, fact, "pairity serve")]
    return []


def _restore() -> str:
    return "restore it from a copy; before trading without it, close every position on the venue by hand"


def _check_state(case: Case) -> Iterable[Finding]:
    with _opened(case) as journal:
        newest = journal.states.newest()
    if newest is None or newest.state is TradingState.TRADING:
        return []
    since = f"since {newest.at:%Y-%m-%d %H:%M} UTC, by the {newest.by}: {newest.reason or 'no reason given'}"
    if newest.state is TradingState.HALTED:
        return [warning("trading is halted", since, "pairity resume --reason …")]
    if find_writer(case.layout.journal_place) is None:
        raise SkippedError("the process guarded when it ended; a new one finds out by itself")
    return [warning("the process guards: nothing is opened", since, "mend what the reason says; it lifts by itself")]


def _check_orders(case: Case) -> Iterable[Finding]:
    with _opened(case) as journal:
        waiting = [intent for intent in journal.unsettled() if intent.state in _UNSENT]
        unbooked = journal.filled_entries_without_position()
    late = [intent for intent in waiting if case.now - intent.created_at > _UNKNOWN_AFTER]
    findings = []
    if late:
        oldest = late[0]
        since = f"{oldest.state} since {oldest.created_at:%Y-%m-%d %H:%M} UTC"
        fact = f"{oldest.client_order_id} of {oldest.instrument} is {since}"
        what = f"the outcome of {len(late)} order(s) is not known"
        findings.append(fault(what, fact, "pairity serve  (asks the venue for each before anything else)"))
    if unbooked:
        fact = f"{unbooked[0].client_order_id} of {unbooked[0].instrument} was filled"
        what = f"{format_count(len(unbooked), 'filled entry has', 'filled entries have')} no position"
        findings.append(fault(what, fact, "pairity serve  (completes or closes them when it starts)"))
    return findings


def _check_decisions(case: Case) -> Iterable[Finding]:
    with _opened(case) as journal:
        last, held = journal.last_decision(), [*journal.open_positions(), *journal.books.count_held()]
        book = None if last is None else journal.books.get(last.decision_id)
    if last is None:
        raise SkippedError("nothing was decided yet")
    age = case.now - last.decision_time
    interval = timedelta(minutes=case.known.serve.interval_minutes)
    if book is not None and (family := BOOK_FAMILIES.get(book.family)) is not None:
        interval = timedelta(hours=family.every_hours)
    if age <= 2 * interval:
        return []
    fact = f"the last decision is of {format_instant(last.decision_time)}, {format_duration(age)} ago"
    writer = find_writer(case.layout.journal_place)
    if writer is not None:
        return [
            fault(
                "the trading process runs and does not decide",
                f"{fact}; process {writer}",
                "look at its status page",
                Sure.LIKELY,
            )
        ]
    if held:
        what = "positions are open, and nobody decides on them"
        return [fault(what, f"{fact}; {len(held)} open, their stops rest on the venue", "pairity serve")]
    return [warning("the trading process does not run", fact, "pairity serve")]


def _check_positions(case: Case) -> Iterable[Finding]:
    rows = case.account.positions
    if isinstance(rows, PairityError):
        return [unknown("positions on the venue are not known", rows.what, rows.remedy or "try again later")]
    ours: dict[_Holding, Decimal] = defaultdict(Decimal)
    if is_there(case.layout.journal_place):
        with _opened(case) as journal:
            for record in journal.open_positions():
                for leg in record.position.legs:
                    ours[inst_id(leg.asset), record.position.margin_mode] += leg.side.sign * leg.contracts
            for instrument, contracts in journal.books.count_held().items():
                ours[instrument, MarginMode.CROSS] += contracts
    theirs: dict[_Holding, Decimal] = defaultdict(Decimal)
    for row in rows:
        theirs[row.instrument, row.margin_mode] += row.contracts
    wanted, findings = case.known.strategy.margin_mode, []
    for holding in sorted({*ours, *theirs}):
        name, mode = holding
        name = f"{name} in isolated margin" if mode == MarginMode.ISOLATED else name
        fact = f"journal: {ours[holding]} contracts; venue: {theirs[holding]}"
        if ours[holding] and mode != wanted:
            what = f"the position in {name} was opened before strategy.margin_mode changed"
            command = "pairity close POSITION, or wait for its exit: nothing is opened until then"
            findings.append(warning(what, f"strategy.margin_mode is {wanted}, the position's is {mode}", command))
        if not ours[holding] and theirs[holding]:
            what = f"a position in {name} is not ours"
            command = "close it on the venue's site, or take it over: PAIRITY_SERVE__ADOPT_POSITIONS=true pairity serve"
            findings.append(warning(what, fact, command))
        elif ours[holding] != theirs[holding]:
            what = f"the journal and the venue disagree about {name}"
            findings.append(fault(what, fact, "pairity serve  (reconciles before anything else)"))
    return findings


def _check_stops(case: Case) -> Iterable[Finding]:
    algos, rows = case.account.algos, case.account.positions
    if isinstance(algos, PairityError) or isinstance(rows, PairityError):
        raise SkippedError("the venue does not list positions and stops")
    with _opened(case) as journal:
        legs = sorted(
            (inst_id(leg.asset), leg.side, record.position.margin_mode)
            for record in journal.open_positions()
            for leg in record.position.legs
        )
        legs += [
            (instrument, Side.BUY if contracts > 0 else Side.SELL, MarginMode.CROSS)
            for instrument, contracts in journal.books.count_held().items()
        ]
    held = {(row.instrument, row.margin_mode) for row in rows}
    stops = [algo for algo in algos if algo.stop is not None]
    return [
        fault(
            f"the position in {name} has no stop on the venue",
            f"{format_count(len(algos), 'protective order rests', 'protective orders rest')} there, none of {name}",
            "pairity serve  (places it again before anything else)",
        )
        for name, side, mode in legs
        if (name, mode) in held and not any(closes(stop, name, side, mode) for stop in stops)
    ]


@contextmanager
def _opened(case: Case) -> Iterator[Journal]:
    """Open the journal; SkippedError where there is none, or `journal` says of it that it cannot be used."""
    place = case.layout.journal_place
    try:
        if not is_there(place):
            raise SkippedError("nothing was traded yet")
        with reading_journal(place) as journal:
            yield journal
    except (JournalError, PrivacyError):
        raise SkippedError("the journal cannot be read") from None


CHECKS = (
    Check("journal-file", "journal", _check_journal, limit_s=120.0),
    Check("state", "journal", _check_state),
    Check("orders", "journal", _check_orders, TIMED),
    Check("decisions", "journal", _check_decisions, TIMED),
    Check("positions", "journal", _check_positions, frozenset({"account"})),
    Check("stops", "journal", _check_stops, frozenset({"account"})),
)
