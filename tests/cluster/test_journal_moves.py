"""Moving a journal between file and PostgreSQL, and bringing its tables forward: whole or not at all, row by row."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect, select, text, update

from pairity.errors import JournalError
from pairity.layout import Layout
from pairity_cli.main import main
from serving.journal import Journal, tables
from serving.journal.copying import digest_journal
from serving.journal.migration import migrate
from serving.journal.moving import move_journal
from serving.journal.opened import connect_store
from serving.journal.upgrade import upgrade_journal
from tests.cluster.journal_places import connect, drop, fill, home, place
from tests.serving.trading import RUN

pytestmark = pytest.mark.cluster
__all__ = ["home", "place"]


@pytest.fixture
def file(home):
    """The journal's file, with entries."""
    path = Layout.of(home).journal
    with contextlib.closing(Journal.open(path, scope="s")) as journal:
        fill(journal)
    return path


def digest(where):
    store = connect_store(where)
    try:
        with store.begin_reading() as connection:
            return digest_journal(connection)
    finally:
        store.close()


def test_a_journal_goes_to_postgresql_and_back_with_the_same_rows(file, place):
    before = digest(file)
    assert before.rows > 300
    assert move_journal(file, place) == before
    assert digest(place) == digest(file) == before
    with pytest.raises(JournalError, match=r"was moved to PostgreSQL .*schema journal"):
        Journal.open(file)
    with contextlib.closing(Journal.read(file)) as old, contextlib.closing(Journal.open(place)) as new:
        assert (old.scope, old.last_decision()) == (new.scope, new.last_decision())
        assert old.changes.read_marks() == new.changes.read_marks()
        assert old.event_log.page() == new.event_log.page()
        fill_one_more(new)
    later = digest(place)
    assert later.rows > before.rows
    with pytest.raises(JournalError, match="entries: nothing is copied over them"):
        move_journal(place, file)
    file.rename(file.with_name("moved-away.db"))
    assert move_journal(place, file) == later == digest(file)
    with pytest.raises(JournalError, match="is a journal with entries, and the profile cluster"):
        Journal.open(place)
    with pytest.raises(JournalError, match=r"was moved to .*journal\.db"):
        Journal.open(replace(place, file=file.with_name("none.db")))
    with contextlib.closing(Journal.open(file)) as journal:
        fill_one_more(journal, 1)


def fill_one_more(journal, number=0):
    from tests.serving.journal.intentions import intent

    journal.intend(intent(client_order_id=f"pairityelater{number}", position_id=f"later{number}"))


def test_what_cannot_be_moved_is_refused_and_nothing_is_changed(file, place, home):
    before = digest(file)
    with contextlib.closing(Journal.open(file)), pytest.raises(JournalError, match="another process"):
        move_journal(file, place)
    with pytest.raises(JournalError, match=r"a journal with entries, and the profile cluster trades from"):
        Journal.open(place)
    file.rename(file.with_name("other.db"))
    with contextlib.closing(Journal.open(place)) as journal:
        journal.record_run(RUN)
        file.with_name("other.db").rename(file)
        with pytest.raises(JournalError, match="another process"):
            move_journal(file, place)
    with pytest.raises(JournalError, match="has 1 entries"):
        move_journal(file, place)
    drop(place)
    with pytest.raises(JournalError, match="no journal in"):
        move_journal(place, file)
    assert digest(file) == before
    assert move_journal(file, place) == before
    with pytest.raises(JournalError, match=r"was moved to .* before"):
        move_journal(file, place)


