"""Model folders made to run code, with the right digest: loading a registered version runs none of it.

Each payload writes a canary file. That the payloads work against a loader that believes the files is tested too.
"""

import os
import pickle
import sqlite3
import sys
import threading
import zipfile
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry import loading, registry
from model_registry.files import ModelFiles, model_digest
from model_registry.loading import load_estimator, read_model, verified_directory
from model_registry.records import DIGEST_TAG, REQUIRED_TAGS
from pairity.errors import ModelIntegrityError, RegistryError
from pairity.layout import Layout
from tests.model_registry.malicious_folders import BELIEVED, DECIDES_NOTHING, REFUSED, Payload, types_of_its_own
from tests.serving.registered_models import history, register, settings_in


@pytest.fixture(scope="module")
def settings(home):
    return settings_in(home, "malicious")


@pytest.fixture(scope="module")
def model(settings):
    return register(settings, seed=1)


@pytest.fixture(scope="module")
def expected(settings, model):
    return predict(load_estimator(Layout.of(settings), model), settings)


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "canary"


@pytest.fixture
def folder(settings, model):
    """The folder of the registered model; it is as before after the test."""
    folder = verified_directory(Layout.of(settings), model)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path in folder.rglob("*"):
        if not path.is_dir() or path.is_symlink():
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    for name, content in before.items():
        (folder / name).write_bytes(content)


def predict(estimator, settings):
    return np.asarray(estimator.predict_proba(build_model_matrix(history(settings).head(40), PAIR_FOREST_FEATURES)))


TRICKS = BELIEVED | REFUSED


def digest_of(folder):
    """What whoever can write to the registry would write: the digest of the files as they are, links followed."""
    return model_digest(ModelFiles(folder, {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}))


REASONS = "(the model in .* is refused|is no file of a model|is no file of the model|not a plain file)"


@pytest.mark.parametrize("trick", TRICKS)
def test_loading_runs_nothing_that_a_model_brings(trick, settings, model, folder, canary, expected):
    TRICKS[trick](folder, canary)
    digest = digest_of(folder)
    version = replace(model, sha256=digest, tags={**model.tags, DIGEST_TAG: digest})
    if trick in DECIDES_NOTHING:
        assert predict(load_estimator(Layout.of(settings), version), settings).tobytes() == expected.tobytes()
    else:
        with pytest.raises(RegistryError, match=REASONS) as caught:
            load_estimator(Layout.of(settings), version)
        assert caught.value.remedy
    assert not canary.exists()


@pytest.mark.parametrize("trick", TRICKS)
def test_a_model_with_a_trick_is_not_registered_either(trick, home, settings, model, folder, canary):
    TRICKS[trick](folder, canary)
    registry_of_tricks = settings_in(home, "tricks")
    if trick in DECIDES_NOTHING:
        tags = {name: model.tags[name] for name in REQUIRED_TAGS}
        assert registry.register(registry_of_tricks, model.run_id, model.uri, tags).sha256 == digest_of(folder)
    else:
        before = registry.list_versions(registry_of_tricks)
        with pytest.raises(RegistryError, match=REASONS):
            registry.register(registry_of_tricks, model.run_id, model.uri, model.tags)
        assert registry.list_versions(registry_of_tricks) == before
    assert not canary.exists()


@pytest.mark.parametrize("trick", BELIEVED)
@pytest.mark.filterwarnings("ignore")
def test_a_loader_that_believes_the_files_runs_them(trick, folder, canary, monkeypatch):
    """Else the tests above would prove nothing."""
    import mlflow.pyfunc
    import mlflow.sklearn

    BELIEVED[trick](folder, canary)
    monkeypatch.setattr("sys.path", list(sys.path))
    load = mlflow.pyfunc.load_model if trick == "a folder of code" else mlflow.sklearn.load_model
    with suppress(Exception):  # whatever comes after the payload has run
        load(str(folder))
    assert canary.exists()


