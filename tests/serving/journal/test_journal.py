"""What is read back equals what was written; what cannot be trusted is refused."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sqlite3
import struct
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event

from pairity.errors import JournalError
from pairity.strategy.types import Leg, PairPosition, Side
from pairity.universe import Pair
from serving.journal import (
    Charge,
    FeatureVector,
    Fill,
    Intent,
    IntentState,
    Journal,
    PositionClose,
    Purpose,
    Retraining,
    ShadowRecord,
    client_order_id,
    decision_id,
    tables,
)
from serving.journal import journal as journal_module
from serving.journal.codec import time_from_text, time_to_text, values_from_json, values_to_json
from serving.journal.database import lock_for_writing
from serving.journal.records import TRANSITIONS
from serving.opening import Stakes, read_stakes
from tests.serving.trading import RUN, T0, decision_of, entry

UNIVERSE = st.sampled_from(["BTC__ETH", "ETH__SOL", "DOGE__LINK"])
DECIMALS = st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=10)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
VALUES = st.dictionaries(
    st.text(min_size=1, max_size=20),
    st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=20),
    max_size=40,
)


def intent(purpose: Purpose = Purpose.ENTRY, **changes: object) -> Intent:
    made = Intent(
        "pairitye1",
        None,
        "p1",
        0,
        purpose,
        0,
        "BTC-USDT-SWAP",
        Side.BUY,
        Decimal("1.50"),
        "market",
        False,
        None,
        None,
        T0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def bits(value: object) -> object:
    return struct.pack(">d", value) if isinstance(value, float) else (type(value), value)


@settings(deadline=None, max_examples=150)
@given(VALUES)
def test_feature_values_come_back_bit_for_bit(values: dict[str, object]) -> None:
    back = values_from_json(values_to_json(values))  # type: ignore[arg-type]
    canonical = {name: math.nan if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}
    assert {name: bits(value) for name, value in back.items()} == {n: bits(v) for n, v in canonical.items()}


@given(TIMES)
def test_times_come_back_and_sort_as_text(instant: datetime) -> None:
    assert time_from_text(time_to_text(instant)) == instant
    assert (time_to_text(instant) < time_to_text(T0)) == (instant < T0)


def test_a_feature_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="feature x is a list"):
        values_to_json({"x": [1]})  # type: ignore[dict-item]


@settings(deadline=None, max_examples=25)
@given(
    values=VALUES,
    contracts=DECIMALS,
    prices=st.tuples(FLOATS, FLOATS, st.none() | FLOATS),
    times=st.tuples(TIMES, TIMES, TIMES),
    pair=UNIVERSE,
    side=st.sampled_from(list(Side)),
    numbers=st.tuples(DECIMALS, st.none() | DECIMALS, st.none() | DECIMALS),
)
def test_every_record_comes_back_equal(values, contracts, prices, times, pair, side, numbers) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "j.db")
        run = replace(RUN, started_at=times[0])
        decision = decision_of(entry(side), at=times[1])
        vector = FeatureVector(decision.decision_id, "pair_model_v1", pair, times[2], values)
        unknown = FeatureVector(decision.decision_id, "pair_model_v1", "none", None, {})
        wanted = intent(
            decision_id=decision.decision_id,
            contracts=contracts,
            side=side,
            stop_price=numbers[1],
            target_price=numbers[2],
            created_at=times[2],
        )
        leg = Leg("BTC", side, contracts, prices[0], prices[1], prices[2])
        position = PairPosition(
            "p1", Pair.from_id(pair), side.sign, (leg,), times[0], prices[0], prices[1], prices[2] or 0.0
        )
        fill = Fill(
            "BTC-USDT-SWAP", "1", "2", "p1", "c", side, contracts, numbers[0], -numbers[0], numbers[0], times[1]
        )
        close = PositionClose(times[2], "z_cross", numbers[0], numbers[1], numbers[2], None)
        journal.record_run(run)
        journal.record_decision(decision, [vector, unknown])
        journal.intend(wanted)
        journal.save_position(position)
        abroad = replace(fill, order_id="3", fee_usdt=numbers[1], charged=Charge(numbers[0], "OKB"))
        journal.record_fills([fill, fill, abroad])
        assert journal.open_positions()[0].position == position
        journal.close_position("p1", close)
        journal.close()

        journal = Journal.read(Path(folder) / "j.db")
        assert journal.run(run.run_id) == run
        assert journal.decision(decision.decision_id) == decision == journal.last_decision()
        found = {item.entity: item for item in journal.vectors(decision.decision_id)}
        assert found["none"] == unknown
        assert {n: bits(v) for n, v in found[pair].values.items()} == {
            n: bits(math.nan if isinstance(v, float) and math.isnan(v) else v) for n, v in values.items()
        }
        assert journal.intent(wanted.client_order_id) == wanted
        assert sorted(journal.fills(), key=lambda known: known.order_id) == [fill, abroad]
        (record,) = journal.closed_positions()
        assert (record.position, record.close) == (position, close)
        journal.close()


@given(st.text(max_size=40), st.integers(0, 3), st.sampled_from(list(Purpose)), st.integers(0, 99))
def test_client_order_ids_are_what_the_venue_takes(position: str, leg: int, purpose: Purpose, attempt: int) -> None:
    made = client_order_id("scope", position, leg, purpose, attempt)
    assert len(made) == 32
    assert made.isascii()
    assert made.isalnum()
    assert made == client_order_id("scope", position, leg, purpose, attempt)
    assert made != client_order_id("scope", position, leg, purpose, attempt + 1)
    assert made != client_order_id("other", position, leg, purpose, attempt)


def test_a_bar_has_one_decision_id() -> None:
    assert decision_id("s", T0) == decision_id("s", T0)
    assert decision_id("s", T0) != decision_id("s", T0 + timedelta(hours=1))


@pytest.mark.parametrize("start", list(IntentState))
@pytest.mark.parametrize("end", list(IntentState))
def test_only_transitions_that_can_be_are_written(start: IntentState, end: IntentState, journal: Journal) -> None:
    journal.intend(intent(state=start))
    if end in TRANSITIONS[start]:
        assert journal.advance("pairitye1", end, T0, "ok").state is end
        assert [event.state for event in journal.events("pairitye1")] == [start, end]
    else:
        with pytest.raises(JournalError, match="cannot go from"):
            journal.advance("pairitye1", end, T0)
        assert len(journal.events("pairitye1")) == 1


def test_fills_never_shrink(journal: Journal) -> None:
    journal.intend(intent(state=IntentState.ACKNOWLEDGED, filled_contracts=Decimal(1)))
    with pytest.raises(JournalError, match="was filled 1"):
        journal.advance("pairitye1", IntentState.FILLED, T0, filled_contracts=Decimal("0.5"))


def test_an_id_belongs_to_one_intention(journal: Journal) -> None:
    journal.intend(intent())
    assert journal.intend(intent(created_at=T0 + timedelta(hours=1))) == intent()
    with pytest.raises(JournalError, match="side, contracts"):
        journal.intend(intent(side=Side.SELL, contracts=Decimal(2)))


def test_intentions_that_belong_together_are_written_together(journal: Journal) -> None:
    journal.intend(intent())
    with pytest.raises(JournalError):
        journal.intend_all([intent(client_order_id="pairitys1", purpose=Purpose.PROTECT), intent(leg=1)])
    assert journal.intent("pairitys1") is None


def test_an_order_needs_a_decision_that_exists(journal: Journal) -> None:
    with pytest.raises(JournalError, match="FOREIGN KEY"):
        journal.intend(intent(decision_id="nobody"))


def test_a_bar_is_not_decided_twice_differently(journal: Journal) -> None:
    first = decision_of(entry())
    journal.record_decision(first, [])
    journal.record_decision(first, [])
    with pytest.raises(JournalError, match="decided before"):
        journal.record_decision(decision_of(entry(contracts="9")), [])


def test_the_order_leads_back_to_everything(journal: Journal) -> None:
    decision = decision_of(entry())
    vector = FeatureVector(decision.decision_id, "pair_model_v1", "BTC__SOL", T0, {"z_score": 0.1 + 0.2, "x": None})
    journal.record_decision(decision, [vector])
    journal.intend(intent(decision_id=decision.decision_id))
    journal.advance("pairitye1", IntentState.SENT, T0)
    journal.advance("pairitye1", IntentState.ACKNOWLEDGED, T0, "accepted", order_id="7001")
    for name in ("pairitye1", "7001"):
        trace = journal.trace(name)
        assert (trace.decision, trace.run, trace.vectors) == (decision, RUN, (vector,))
        assert [event.state.value for event in trace.events] == ["intended", "sent", "acknowledged"]
    with pytest.raises(JournalError, match="no order 'nonsense'"):
        journal.trace("nonsense")


def test_positions_age_with_the_decisions(journal: Journal) -> None:
    leg = Leg("BTC", Side.BUY, Decimal(1), 1.0, 0.9, 1.1)
    position = PairPosition("p1", Pair("BTC", "ETH"), 1, (leg,), T0, -1.5, 1.0, -1.5)
    journal.save_position(position)
    aged = replace(position, bars_held=1, last_z=-0.7)
    record = decision_of()
    held = replace(record.decision, state=replace(record.decision.state, positions=(aged,)))
    journal.record_decision(replace(record, decision=held), [])
    assert journal.restore_state(5.0).positions == (aged,)
    journal.close_position("p1", PositionClose(T0, "stop_loss"))
    state = journal.restore_state(5.0)
    assert (state.positions, state.bars_since_exit) == ((), 0)
    with pytest.raises(JournalError, match="was closed"):
        journal.save_position(aged)
    with pytest.raises(JournalError, match="not an open position"):
        journal.close_position("p1", PositionClose(T0, "stop_loss"))


def test_only_one_process_writes(tmp_path: Path) -> None:
    first = Journal.open(tmp_path / "j.db")
    with pytest.raises(JournalError, match=f"another process .pid {os.getpid()}."):
        Journal.open(tmp_path / "j.db")
    reader = Journal.read(tmp_path / "j.db")
    reader.close()
    first.close()
    Journal.open(tmp_path / "j.db").close()


def test_a_reader_of_nothing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        Journal.read(tmp_path / "j.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"not a database" * 100)
    (tmp_path / "j.db").chmod(0o600)
    with pytest.raises(JournalError, match=r"(?s)not a database.*restore"):
        Journal.open(tmp_path / "j.db")


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j.db")
    for number in range(60):
        journal.intend(intent(client_order_id=f"pairitye{number}", position_id=f"p{number}"))
    journal.close()
    content = bytearray((tmp_path / "j.db").read_bytes())
    content[4096 : len(content)] = b"\xff" * (len(content) - 4096)
    (tmp_path / "j.db").write_bytes(content)
    with pytest.raises(JournalError, match="journal"):
        Journal.open(tmp_path / "j.db")


@pytest.mark.parametrize("statement", ["UPDATE meta SET value = '0' WHERE key = 'schema_version'", "DELETE FROM meta"])
def test_another_schema_version_is_refused(statement: str, tmp_path: Path) -> None:
    Journal.open(tmp_path / "j.db").close()
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="schema version"):
        Journal.open(tmp_path / "j.db")


@pytest.mark.parametrize("opened", [Journal.open, Journal.read])
def test_a_refused_journal_is_closed_again(opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Journal.open(tmp_path / "j.db").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "j.db")) as connection, connection:
        connection.execute("DELETE FROM meta")
    databases = []
    real = journal_module.open_database
    monkeypatch.setattr(journal_module, "open_database", lambda path: databases.append(real(path)) or databases[-1])
    with pytest.raises(JournalError, match="schema version"):
        opened(tmp_path / "j.db")
    assert [database.pool.checkedin() for database in databases] == [0]
    lock_for_writing(tmp_path / "j.db").close()


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "j.db")
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.commit()
    connection.close()
    (tmp_path / "j.db").chmod(0o600)
    with pytest.raises(JournalError, match="no such table"):
        Journal.open(tmp_path / "j.db")


def test_the_file_is_durable(journal: Journal) -> None:
    with journal._database.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


VERSION_1 = Path(__file__).with_name("journal_version_1.sql")  # dumped by the program that wrote version 1


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text())
    path.chmod(0o600)
    return path


def stored(path: Path) -> tuple[str, set[str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return version, {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def told(journal: Journal) -> tuple[object, ...]:
    record = journal.last_decision()
    assert record is not None
    return record, journal.vectors(record.decision_id), journal.open_positions(), journal.unsettled(), journal.scope


def test_a_journal_of_version_1_is_read_as_it_is_and_extended_by_a_writer(old: Path) -> None:
    before = stored(old)
    assert before[0] == "1"
    reader = Journal.read(old)
    was = told(reader)
    assert was[0] == decision_of(entry())
    assert (reader.models.shadows(), reader.models.retrainings(), reader.states.newest()) == ([], [], None)
    reader.close()
    assert stored(old) == before
    for _ in range(2):
        journal = Journal.open(old)
        assert told(journal) == was
        journal.close()
        assert stored(old) == (
            tables.SCHEMA_VERSION,
            before[1]
            | {"shadows", "retrainings", "fees", "states", "rescalings", "equity_marks"}
            | {"events", "requests", "deliveries", "alert_states"},
        )
    journal = Journal.open(old)
    shadow = ShadowRecord(decision_of().decision_id, T0, "m", "2", "f" * 64, {"BTC__SOL": 0.1}, None)
    journal.models.record_shadow(shadow)
    assert journal.models.shadows() == [shadow]
    journal.close()


def test_an_extension_that_is_interrupted_leaves_version_1(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = stored(old), tables.metadata.create_all

    def interrupted(connection: Connection) -> None:
        real(connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tables.metadata, "create_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Journal.open(old)
    assert stored(old) == before
    Journal.open(old).close()
    assert stored(old)[0] == tables.SCHEMA_VERSION


def test_an_extended_journal_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Journal.open(old).close()
    Journal.open(tmp_path / "new.db").close()

    def shape(path: Path) -> dict[str, object]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            names = stored(path)[1]
            return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}

    assert shape(old) == shape(tmp_path / "new.db")


@pytest.mark.parametrize("statement", ["CREATE TABLE intents", "INSERT INTO meta", "COMMIT"])
def test_a_process_killed_while_it_makes_a_journal_is_no_hindrance(statement: str, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:

        @event.listens_for(Engine, "before_cursor_execute")
        def execute(_connection: object, _cursor: object, text: str, *_others: object) -> None:
            if text.strip().startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(Engine, "commit")
        def commit(_connection: object) -> None:
            if statement == "COMMIT":
                os.kill(os.getpid(), signal.SIGKILL)

        Journal.open(tmp_path / "journal.db")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert read_stakes(tmp_path / "journal.db") == Stakes(began=False, open=False)
    made = Journal.open(tmp_path / "journal.db", scope="second")
    made.record_run(RUN)
    assert made.scope == "second"
    made.close()


def test_a_retraining_is_written_when_it_begins_and_when_it_ends(journal: Journal) -> None:
    due = Retraining(T0, RUN.run_id, T0 + timedelta(seconds=5))
    assert journal.models.last_retraining_due() is None
    journal.models.begin_retraining(due)
    assert journal.models.retrainings() == [due]
    ended = replace(due, ended_at=T0 + timedelta(minutes=9), exit_code=-15, summary="ended")
    journal.models.end_retraining(ended)
    assert journal.models.retrainings() == [ended]
    assert journal.models.last_retraining_due() == T0
