"""Months of decisions before a scene's own, in its journal: what a trading process has written after a year, or three.

Each hour has one decision about all pairs, the vectors that it was made on, with the values of the scene's last hour,
and a mark of the equity.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal

from feature_repo.catalog import ASSET_HOURLY, MARKET_STATE, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.offline_files import read_latest_view
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Action, Decision, PairAssessment, StrategyState
from pairity.timeline import HOUR
from serving.journal import DecisionRecord, EquityMark, Journal, Run, codec, decision_id
from serving.vectors import make_vectors

_RUN, _NOBODY = "before", "0"
_EQUITY = 1e5
_AT_ONCE = 24


def lay_back_decisions(settings: Settings, since: datetime, until: datetime) -> int:
    """Write a journal that decided every hour of [since, until), and nothing else; return how many vectors it has."""
    layout = Layout.of(settings)
    rows = [
        (PAIR_FOREST_FEATURES, read_latest_view(layout, PAIR_HOURLY, until - HOUR, until)),
        (MARKET_STATE, read_latest_view(layout, ASSET_HOURLY, until - HOUR, until)),
    ]
    with closing(Journal.open(layout.journal, durable=False)) as journal:
        run = Run(_RUN, since, "paper", _NOBODY * 64, "pair_forest", _NOBODY, _NOBODY * 64, _NOBODY)
        journal.record_run(run)
        first = _make_decision(settings, journal.scope, since)
        vectors = [vector for service, own in rows for vector in make_vectors(first.decision_id, service, own)]
        journal.record_decision(first, vectors)
        journal.equity.record(EquityMark(since, Decimal(_EQUITY), Decimal(0), Decimal(_EQUITY)))
        scope = journal.scope
    equity = {"equity_usdt": str(_EQUITY), "paid_in_usdt": "0", "peak_usdt": str(_EQUITY)}
    decision, lines = codec.decision_to_row(first), [codec.vector_to_row(vector) for vector in vectors]
    # By the rows themselves: three years through the journal's door would take longer than what is measured.
    with closing(sqlite3.connect(layout.journal)) as database:
        for hours in _list_days(since + HOUR, until):
            stamps = [(decision_id(scope, at), codec.time_to_text(at)) for at in hours]
            decided = [{"decision_id": name, "event_timestamp": at} for name, at in stamps]
            _insert(
                database, "decisions", [decision | own | {"decision_time": own["event_timestamp"]} for own in decided]
            )
            _insert(database, "feature_vectors", [line | own for own in decided for line in lines])
            _insert(database, "equity_marks", [equity | {"at": at} for _, at in stamps])
        database.commit()
        count: int = database.execute("SELECT count(*) FROM feature_vectors").fetchone()[0]
    return count


def _make_decision(settings: Settings, scope: str, at: datetime) -> DecisionRecord:
    scores = tuple(PairAssessment(pair, 0.5, 0.5, 0.25, None, 1.0) for pair in settings.universe.pairs)
    decision = Decision(Action.HOLD, "no pair has a signal", scores, (), (), StrategyState(_EQUITY))
    return DecisionRecord(
        decision_id=decision_id(scope, at),
        run_id=_RUN,
        decision_time=at,
        event_timestamp=at,
        feature_service=PAIR_FOREST_FEATURES.name,
        model_name="pair_forest",
        model_version=_NOBODY,
        model_sha256=_NOBODY * 64,
        decision=decision,
    )


def _list_days(since: datetime, until: datetime) -> Iterator[list[datetime]]:
    """Yield the hours of [since, until), some together."""
    while since < until:
        hours = [since + number * HOUR for number in range(_AT_ONCE)]
        yield [at for at in hours if at < until]
        since += _AT_ONCE * HOUR


def _insert(database: sqlite3.Connection, table: str, rows: list[dict[str, object]]) -> None:
    names = list(rows[0])
    marks = ", ".join(f":{name}" for name in names)
    database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)