PLACES = [
    "runs:/{run_id}/model",
    "models:/{name}/1",
    "models:/{name}@champion",
    "models:/{id}/",
    "models:/{id}/../{id}",
    "models:/{id}/artifacts",
    "models:/../{id}",
    "models:/m-../../../../etc",
    "models://elsewhere/{id}",
    "MODELS:/{id}",
    "models:/{upper}",
    " models:/{id}",
    "models:/{id}\n",
    "models:/m-\u0661" + "0" * 31,
    "{folder}",
    "file://{folder}",
    "file:{folder}",
    "file://elsewhere{folder}",
    "http://127.0.0.1:9/model",
    "https://127.0.0.1:9/model",
    "ftp://127.0.0.1:9/model",
    "sftp://127.0.0.1:9/model",
    "s3://bucket/model",
    "gs://bucket/model",
    "wasbs://bucket@account/model",
    "hdfs://127.0.0.1:9/model",
    "dbfs:/model",
    "mlflow-artifacts:/model",
    "uc:/model",
    "",
    "../../etc",
    "/etc",
    "/proc/self/root/etc",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_model_lies_in_this_data_directory_and_nowhere_else(place, settings, model, folder):
    model_id = model.uri.removeprefix("models:/")
    uri = place.format(run_id=model.run_id, name=model.name, id=model_id, upper=model_id.upper(), folder=folder)
    with pytest.raises(RegistryError, match="which is no model of this data directory") as caught:
        read_model(Layout.of(settings), uri)
    assert len(caught.value.what) < 500


@given(
    st.text(max_size=60)
    | st.text(max_size=40).map("models:/m-{}".format)
    | st.text(max_size=40).map("file:///{}".format)
)
def test_no_other_spelling_is_a_model(uri):
    with pytest.raises(RegistryError):
        read_model(Layout(Path("/nonexistent")), uri)


def test_the_place_that_the_database_names_decides_nothing(settings, model, canary, expected):
    evil = canary.parent / "elsewhere"
    evil.mkdir()
    (evil / "model.skops").write_bytes(pickle.dumps(Payload(canary)))
    with closing(sqlite3.connect(Layout.of(settings).mlflow / "mlflow.db")) as database, database:
        before = database.execute("SELECT model_id, artifact_location FROM logged_models").fetchall()
        database.execute("UPDATE logged_models SET artifact_location = ?", (evil.as_uri(),))
        assert before
    try:
        assert predict(load_estimator(Layout.of(settings), model), settings).tobytes() == expected.tobytes()
    finally:
        with closing(sqlite3.connect(Layout.of(settings).mlflow / "mlflow.db")) as database, database:
            database.executemany(
                "UPDATE logged_models SET artifact_location = ? WHERE model_id = ?",
                [(location, model_id) for model_id, location in before],
            )
    assert not canary.exists()


def test_a_file_that_is_swapped_after_it_was_hashed_is_not_the_one_that_is_loaded(
    settings, model, folder, canary, expected, monkeypatch
):
    check = loading.require_forest

    def swap_first(content, place):
        types_of_its_own(folder, canary)
        check(content, place)

    monkeypatch.setattr(loading, "require_forest", swap_first)
    assert predict(load_estimator(Layout.of(settings), model), settings).tobytes() == expected.tobytes()
    assert not canary.exists()
    with pytest.raises(ModelIntegrityError):
        load_estimator(Layout.of(settings), model)


def test_swapping_files_all_the_time_gives_the_registered_model_or_an_error(settings, model, folder, canary, expected):
    good = (folder / "model.skops").read_bytes()
    outside = canary.parent / "outside"
    outside.write_bytes(pickle.dumps(Payload(canary)))
    stop = threading.Event()

    def swap():
        new = folder.parent / "new"
        while not stop.is_set():
            new.write_bytes(good)
            os.replace(new, folder / "model.skops")
            new.write_bytes(outside.read_bytes())
            os.replace(new, folder / "model.skops")
            new.symlink_to(outside)
            os.replace(new, folder / "model.skops")
            os.mkfifo(new)
            os.replace(new, folder / "model.skops")

    thread = threading.Thread(target=swap)
    thread.start()
    loaded = 0
    try:
        for _ in range(150):
            try:
                estimator = load_estimator(Layout.of(settings), model)
            except RegistryError:
                continue
            loaded += 1
            assert predict(estimator, settings).tobytes() == expected.tobytes()
    finally:
        stop.set()
        thread.join()
    assert loaded < 150  # else nothing was swapped
    assert not canary.exists()


def test_training_stores_what_nobody_has_to_load_again(home, monkeypatch):
    """Registering asks MLflow to load nothing, and leaves nothing but a model's own files in its folder."""
    import mlflow.pyfunc
    import mlflow.sklearn

    def fail(*args, **kwargs):
        pytest.fail("MLflow was asked to load a model")

    for module in (mlflow.sklearn, mlflow.pyfunc):
        monkeypatch.setattr(module, "load_model", fail)
    stored = register(settings_in(home, "stored"), seed=4)
    folder = verified_directory(Layout(home), stored)
    assert sorted(path.name for path in folder.iterdir()) == [
        "MLmodel",
        "conda.yaml",
        "model.skops",
        "python_env.yaml",
        "requirements.txt",
    ]


def test_a_version_of_a_home_that_was_moved_is_loaded_from_where_it_is_now(settings, model, expected, tmp_path):
    moved = tmp_path / "mövëd home #1"
    moved.symlink_to(settings.root)
    there = settings.model_copy(update={"home": moved})
    assert predict(load_estimator(Layout.of(there), model), there).tobytes() == expected.tobytes()


def test_what_skops_itself_builds_from_a_file_is_tested_to_be_dangerous(folder, canary):
    types_of_its_own(folder, canary)
    skops.io.load(folder / "model.skops", trusted=["os.mkdir", *loading.TRUSTED_TYPES])
    assert canary.exists()
    assert zipfile.is_zipfile(folder / "model.skops")