@pytest.mark.parametrize(
    "at", ["INSERT INTO order_events", "INSERT INTO meta", "DELETE FROM meta WHERE", "COMMIT 2", "COMMIT 3"]
)
def test_a_move_that_is_killed_goes_on_and_leaves_one_journal(file, place, home, at):
    before = digest(file)
    code = f"""
import os, signal, sys
from sqlalchemy import Engine, event
from pairity.configuration import load_settings
from pairity.layout import Layout
from serving.journal.moving import move_journal
at, commits = {at!r}, 0
def end():
    os.kill(os.getpid(), signal.SIGKILL)
@event.listens_for(Engine, "before_cursor_execute")
def execute(_connection, _cursor, said, *_others):
    if said.strip().startswith(at):
        end()
@event.listens_for(Engine, "commit")
def commit(connection):
    global commits
    commits += connection.info.get("counted") is None and connection.dialect.name == "postgresql"
    if at == f"COMMIT {{commits}}":
        end()
layout = Layout.of(load_settings(home=sys.argv[1]))
move_journal(layout.journal, layout.journal_place)
"""
    done = subprocess.run([sys.executable, "-c", code, str(home.root)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    usable = []
    for one in (file, place):
        with contextlib.suppress(JournalError), contextlib.closing(Journal.open(one)):
            usable.append(one)
    assert usable in ([file], []), "never both, and what was copied is not traded from before the end"
    assert move_journal(file, place) == before
    assert digest(place) == before
    with contextlib.closing(Journal.open(place)) as journal:
        assert journal.last_decision() is not None


def shape(connection):
    seen = inspect(connection)
    columns = {
        name: [(c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(name)]
        for name in seen.get_table_names()
    }
    keys = {
        name: (seen.get_pk_constraint(name)["constrained_columns"], sorted(map(str, seen.get_indexes(name))))
        for name in columns
    }
    return (
        columns,
        keys,
        connection.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")).all(),
    )


@pytest.mark.parametrize("version", sorted(tables.EXTENDED))
def test_a_journal_of_every_earlier_version_is_brought_forward(place, version):
    Journal.open(place).close()
    with connect(place) as connection:
        new = shape(connection)
    drop(place)
    make_version(place, version)
    with contextlib.closing(Journal.read(place)) as reader:
        assert reader.states.all() == []
        assert reader.event_log.newest_id() == 0
    assert upgrade_journal(place) == (version, tables.SCHEMA_VERSION)
    with connect(place) as connection:
        assert shape(connection) == new
    assert upgrade_journal(place) == (tables.SCHEMA_VERSION, tables.SCHEMA_VERSION)
    with contextlib.closing(Journal.open(place)) as journal:
        assert journal.scope == "old"
        fill(journal)


def make_version(place, version):
    with connect(place) as connection, connection.begin():
        connection.execute(text(f"CREATE SCHEMA {place.schema}"))
        migrate(connection, "old", to=version)


def test_tables_are_those_that_the_program_knows(place):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    Journal.open(place).close()
    with connect(place) as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    own = {"writers", "rowid"}
    assert [one for one in differences if not any(name in str(one) for name in own)] == []


def test_a_later_version_is_refused_by_name(place):
    Journal.open(place).close()
    with connect(place) as connection:
        version = tables.meta.c.key == "schema_version"
        connection.execute(update(tables.meta).where(version).values(value="9"))
    for opened in (Journal.open, Journal.read, upgrade_journal):
        with pytest.raises(JournalError, match=rf"schema version '9'.*{tables.SCHEMA_VERSION}"):
            opened(place)
    with connect(place) as connection:
        assert connection.execute(select(tables.meta.c.value).where(version)).scalar() == "9"


def test_an_upgrade_that_is_killed_leaves_the_old_version(place, home):
    make_version(place, "3")
    code = """
import os, signal, sys
from sqlalchemy import Engine, event
from pairity.configuration import load_settings
from pairity.layout import Layout
from serving.journal.upgrade import upgrade_journal
@event.listens_for(Engine, "before_cursor_execute")
def execute(_connection, _cursor, said, *_others):
    if "margin_modes" in said:
        os.kill(os.getpid(), signal.SIGKILL)
upgrade_journal(Layout.of(load_settings(home=sys.argv[1])).journal_place)
"""
    done = subprocess.run([sys.executable, "-c", code, str(home.root)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    with connect(place) as connection:
        assert not inspect(connection).has_table("states")
    assert upgrade_journal(place) == ("3", tables.SCHEMA_VERSION)


def test_the_commands_say_what_they_did(file, place):
    def run(*words):
        done = CliRunner().invoke(main, ["journal", *words], catch_exceptions=False)
        return done.exit_code, done.output

    assert upgrade_journal(file) == (tables.SCHEMA_VERSION, tables.SCHEMA_VERSION)
    os.environ["PAIRITY_HOME"] = str(file.parent)
    try:
        code, said = run("upgrade")
        assert (code, "nothing was traded" in said) == (0, True)
        code, said = run("move", "--to", "database")
        assert (code, "SHA-256" in said, "profile cluster" in said) == (0, True, True)
        code, said = run("upgrade")
        assert (code, f"schema version {tables.SCHEMA_VERSION}: nothing to do" in said) == (0, True)
        code, said = run("move", "--to", "file")
        assert (code, "nothing is copied over them" in said) != (0, False)
    finally:
        del os.environ["PAIRITY_HOME"]
