"""Values of every kind come back from PostgreSQL with the bits that SQLite gives back, and in the same order."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from pairity.errors import ConfigError
from serving.backups import make_backup, restore_backup
from serving.journal import FeatureVector, Journal, StateRecord, TradingState, codec, tables
from serving.journal.copying import digest_journal
from serving.journal.opened import connect_store
from tests.cluster.journal_places import fill, home, place
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN, decision_of

pytestmark = pytest.mark.cluster
__all__ = ["home", "place"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBER = st.decimals(allow_nan=False, allow_infinity=False) | st.just(Decimal("-0E-30"))
VALUE = st.floats() | st.integers(-(2**63), 2**63 - 1) | TEXT | st.booleans() | st.none()
INSTANT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))


@pytest.fixture
def both(place, tmp_path):
    """A journal in a file, and one in PostgreSQL."""
    first, second = Journal.open(tmp_path / "j.db", scope="s"), Journal.open(place, scope="s")
    with contextlib.closing(first), contextlib.closing(second):
        for journal in (first, second):
            journal.record_run(RUN)
            journal.record_decision(decision_of(), [])
        yield first, second


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXT, min_size=3, max_size=3),
    numbers=st.lists(NUMBER, min_size=3, max_size=3),
    values=st.dictionaries(TEXT, VALUE, max_size=6),
    at=INSTANT,
    flag=st.booleans(),
)
def test_what_is_written_comes_back(both, texts, numbers, values, at, flag):
    wanted = intent(
        client_order_id=texts[0],
        position_id=texts[0],
        instrument=texts[1],
        contracts=numbers[0],
        stop_price=numbers[1],
        average_price=numbers[2],
        reduce_only=flag,
        created_at=at,
    )
    state = StateRecord(at, TradingState.HALTED, texts[2], texts[1], flag)
    vector = FeatureVector(decision_of().decision_id, texts[0], texts[1], at, values)
    found = []
    for journal in both:
        if journal.intent(texts[0]) is not None or journal.vectors(vector.decision_id):
            with journal._begin() as connection:
                for name in ("order_events", "intents", "feature_vectors", "states"):
                    connection.exec_driver_sql(f"DELETE FROM {name}")
        assert journal.intend(wanted, texts[2]) == wanted
        journal.states.record(state)
        with journal._begin() as connection:
            connection.execute(insert(tables.feature_vectors), codec.vector_to_row(vector))
        (back,) = journal.vectors(vector.decision_id)
        own = journal.intent(texts[0])
        rows = journal._rows(tables.intents.select())
        found.append((repr(own), repr(back), repr(journal.states.newest()), repr([dict(row) for row in rows])))
        assert (own, journal.states.newest()) == (wanted, state)
        assert journal.events(texts[0])[0].answer == texts[2]
    assert found[0] == found[1]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(TEXT.filter(lambda text: not set(text) & {"\0", "\uf8ff"}), max_size=12, unique=True))
def test_text_is_sorted_by_its_bytes_in_both(both, names):
    found = []
    for journal in both:
        with journal._begin() as connection:
            connection.exec_driver_sql("DELETE FROM alert_states")
        journal.deliveries.plan([], dict.fromkeys(names, "{}"))
        with journal._begin() as connection:
            query = "SELECT name FROM alert_states ORDER BY name"
            found.append(list(connection.exec_driver_sql(query).scalars()))
    assert found[0] == found[1] == sorted(names)


def test_a_backup_is_a_file_with_the_same_rows(place, tmp_path):
    with contextlib.closing(Journal.open(place, scope="s")) as journal:
        fill(journal, 10)
        made = make_backup(place, tmp_path / "copies" / "one")
    with contextlib.closing(Journal.read(made.folder / "journal.db")) as copy:
        assert copy.scope == "s"
    digests = []
    for where in (place, made.folder / "journal.db"):
        store = connect_store(where)
        with store.begin_reading() as connection:
            digests.append(digest_journal(connection))
        store.close()
    assert digests[0] == digests[1]
    assert sorted(path.name for path in made.folder.iterdir()) == ["backup.json", "journal.db"]
    with pytest.raises(ConfigError, match="a backup is put back as a file"):
        restore_backup(place, made.folder)
