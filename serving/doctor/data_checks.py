"""Checks of the data: the lake's last bar, features and their holes, the online store, quarantine, withheld pairs."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.catalog import EVENT_TIME, View, find_view
from feature_repo.offline_files import keep_newest, scan_view
from feature_repo.raw_datasets import DATASETS
from ingestion.due_months import locate_ledger
from ingestion.lake import Lake
from pairity.errors import DataError
from pairity.number_formats import format_count
from pairity.timeline import HOUR, floor_to, format_instant
from pairity.universe import inst_id
from serving.doctor.case import Case
from serving.doctor.findings import TIMED, Check, Finding, SkippedError, fault, warning
from serving.doctor.journal_reading import connect_reading
from serving.doctor.model_checks import list_needed_views
from validation.quarantine import read_items

_INGEST, _FEATURES = "pairity ingest", "pairity features"
_LATE = timedelta(minutes=10)
"""After an hour's close, how long it may take until its rows are there."""
_HOLES = timedelta(days=3)
"""How far back missing rows are looked for: longer than the windows of most features."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANDLES = frozenset({"candles_1m", "candles_1h"})
_SHOWN = 4


def _check_lake(case: Case) -> Iterable[Finding]:
    """Look for the newest candle of each asset."""
    try:
        lake = Lake(case.layout, venue=case.known.features.venue)
        last = _find_last_closes(lake)
    except (DataError, OSError) as error:
        return [fault("the lake cannot be read", str(error).splitlines()[0], "pairity data verify")]
    missing = [asset for asset in case.known.universe.assets if inst_id(asset) not in last]
    if missing:
        return [fault("the lake has no candles of some assets", _list(missing), f"{_INGEST} --since 60d")]
    due = _due(case.now)
    late = {name: last[inst_id(name)] for name in case.known.universe.assets if last[inst_id(name)] < due}
    if not late:
        return []
    oldest = min(late, key=lambda name: late[name])
    fact = f"{oldest}'s end at {format_instant(late[oldest])}; "
    fact += f"{format_count(len(late), 'asset is', 'assets are')} behind {format_instant(due)}"
    return [warning("the newest candles are missing", fact, _INGEST)]


def _find_last_closes(lake: Lake) -> dict[str, datetime]:
    """Return the close of the newest candle of each instrument."""
    last: dict[str, datetime] = {}
    for part in lake.partitions():
        every = DATASETS[part.dataset].every
        if part.dataset in _CANDLES and every is not None and (newest := lake.manifest(part).last) is not None:
            last[part.instrument] = max(newest + every, last.get(part.instrument, newest))
    return last


def _check_features(case: Case) -> Iterable[Finding]:
    """Look at the views that a decision reads: are they as new as they can be, and without holes."""
    findings = []
    for name in list_needed_views(case):
        view = find_view(name)
        wanted = _list_entities(case, view)
        try:
            rows = _read_recent(case, view)
        except (DataError, OSError, pl.exceptions.PolarsError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            findings.append(fault(f"features of {name} cannot be read", first, f"remove their file, then: {_FEATURES}"))
            continue
        own = rows.filter(pl.col(view.entity).is_in(wanted))
        newest = own[EVENT_TIME].max()
        if not isinstance(newest, datetime):
            findings.append(fault(f"there are no features of {name}", f"none of the last {_HOLES.days} days", _INGEST))
            continue
        due = _due(case.now)
        if newest < due:
            hours = (due - newest) / HOUR
            fact = f"the newest row is of {newest:%Y-%m-%d %H:%M} UTC, {hours:.0f} h behind"
            findings.append(warning(f"features of {name} are stale", fact, _INGEST))
        findings += _find_holes(case, view, own, wanted, newest)
    return findings


def _find_holes(case: Case, view: View, rows: pl.DataFrame, wanted: Sequence[str], newest: datetime) -> list[Finding]:
    """Return what is missing between the first and the last hour of `rows`."""
    first = rows[EVENT_TIME].min()
    assert isinstance(first, datetime)
    hours = round((newest - first) / view.every) + 1
    counts = dict(rows.group_by(view.entity).agg(pl.col(EVENT_TIME).n_unique()).iter_rows())
    holes = {name: hours - counts.get(name, 0) for name in wanted if counts.get(name, 0) < hours}
    if not holes:
        return []
    worst = sorted(holes, key=lambda name: -holes[name])
    fact = f"of the last {hours} hours, missing: " + _list([f"{name} {holes[name]}" for name in worst])
    # Months that were computed once are left alone; without the ledger all are looked at, and what is stored stays.
    command = f"rm -f {shlex.quote(str(locate_ledger(case.layout)))} && {_FEATURES}"
    command += "  (where candles are missing too, first: pairity gaps --repair)"
    return [warning(f"features of {view.name} have holes", fact, command)]


def _check_online(case: Case) -> Iterable[Finding]:
    """Compare the newest rows of the online store, which decisions read, with the offline files."""
    path = case.layout.feast / "online.db"
    if not path.exists():
        return [fault("there is no online store", f"{path} does not exist", _FEATURES)]
    # Its log belongs to the file that is removed
    again = f"rm -f {shlex.quote(str(path))}* && {_FEATURES}"
    try:
        connection = connect_reading(path)
        try:
            stored = {name: _read_online(connection, name) for name in list_needed_views(case)}
        finally:
            connection.close()
    except sqlite3.Error as error:
        # Locked, or without a table of a newer release: nothing is wrong with what it holds
        command = _FEATURES if isinstance(error, sqlite3.OperationalError) else again
        return [fault("the online store cannot be read", f"{path}: {error}", command)]
    findings = []
    for name, newest in stored.items():
        try:
            offline = _read_recent(case, find_view(name))[EVENT_TIME].max()
        except (DataError, OSError, pl.exceptions.PolarsError):
            continue  # `features` says so
        if not isinstance(offline, datetime) or (newest is not None and newest >= offline):
            continue
        has = "nothing" if newest is None else f"{newest:%Y-%m-%d %H:%M} UTC"
        fact = f"{name}: online {has}, offline {offline:%Y-%m-%d %H:%M} UTC"
        findings.append(fault("the online store is behind the offline files", fact, _FEATURES))
    return findings


def _read_online(connection: sqlite3.Connection, view: str) -> datetime | None:
    newest = connection.execute(f'SELECT max(event_ts) FROM "pairity_{view}"').fetchone()[0]
    return None if newest is None else _EPOCH + timedelta(microseconds=newest)


def _check_quarantine(case: Case) -> Iterable[Finding]:
    try:
        items = read_items(case.layout, state="held")
    except DataError as error:
        return [fault("the quarantine cannot be read", error.what, error.remedy)]
    if not items:
        return []
    rows = sum(item.rows for item in items)
    newest = max(items, key=lambda item: item.at)
    fact = (
        f"{format_count(len(items), 'item')} with {format_count(rows, 'row')}; the newest: {newest.dataset} "
        f"{newest.key}, {', '.join(newest.rules)}"
    )
    command = (
        f"pairity quarantine show {newest.id}, then: pairity quarantine release {newest.id} --reason …, "
        f"or: pairity quarantine repair {newest.id}"
    )
    return [warning("rows are withheld in quarantine", fact, command)]


def _check_withheld(case: Case) -> Iterable[Finding]:
    """Look for pairs and assets that cannot be traded in the newest hour, because a feature of theirs is missing."""
    findings = []
    for name in list_needed_views(case):
        view = find_view(name)
        try:
            rows = _read_recent(case, view)
        except (DataError, OSError, pl.exceptions.PolarsError):
            raise SkippedError("the features cannot be read") from None
        newest = rows[EVENT_TIME].max()
        if not isinstance(newest, datetime):
            continue
        own = rows.filter(pl.col(EVENT_TIME) == newest)
        empty = own.filter(pl.all_horizontal(pl.col(feature).is_null() for feature in view.feature_names))
        wanted = _list_entities(case, view)
        lost = sorted((set(wanted) - set(own[view.entity])) | (set(empty[view.entity]) & set(wanted)))
        if lost:
            fact = f"no values in the newest hour, {newest:%Y-%m-%d %H:%M} UTC: {_list(lost)}"
            what = (
                f"{len(lost)} of {format_count(len(wanted), 'row')} of {name} "
                f"{'is' if len(lost) == 1 else 'are'} withheld"
            )
            findings.append(warning(what, fact, "pairity quarantine, then: pairity ingest"))
    return findings


def _read_recent(case: Case, view: View) -> pl.DataFrame:
    """Return the newest versions of a view's rows of the last days before now."""
    since = case.now - _HOLES
    rows = scan_view(case.layout, view).filter(pl.col(EVENT_TIME) > since, pl.col(EVENT_TIME) <= case.now)
    return keep_newest(rows, view).collect()


def _list_entities(case: Case, view: View) -> list[str]:
    if view.entity == "asset":
        return list(case.known.universe.traded)
    if view.entity == "venue":
        return [case.known.features.venue]
    return [pair.pair_id for pair in case.known.universe.pairs]


def _due(now: datetime) -> datetime:
    """Return the close of the newest hour whose rows must be there by now."""
    return floor_to(now - _LATE, HOUR)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


CHECKS = (
    Check("lake", "data", _check_lake, TIMED),
    Check("features", "data", _check_features, TIMED),
    Check("online", "data", _check_online, TIMED),
    Check("quarantine", "data", _check_quarantine),
    Check("withheld", "data", _check_withheld, TIMED),
)
