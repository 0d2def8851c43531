"""The only writer of a journal in PostgreSQL: refused by name, noticed when its lock is lost, never two."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from pairity.errors import JournalError, JournalWriteError, PrivacyError
from serving.journal import Journal, StateRecord, TradingState
from serving.opening import Stakes, read_stakes
from tests.cluster.journal_places import connect, home, place
from tests.cluster.test_restarts import start_again
from tests.serving.journal.intentions import intent
from tests.serving.trading import RUN, T0
from tools.local_cluster.processes import stop

pytestmark = pytest.mark.cluster
__all__ = ["home", "place"]

WRITER = """
import sys, time
from pairity.configuration import load_settings
from pairity.layout import Layout
from serving.journal import Journal
from tests.serving.trading import RUN
journal = Journal.open(Layout.of(load_settings(home=sys.argv[1])).journal_place, scope="child")
journal.record_run(RUN)
print("open", flush=True)
time.sleep(600)
"""


def end_sessions(place, which="TRUE"):
    """End the sessions of journals on the server, as a broken network does."""
    ended = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        f"WHERE application_name LIKE 'pairity %' AND pid <> pg_backend_pid() AND {which}"
    )
    with connect(place) as connection:
        assert connection.execute(ended).scalar()


HOLDS = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"


def start_writer(home):
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(home.root)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "open\n"
    return child


def test_a_second_writer_is_refused_by_name_and_readers_are_not(place, home):
    child = start_writer(home)
    with child:
        with pytest.raises(JournalError, match=rf"another process \(pairity {child.pid} on .*\) writes the journal"):
            Journal.open(place)
        with contextlib.closing(Journal.read(place)) as reader:
            assert reader.run(RUN.run_id) == RUN
            with pytest.raises(JournalError, match="read-only"):
                reader.record_run(RUN)
        child.kill()
    with contextlib.closing(Journal.open(place, scope="other")) as journal:
        assert (journal.scope, journal.run(RUN.run_id)) == ("child", RUN)


def test_the_lock_keeps_no_transaction_open(place):
    with contextlib.closing(Journal.open(place)), connect(place) as connection:
        states = text("SELECT DISTINCT state FROM pg_stat_activity WHERE application_name LIKE 'pairity %'")
        assert list(connection.execute(states).scalars()) == ["idle"]


def test_a_lock_that_was_lost_is_taken_again_before_anything_is_written(place):
    with contextlib.closing(Journal.open(place)) as journal:
        end_sessions(place, HOLDS)
        journal.record_run(RUN)
        with pytest.raises(JournalError, match=f"another process .pairity {os.getpid()} on"):
            Journal.open(place)
    with contextlib.closing(Journal.read(place)) as reader:
        assert reader.run(RUN.run_id) == RUN


def test_a_writer_that_was_replaced_never_writes_again(place):
    first = Journal.open(place, scope="a")
    first.record_run(RUN)
    end_sessions(place, HOLDS)
    second = Journal.open(place)
    assert second.run(RUN.run_id) == RUN
    with pytest.raises(JournalError, match=r"another process .* has become the writer") as refused:
        first.intend(intent())
    assert not isinstance(refused.value, JournalWriteError), "it halts: no time mends that"
    second.close()
    with pytest.raises(JournalError, match="has become the writer"):
        first.intend(intent())
    first.close()
    with contextlib.closing(Journal.read(place)) as reader:
        assert reader.unsettled() == []


def test_a_writer_that_stands_still_in_a_transaction_is_waited_for(place):
    """The lock is lost in the middle of a transaction: the successor begins after it, and sees all of it."""
    first = Journal.open(place)
    with first._begin() as connection:
        end_sessions(place, f"{HOLDS} AND pid <> {connection.exec_driver_sql('SELECT pg_backend_pid()').scalar()}")
        with pytest.raises(JournalError, match="lock timeout"):
            Journal.open(place)
        connection.exec_driver_sql("INSERT INTO alert_states (name, state_json) VALUES ('late', '{}')")
    with contextlib.closing(Journal.open(place)) as second:
        assert second.deliveries.state("late") == "{}"
    first.close()


def test_a_restart_of_postgresql_is_an_error_that_passes(place, cluster_folder):
    journal = Journal.open(place)
    journal.record_run(RUN)
    assert stop("postgres", cluster_folder)
    try:
        for _ in range(2):
            with pytest.raises(JournalWriteError, match="cannot be used now"):
                journal.intend(intent())
        with pytest.raises(JournalWriteError, match="cannot be used now"):
            read_stakes(place)
    finally:
        start_again(cluster_folder)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert journal.intend(intent()) == intent()
            break
        except JournalWriteError:
            assert time.monotonic() < deadline
    with pytest.raises(JournalError, match="another process"):
        Journal.open(place)
    journal.close()


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_server_that_may_lose_what_it_confirmed_is_refused(place, setting):
    Journal.open(place).close()
    with connect(place) as connection:
        connection.execute(text(f"ALTER ROLE CURRENT_USER SET {setting} = off"))
    try:
        with pytest.raises(JournalError, match=f"the server has {setting} = off"):
            Journal.open(place)
    finally:
        with connect(place) as connection:
            connection.execute(text(f"ALTER ROLE CURRENT_USER RESET {setting}"))
    with contextlib.closing(Journal.open(place)) as journal, journal._begin() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_schema_that_everybody_may_read_is_refused(place):
    Journal.open(place).close()
    with connect(place) as connection:
        connection.execute(text(f"GRANT USAGE ON SCHEMA {place.schema} TO PUBLIC"))
    for opened in (Journal.open, Journal.read):
        with pytest.raises(PrivacyError, match="every user") as refused:
            opened(place)
        assert f"REVOKE ALL ON SCHEMA {place.schema}" in refused.value.remedy


def test_a_journal_of_another_account_has_a_schema_of_its_own(place):
    from dataclasses import replace

    from tests.cluster.journal_places import drop

    other = replace(place, schema="journal_second", address=place.address.replace("%3Djournal", "%3Djournal_second"))
    drop(other)
    with contextlib.closing(Journal.open(place)) as first, contextlib.closing(Journal.open(other)) as second:
        first.record_run(RUN)
        second.states.record(StateRecord(T0, TradingState.TRADING, "start", "process"))
        assert (first.states.newest(), second.run(RUN.run_id)) == (None, None)
    drop(other)


@pytest.mark.parametrize("statement", ["CREATE TABLE IF NOT EXISTS intents", "INSERT INTO meta", "INSERT INTO writers"])
def test_a_process_killed_while_it_makes_a_journal_is_no_hindrance(place, home, statement):
    code = f"""
import os, signal, sys
from sqlalchemy import Engine, event
from pairity.configuration import load_settings
from pairity.layout import Layout
from serving.journal import Journal
@event.listens_for(Engine, "before_cursor_execute")
def execute(_connection, _cursor, text, *_others):
    if text.strip().startswith({statement!r}):
        os.kill(os.getpid(), signal.SIGKILL)
Journal.open(Layout.of(load_settings(home=sys.argv[1])).journal_place)
"""
    done = subprocess.run([sys.executable, "-c", code, str(home.root)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert read_stakes(place) == Stakes(began=False, open=False)
    with contextlib.closing(Journal.open(place, scope="second")) as made:
        assert made.scope == "second"
