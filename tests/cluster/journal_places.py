"""Journals in the PostgreSQL of the running cluster, each test with an empty schema."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from pairity.configuration import load_settings
from pairity.journal_place import JournalDatabase
from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import EquityMark, FeatureVector, IntentState, Journal, StateRecord, TradingState
from serving.journal.event_records import NewEvent, Severity
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN, T0, decision_of


@pytest.fixture
def home(variables, tmp_path: Path) -> Settings:
    """Settings of a new data directory."""
    return load_settings(home=tmp_path / "home")


@pytest.fixture
def place(home: Settings):
    """Where the journal of the settings is; nothing is there yet, and nothing afterwards."""
    found = Layout.of(home).journal_place
    assert isinstance(found, JournalDatabase)
    drop(found)
    yield found
    drop(found)


def connect(place: JournalDatabase) -> Connection:
    """A connection that is none of the product's."""
    engine = create_engine(place.address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    return engine.connect()


def drop(place: JournalDatabase) -> None:
    with connect(place) as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {place.schema} CASCADE"))


def fill(journal: Journal, number: int = 40) -> None:
    """Write decisions, orders with events, positions, executions, states and events: some of every table of old."""
    journal.record_run(RUN)
    for hour in range(number):
        at = T0 + timedelta(hours=hour)
        record = decision_of(at=at)
        values = {"spread": 0.1 * hour, "nothing": None, "open": float("inf"), "name": "ä\U0001f600\u0007"}
        journal.record_decision(record, [FeatureVector(record.decision_id, "pair_model_v1", "BTC__SOL", at, values)])
        own = intent(
            client_order_id=f"pairitye{hour}",
            position_id=f"p{hour}",
            decision_id=record.decision_id,
            contracts=Decimal("0.100") * hour,
        )
        journal.intend(replace(own, created_at=at), "because")
        journal.advance(own.client_order_id, IntentState.SENT, at, f"answer {hour}\nä")
        journal.equity.record(EquityMark(at, Decimal("10000.10"), Decimal("1E+3"), Decimal(hour)))
        journal.states.record(
            StateRecord(at, TradingState.GUARDING, f"reason {hour}", "process", flatten=bool(hour % 2))
        )
        told = NewEvent(at=at, kind="state", severity=Severity.WARNING, text=f"event {hour}", key=f"key {hour // 2}")
        journal.event_log.record([told], at)
