"""Runs are written into this data directory and read back from it, whatever the tracking store says of places."""

import os
import sqlite3
from contextlib import closing

import polars as pl
import pytest

from model_registry.connection import open_client
from pairity.errors import RegistryError
from pairity.layout import Layout
from training import tracking
from training.reports.contents import read_run
from training.run_records import FamilyRun

EQUITY = "time,equity\n2025-01-01T00:00:00Z,10000.0\n"


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return Layout(tmp_path_factory.mktemp("home with a space, é and #"))


@pytest.fixture
def logged(layout, tmp_path):
    """A run with one contender; the id and the folder of its files."""
    files = tmp_path / "files"
    files.mkdir()
    for name in ("equity_model.csv", "trades_model.csv", "drift.csv"):
        (files / name).write_text(EQUITY)
    (files / "equity.png").write_bytes(b"\x89PNG")
    metrics = {"model_net_return": 0.0, "model_final_equity_usdt": 10_000.0}
    parent = FamilyRun(name="board", params={}, metrics=metrics, tags={}, artifacts=files)
    run_id = tracking.log_family_runs(layout, parent, [])
    return run_id, layout.mlflow / "artifacts" / run_id / "artifacts"


def test_a_run_is_read_back_from_its_folder(layout, logged):
    run_id, _ = logged
    contents = read_run(layout, run_id)
    assert [line.key for line in contents.lines] == ["model"]
    assert contents.lines[0].equity["time"].dtype == pl.Datetime("us", "UTC")
    assert set(contents.tables) == {"drift"}


def forget(folder, name, outside):
    (folder / name).unlink()


def link(folder, name, outside):
    forget(folder, name, outside)
    (folder / name).symlink_to(outside)


def pipe(folder, name, outside):
    forget(folder, name, outside)
    os.mkfifo(folder / name)


def sparse(folder, name, outside):
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)


def garble(folder, name, outside):
    (folder / name).write_bytes(b"a,b\n1,2,3\n")


@pytest.mark.parametrize("name", ["equity_model.csv", "trades_model.csv", "drift.csv"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (link, "is a link, not a plain file"),
        (pipe, "is a pipe, not a plain file"),
        (sparse, "is too large"),
        (garble, "cannot be read"),
    ],
)
def test_a_table_that_is_no_plain_file_is_refused(layout, logged, tmp_path, name, change, words):
    run_id, folder = logged
    secret = tmp_path / "secret"
    secret.write_text("a,b\nsecret,1\n")
    change(folder, name, secret)
    with pytest.raises(RegistryError, match=words) as caught:
        read_run(layout, run_id)
    assert "secret,1" not in str(caught.value)


def test_a_run_that_lacks_its_trades_is_named(layout, logged, tmp_path):
    run_id, folder = logged
    forget(folder, "trades_model.csv", tmp_path)
    with pytest.raises(RegistryError, match=r"no trades_model\.csv"):
        read_run(layout, run_id)


def test_what_nobody_reads_may_be_anything(layout, logged, tmp_path):
    run_id, folder = logged
    link(folder, "equity.png", tmp_path)
    os.mkfifo(folder / "pipe")
    assert read_run(layout, run_id).lines


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/a", "s3://bucket/a", "file:///etc", "{elsewhere}"])
def test_the_place_that_the_store_names_decides_nothing(layout, logged, tmp_path, place):
    run_id, _ = logged
    with closing(sqlite3.connect(layout.mlflow / "mlflow.db")) as database, database:
        named = place.format(elsewhere=tmp_path.as_uri())
        database.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (named, run_id))
    assert set(read_run(layout, run_id).tables) == {"drift"}


@pytest.mark.parametrize("run_id", ["../../../etc", "..", "a/b", "."])
def test_a_run_is_not_called_by_a_path(layout, logged, run_id):
    with closing(sqlite3.connect(layout.mlflow / "mlflow.db")) as database, database:
        database.execute("PRAGMA foreign_keys = OFF")
        columns = "experiment_id, lifecycle_stage, status, start_time, artifact_uri, source_type, name, user_id"
        database.execute(f"INSERT INTO runs (run_uuid, {columns}) SELECT ?, {columns} FROM runs LIMIT 1", (run_id,))
    try:
        with pytest.raises(RegistryError, match="no name of a folder"):
            read_run(layout, run_id)
    finally:
        with closing(sqlite3.connect(layout.mlflow / "mlflow.db")) as database, database:
            database.execute("DELETE FROM runs WHERE run_uuid = ?", (run_id,))


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:9/a",
        "ftp://127.0.0.1:9/a",
        "s3://bucket/a",
        "mlflow-artifacts:/a",
        "file:///tmp/elsewhere",
        "/tmp/a",
    ],
)
def test_an_experiment_that_sends_its_files_elsewhere_takes_no_run(layout, tmp_path, place, monkeypatch):
    """Whoever names the experiment first chooses where MLflow puts the files of every run in it."""
    monkeypatch.setattr(tracking, "LEADERBOARD", name := f"taken {place}")
    open_client(layout).create_experiment(name, artifact_location=place)
    parent = FamilyRun(name="board", params={}, metrics={}, tags={}, artifacts=tmp_path)
    with pytest.raises(RegistryError, match="keeps its files at") as caught:
        tracking.log_family_runs(layout, parent, [])
    assert place in caught.value.what
