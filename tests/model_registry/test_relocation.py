"""A data directory that was moved, copied or is reached by another way still finds the files of its runs and models."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from model_registry import relocation
from model_registry.approval import sign_version
from model_registry.connection import database_file, open_client
from model_registry.registry import find_version
from model_registry.signatures import Verifier
from model_registry.tracking_ui.artifacts import open_artifact
from pairity.child_environment import make_child_environment
from pairity.errors import SignatureError
from pairity.layout import Layout
from tests.serving.registered_models import register, settings_in
from training import tracking
from training.run_records import FamilyRun

EXPERIMENT = "moved"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A data directory with one registered version and one run that has a file."""
    home = tmp_path_factory.mktemp("first") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "BACKTESTS", EXPERIMENT)
        model = register(settings_in(home), seed=1)
        files = tmp_path_factory.mktemp("files")
        (files / "trades.csv").write_text("a,b\n1,2\n")
        record = FamilyRun(name="one", params={}, metrics={}, tags={}, artifacts=files)
        run_id = tracking.log_backtest(Layout(home), record)
    return home, model, run_id


@pytest.fixture
def home(original, tmp_path):
    """The same directory under another name; where it came from is gone."""
    copied = tmp_path / "as it was"
    shutil.copytree(original[0], copied)
    with closing(sqlite3.connect(copied / "mlflow" / "mlflow.db")) as database, database:
        for table, column in (*relocation._ADDRESSES, ("datasets", "dataset_source")):
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(original[0]), "/gone/elsewhere")
            )
    return copied


def addresses(home):
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database:
        return {
            (table, column, value)
            for table, column in relocation._ADDRESSES
            for (value,) in database.execute(f"SELECT {column} FROM {table}")
            if value is not None and not value.startswith("models:/")
        }


def old(home):
    return [place for place in addresses(home) if "/gone/" in place[2]]


def test_mlflows_own_client_finds_the_files_where_they_are_now(original, home, monkeypatch):
    _, model, run_id = original
    assert old(home)
    client = open_client(Layout(home))
    assert not old(home)
    assert Path(client.download_artifacts(run_id, "trades.csv")).read_text() == "a,b\n1,2\n"
    logged = model.uri.removeprefix("models:/")
    assert any(item.path == "MLmodel" for item in client.list_logged_model_artifacts(logged))
    # With MLflow's fluent functions too, in their own words
    import mlflow

    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    assert Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="trades.csv")).exists()


def test_the_version_is_found_and_new_runs_go_where_the_directory_is(original, home, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "BACKTESTS", EXPERIMENT)
    assert find_version(settings_in(home), "1").uri == original[1].uri
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "new.csv").write_text("x\n")
    record = FamilyRun(name="two", params={}, metrics={}, tags={}, artifacts=tmp_path / "files")
    run_id = tracking.log_backtest(Layout(home), record)
    assert (home / "mlflow" / "artifacts" / run_id / "artifacts" / "new.csv").is_file()
    assert register(settings_in(home), seed=2).version == "2"


def test_a_second_look_changes_nothing(home):
    open_client(Layout(home))
    before = addresses(home), database_file(Layout(home)).read_bytes()
    assert relocation.follow_move(Layout(home), database_file(Layout(home))) == 0
    assert (addresses(home), database_file(Layout(home)).read_bytes()) == before


def test_moved_twice_and_back(original, home, tmp_path):
    open_client(Layout(home))
    once = addresses(home)
    there = tmp_path / "second place"
    home.rename(there)
    client = open_client(Layout(there))
    assert Path(client.download_artifacts(original[2], "trades.csv")).is_file()
    there.rename(home)
    open_client(Layout(home))
    assert addresses(home) == once


def test_a_copy_has_its_own_files_and_leaves_those_of_the_first_alone(original, home, tmp_path):
    open_client(Layout(home))
    before = addresses(home)
    shutil.copytree(home, tmp_path / "copy")
    open_client(Layout(tmp_path / "copy"))
    assert all(f"{tmp_path.as_uri()}/copy/" in place[2] for place in addresses(tmp_path / "copy") - before)
    assert not {place for place in addresses(tmp_path / "copy") if place in before and "mlflow/artifacts" in place[2]}
    assert addresses(home) == before


def test_a_link_to_the_directory_is_no_move(home, tmp_path):
    open_client(Layout(home))
    before = addresses(home)
    (tmp_path / "link").symlink_to(home)
    open_client(Layout(tmp_path / "link"))
    assert addresses(home) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from model_registry import relocation
from pairity.errors import SignatureError
from pairity.layout import Layout
calls, plain = [], relocation._replace_prefix
def dying(*given):
    changed = plain(*given)
    calls.append(changed)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return changed
relocation._replace_prefix = dying
layout = Layout(Path(sys.argv[1]))
relocation.follow_move(layout, layout.mlflow / "mlflow.db")
"""


@pytest.mark.parametrize("calls", ["1", "3", "6"])
def test_a_process_killed_in_the_middle_leaves_all_or_nothing(original, home, calls):
    before = addresses(home)
    command = [sys.executable, "-c", KILLED, str(home), calls]
    environment = {**make_child_environment(), "PYTHONPATH": os.getcwd()}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert addresses(home) == before
    assert Path(open_client(Layout(home)).download_artifacts(original[2], "trades.csv")).is_file()
    assert not old(home)


@pytest.mark.parametrize(
    "place", ["s3://bucket/mlflow/artifacts", "file://host/mlflow/artifacts", "file:///etc", "/gone/mlflow/artifacts"]
)
def test_what_is_no_store_of_ours_stays(home, place):
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", (place, EXPERIMENT))
    open_client(Layout(home))
    assert ("experiments", "artifact_location", place) in addresses(home)


def test_where_the_database_cannot_be_written_the_pages_still_find_the_files(original, home, monkeypatch):
    layout, connect = Layout(home), sqlite3.connect

    def connect_reading(place, **options):
        place = place if "?mode=ro" in str(place) else f"{Path(place).as_uri()}?mode=ro"
        return connect(place, **{**options, "uri": True})

    monkeypatch.setattr(relocation.sqlite3, "connect", connect_reading)
    assert relocation.follow_move(layout, database_file(layout)) == 0
    assert old(home)
    address = next(value for table, _, value in old(home) if table == "runs")
    where = relocation.resolve_address(layout, database_file(layout), address)
    assert where.startswith((home / "mlflow" / "artifacts").as_uri())
    found = open_artifact(layout, "/get-artifact", {"run_id": original[2], "path": "trades.csv"})
    with found.file:
        assert found.file.read() == b"a,b\n1,2\n"


def test_a_version_that_was_signed_elsewhere_says_where_and_how_it_is_used_here(original, home):
    settings = settings_in(home)
    with pytest.raises(SignatureError) as caught:
        Verifier(Layout(home)).require_registration(find_version(settings, "1"))
    assert f"was signed in {original[0].resolve()}: the data directory was moved or copied" in caught.value.what
    assert "pairity models sign 1" in caught.value.remedy
    sign_version(settings, find_version(settings, "1"))
    Verifier(Layout(home)).require_registration(find_version(settings, "1"))


def test_a_version_that_was_changed_on_the_way_is_not_taken_for_a_moved_one(home):
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database, database:
        database.execute("UPDATE model_version_tags SET value = 'x' WHERE key = 'snapshot_id'")
    with pytest.raises(SignatureError, match="is not what was signed"):
        Verifier(Layout(home)).require_registration(find_version(settings_in(home), "1"))
