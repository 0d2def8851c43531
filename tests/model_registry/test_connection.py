"""MLflow is set up in one place, quietly; its failures have names."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from model_registry import connection
from model_registry.connection import (
    database_file,
    has_database,
    open_client,
    prepare_environment,
    read_once,
    store_errors,
)
from pairity.errors import NoChampionError, RegistryError
from pairity.layout import Layout


def test_telemetry_is_off_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    monkeypatch.setenv("DO_NOT_TRACK", "false")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "raise")
    prepare_environment()
    assert (os.environ["MLFLOW_DISABLE_TELEMETRY"], os.environ["DO_NOT_TRACK"]) == ("true", "true")
    assert os.environ["GIT_PYTHON_REFRESH"] == "raise"  # a matter of taste stays the user's


def test_asking_for_the_database_creates_nothing_and_opening_does(tmp_path):
    layout = Layout(tmp_path / "home")
    assert not has_database(layout)
    assert not layout.root.exists()
    open_client(layout).search_registered_models()
    assert has_database(layout)


@pytest.mark.parametrize("kind", ["garbage", "folder"])
def test_what_is_no_database_is_named_at_once(tmp_path, kind):
    layout = Layout(tmp_path)
    layout.mlflow.mkdir()
    database = layout.mlflow / "mlflow.db"
    if kind == "folder":
        database.mkdir()
    else:
        database.write_bytes(b"this is not a database" * 100)
    assert has_database(layout)  # something is there: it is reported, not taken for an empty registry
    with pytest.raises(RegistryError, match=r"mlflow\.db cannot be used") as caught:
        open_client(layout)
    assert caught.value.exit_code == 5
    assert "put mlflow.db back from a copy" in caught.value.remedy


@pytest.mark.parametrize("ending", ["", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_a_pipe_folder_or_device_beside_the_database_is_named_at_once(tmp_path, ending, make):
    layout = Layout(tmp_path)
    layout.mlflow.mkdir()
    path = database_file(layout).with_name(f"mlflow.db{ending}")
    make(path)
    with pytest.raises(RegistryError, match=f"{path.name} is a folder, a pipe or a device"):
        open_client(layout)


ENDLESS = "WITH RECURSIVE endless(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM endless) SELECT"
FOREIGN_CODE = {
    "view": ["ALTER TABLE tags RENAME TO kept", f"CREATE VIEW tags AS {ENDLESS} kept.* FROM kept, endless"],
    "trigger": [f"CREATE TRIGGER t AFTER UPDATE ON runs BEGIN INSERT INTO tags {ENDLESS} x, x, x FROM endless; END"],
    "trigger of MLflow's name": [
        "DROP TRIGGER prevent_secrets_aad_mutation",
        "CREATE TRIGGER prevent_secrets_aad_mutation AFTER UPDATE ON runs BEGIN DELETE FROM tags; END",
    ],
    "virtual table": ["DROP TABLE tags", "CREATE VIRTUAL TABLE tags USING fts5(key, value)"],
}


@pytest.fixture(scope="module")
def new_database(tmp_path_factory):
    """MLflow's own database, which has one trigger."""
    layout = Layout(tmp_path_factory.mktemp("new"))
    open_client(layout).search_experiments()
    return database_file(layout)


@pytest.mark.parametrize("what", FOREIGN_CODE)
def test_a_database_with_code_of_somebody_else_is_refused_before_a_table_is_read(tmp_path, new_database, what):
    layout = Layout(tmp_path)
    layout.mlflow.mkdir()
    shutil.copy(new_database, layout.mlflow)
    open_client(layout)
    with closing(sqlite3.connect(database_file(layout))) as database, database:
        for statement in FOREIGN_CODE[what]:
            database.execute(statement)
    with pytest.raises(RegistryError, match=f"has a {what.partition(' of ')[0]} that MLflow did not make"):
        open_client(layout)


def test_what_does_not_exist_is_the_error_that_the_caller_means(tmp_path):
    layout = Layout(tmp_path)
    client = open_client(layout)
    client.create_registered_model("m")

    def nobody():
        return NoChampionError("nobody")

    for name, alias in (("m", "champion"), ("other", "champion")):
        with pytest.raises(NoChampionError, match="nobody"), store_errors(layout, nobody):
            client.get_model_version_by_alias(name, alias)
        with pytest.raises(RegistryError, match="cannot be used") as caught, store_errors(layout):
            client.get_model_version_by_alias(name, alias)
        assert not isinstance(caught.value, NoChampionError)
    with pytest.raises(RegistryError) as caught, store_errors(layout, nobody):
        raise sqlite3.OperationalError("locked\n[SQL: SELECT 1]")
    assert caught.value.what.endswith("mlflow.db cannot be used: locked")


@pytest.fixture
def counted(tmp_path):
    """A database of one row, and a question to it that counts how often it is asked."""
    layout, asked = Layout(tmp_path), []
    layout.mlflow.mkdir()
    write(database_file(layout), "CREATE TABLE models (name)", "INSERT INTO models VALUES ('m')")

    def read():
        asked.append(len(asked))
        with closing(sqlite3.connect(database_file(layout))) as database:
            return database.execute("SELECT count(*) FROM models").fetchone()[0]

    return layout, read, asked


def write(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_an_answer_is_read_again_once_anybody_writes(counted, monkeypatch):
    monkeypatch.setattr(connection, "_SETTLED_S", 0.0)
    layout, read, asked = counted
    assert [read_once(layout, "models", read) for _ in range(3)] == [1, 1, 1]
    assert len(asked) == 1
    write(database_file(layout), "INSERT INTO models VALUES ('n')")
    os.utime(database_file(layout), ns=(0, 0))  # whoever sets a clock back deceives nobody
    assert [read_once(layout, "models", read) for _ in range(2)] == [2, 2]
    other = layout.mlflow / "copy.db"
    shutil.copy2(database_file(layout), other)
    write(other, "DELETE FROM models")
    other.replace(database_file(layout))
    assert [read_once(layout, "models", read) for _ in range(2)] == [0, 0]
    assert len(asked) == 3
    database_file(layout).with_name("mlflow.db-journal").touch()
    assert read_once(layout, "models", read) == 0
    assert len(asked) == 4


def test_a_file_that_lies_beside_a_database_elsewhere_tells_nothing_about_it(counted, monkeypatch):
    monkeypatch.setattr(connection, "_SETTLED_S", 0.0)
    layout, read, asked = counted
    elsewhere = replace(layout, tracking_database="postgresql+psycopg://user@db.example:5432/pairity")
    assert [read_once(elsewhere, "models", read) for _ in range(3)] == [1, 1, 1]
    assert len(asked) == 3


def test_what_was_read_just_after_a_write_and_what_failed_is_not_remembered(counted, monkeypatch):
    layout, read, asked = counted
    monkeypatch.setattr(connection, "_SETTLED_S", 3600.0)
    assert [read_once(layout, "models", read) for _ in range(2)] == [1, 1]
    assert len(asked) == 2
    monkeypatch.setattr(connection, "_SETTLED_S", 0.0)

    def fail():
        raise RegistryError("unreadable", "restore it")

    with pytest.raises(RegistryError, match="unreadable"):
        read_once(layout, "other", fail)
    assert read_once(layout, "other", read) == 1
