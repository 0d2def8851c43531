"""`pairity journal` on a file: versions are named, and what needs PostgreSQL says so."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from click.testing import CliRunner

from pairity_cli.main import main
from serving.journal import Journal, tables
from tests.serving.journal.version_1 import write_version_1


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir(mode=0o700)
    return tmp_path / "home" / "journal.db"


def run(*words):
    done = CliRunner().invoke(main, ["journal", *words])
    return done.exit_code, done.output


def test_an_upgrade_says_from_and_to(path):
    write_version_1(path)
    code, said = run("upgrade")
    assert (code, f"from schema version 1 to {tables.SCHEMA_VERSION}" in said) == (0, True)
    code, said = run("upgrade")
    assert (code, f"has schema version {tables.SCHEMA_VERSION}: nothing to do" in said) == (0, True)


def test_a_later_version_and_one_that_is_written_are_refused_and_stay(path):
    with contextlib.closing(Journal.open(path)):
        code, said = run("upgrade")
        assert (code, "another process" in said) == (6, True)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '9' WHERE key = 'schema_version'")
    code, said = run("upgrade")
    assert (code, "has schema version '9'" in said) == (6, True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == ("9",)


def test_a_move_needs_the_profile_with_postgresql(path):
    Journal.open(path).close()
    code, said = run("move", "--to", "database")
    assert (code, "--profile cluster journal move --to database" in said) == (2, True)
    assert run("move")[0] == 2
