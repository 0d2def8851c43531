"""One way to a model in memory, for whoever asks: lineage, files, digest, then loading."""

import shutil

import numpy as np
import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry import loading, registry
from model_registry.connection import open_client
from model_registry.loading import load_estimator, verified_directory
from model_registry.records import REQUIRED_TAGS
from pairity.errors import ModelIntegrityError, RegistryError, SignatureError, UnknownNameError
from pairity.layout import Layout
from serving.models.champion import Champion
from serving.models.scoring import load_scorer
from serving.risk import Mode
from tests.serving.registered_models import history, promote, register, settings_in
from training.promotion.evidence import find_current_champion


@pytest.fixture
def settings(home, request):
    """One database, and in it a model per test."""
    return settings_in(home, "".join(sign if sign.isalnum() else "_" for sign in request.node.name)[:100])


@pytest.fixture
def unread(monkeypatch):
    """Nothing may be loaded during the test."""

    def fail(content):
        pytest.fail(f"{len(content)} bytes were loaded")

    monkeypatch.setattr(loading, "_build_pipeline", fail)


def hand_made(settings, like, **changes):
    """A version over the files of another one, written past `register`; tags that are None are left out."""
    tags = {name: value for name, value in {**like.tags, **changes}.items() if value is not None}
    client = open_client(Layout.of(settings))
    version = client.create_model_version(like.name, source=like.uri, run_id=like.run_id, tags=tags).version
    client.set_registered_model_alias(like.name, settings.serve.model_alias, version)
    return registry.find_version(settings, str(version))


def test_training_and_serving_mean_the_same_version_by_the_same_record(settings):
    registered = register(settings, seed=1)
    assert registered.aliases == ("challenger",)
    same = [registry.find_alias(settings, "challenger"), registry.find_version(settings, "1")]
    assert [*same, *registry.list_versions(settings)] == [registered] * 3
    promote(settings, registered)
    champion = registry.find_champion(settings)
    assert champion.key == registered.key
    assert (champion.aliases, champion.tags["promotion_reason"]) == (("champion",), "a test")
    for_serving, for_training = Champion(settings, Mode.DEMO).ref, find_current_champion(settings)
    assert for_serving == for_training == champion == registry.find_version(settings, "1")
    assert champion.service is PAIR_FOREST_FEATURES


def test_training_and_serving_load_the_same_model(settings):
    model = register(settings, seed=1)
    matrix = build_model_matrix(history(settings).head(50), PAIR_FOREST_FEATURES)
    here, there = load_estimator(Layout.of(settings), model), load_scorer(settings, model).estimator
    assert here is not there
    assert np.asarray(here.predict_proba(matrix)).tobytes() == np.asarray(there.predict_proba(matrix)).tobytes()


def test_changed_files_are_refused_before_they_are_read(settings, unread):
    model = register(settings, seed=1)
    file = verified_directory(Layout.of(settings), model) / "model.skops"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
        load_estimator(Layout.of(settings), model)


def test_a_pickle_beside_the_model_is_refused_before_it_is_read(settings, unread):
    model = register(settings, seed=1)
    (verified_directory(Layout.of(settings), model) / "model.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ModelIntegrityError, match="is no file of a model"):
        load_estimator(Layout.of(settings), model)


def test_files_that_are_gone_are_named_by_loading_and_by_promotion(settings):
    model = register(settings, seed=1)
    shutil.rmtree(verified_directory(Layout.of(settings), model))
    words = f"the files of {model.name} version 1 are not there"
    for attempt in (lambda: load_estimator(Layout.of(settings), model), lambda: promote(settings, model)):
        with pytest.raises(RegistryError, match=words) as caught:
            attempt()
        assert "from a copy" in caught.value.remedy


def test_a_version_without_its_lineage_is_listed_but_not_used(settings, unread):
    good = register(settings, seed=1)
    for tag in REQUIRED_TAGS:
        for value in (None, ""):
            bad = hand_made(settings, good, **{tag: value})
            words = f"version {bad.version} of model '{good.name}' lacks {tag}: its origin"
            with pytest.raises(SignatureError, match="its registration is not what was signed"):
                registry.find_champion(settings)
            for attempt in (
                lambda model=bad: verified_directory(Layout.of(settings), model),
                lambda model=bad: load_estimator(Layout.of(settings), model),
                lambda model=bad: promote(settings, model),
            ):
                with pytest.raises(RegistryError, match=words):
                    attempt()
    assert len(registry.list_versions(settings)) == 1 + 2 * len(REQUIRED_TAGS)


def test_a_version_for_features_that_nobody_declares_is_refused_before_it_is_read(settings, unread):
    model = register(settings, seed=1, feature_service="forgotten_v0")
    assert registry.list_versions(settings) == [model]
    with pytest.raises(UnknownNameError, match="unknown feature service 'forgotten_v0'"):
        load_estimator(Layout.of(settings), model)


def test_files_that_the_libraries_cannot_read_are_an_error_of_the_registry(settings, monkeypatch):
    def fail(content):
        raise ImportError("no module named forest")

    monkeypatch.setattr(loading, "_build_pipeline", fail)
    model = register(settings, seed=1)
    with pytest.raises(RegistryError, match="version 1 cannot be loaded: ImportError: no module named forest"):
        load_estimator(Layout.of(settings), model)


def test_the_champion_is_found_by_one_question(settings, monkeypatch):
    import mlflow

    promote(settings, register(settings, seed=1))
    asked = []

    class OneQuestion:
        def __init__(self, **places):
            self.real = client(**places)

        def get_model_version_by_alias(self, name, alias):
            asked.append((name, alias))
            return self.real.get_model_version_by_alias(name, alias)

    client = mlflow.MlflowClient
    monkeypatch.setattr(mlflow, "MlflowClient", OneQuestion)
    assert registry.find_champion(settings).version == "1"
    assert asked == [(settings.model.name, "champion")]
