"""Tests begin with MLflow's empty tables copied: they are those that its migrations make."""

import sqlite3
from contextlib import closing

from model_registry.connection import database_file, open_client
from pairity.layout import Layout
from tests import mlflow_tables


def contents(home):
    """The schema of a new database, and how many rows each table has."""
    home.mkdir(mode=0o700)
    layout = Layout(home)
    open_client(layout).search_experiments()
    with closing(sqlite3.connect(database_file(layout))) as database:
        schema = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        tables = [name for kind, name, *_ in schema if kind == "table"]
        return schema, {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone() for name in tables}


def test_a_copied_database_is_one_that_mlflow_made(tmp_path, monkeypatch):
    contents(tmp_path / "loads MLflow")
    mlflow_tables.reuse_tables()
    made = []
    monkeypatch.setattr(mlflow_tables, "_made", made)
    by_mlflow = contents(tmp_path / "by MLflow")
    assert len(made) == 1
    assert contents(tmp_path / "copied") == by_mlflow
    assert len(by_mlflow[1]) > 30
