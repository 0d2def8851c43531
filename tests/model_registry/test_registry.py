import logging
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from model_registry import registry
from model_registry.connection import load_mlflow, open_client
from model_registry.files import model_digest
from model_registry.loading import load_estimator, verified_directory, verified_files
from pairity.errors import ModelIntegrityError, NoChampionError, RegistryError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import ModelSettings, Settings
from training import tracking
from training.models import pair_forest
from training.run_records import RunRecord

NOW = datetime(2025, 5, 1, tzinfo=UTC)
TAGS = {
    "feature_service": "pair_forest_v1",
    "snapshot_id": "abc",
    "code_revision": "def",
    "train_end": datetime(2025, 4, 1, tzinfo=UTC).isoformat(),
}


@pytest.fixture(scope="module")
def forest():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"z_score": rng.normal(size=200), "base_asset": "BTC", "quote_asset": "ETH"})
    labels = (frame["z_score"].to_numpy() > 0.5).astype(np.int64)
    settings = ModelSettings(n_estimators=3, min_samples_leaf=5)
    return pair_forest.fit_pipeline(frame, labels, ("BTC", "ETH"), settings, fit_threads=1), frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory, forest):
    """One data directory with two registered versions; the second is champion."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    return settings, [log_and_register(settings, forest, name) for name in ("first", "second")]


def log_and_register(settings, forest, name):
    layout = Layout.of(settings)
    pipeline, frame = forest
    files = layout.reports / name
    files.mkdir(parents=True)
    (files / "note.csv").write_text("a,b\n1,2\n")
    record = RunRecord(
        params={"label.horizon_bars": 102, "universe.assets": ("BTC", "ETH")},
        metrics={"test_roc_auc": None, "model_net_return": 0.01},
        tags=TAGS,
        training_set=pl.DataFrame({"pair_id": ["BTC__ETH"] * 3, "z_score": [0.1, None, 2.0], "label": [0, 0, 1]}),
        training_digest="f" * 64,
        source=layout.features / "pair_hourly",
        artifacts=files,
    )
    with tracking.start_run(layout, record) as run_id:
        uri = tracking.log_forest(layout, pipeline, frame.head(3))
    reference = registry.register(settings, run_id, uri, TAGS)
    return registry.promote(settings, reference.version, f"because {name}", NOW)


def test_the_promoted_version_is_champion_with_its_lineage(trained):
    settings, (first, second) = trained
    found = registry.find_champion(settings)
    assert (found.version, found.run_id, found.name) == (second.version, second.run_id, "pair_forest")
    assert (first.version, second.version) == ("1", "2")
    assert TAGS.items() <= dict(found.tags).items()
    assert found.tags["promotion_reason"] == "because second"
    assert found.feature_service == "pair_forest_v1"
    assert found.train_end == TAGS["train_end"]


def test_the_run_keeps_params_metrics_dataset_signature_and_files(trained):
    settings, (_, second) = trained
    client = open_client(Layout.of(settings))
    run = client.get_run(second.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["universe.assets"] == "BTC, ETH"
    assert run.data.metrics["model_net_return"] == 0.01
    assert np.isnan(run.data.metrics["test_roc_auc"])  # not defined is kept as such, not as 0
    assert run.data.tags["snapshot_id"] == "abc"
    assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 32
    assert [item.path for item in client.list_artifacts(second.run_id)] == ["note.csv"]
    mlflow = load_mlflow(Layout.of(settings))
    signature = mlflow.models.get_model_info(second.uri).signature
    assert signature.inputs.input_names() == ["z_score", "base_asset", "quote_asset"]


def test_the_stored_model_gives_the_same_probabilities_to_the_bit(trained, forest):
    settings, (_, second) = trained
    directory = verified_directory(Layout.of(settings), second)
    assert sorted(path.suffix for path in directory.iterdir() if path.stem == "model") == [".skops"]
    pipeline, frame = forest
    again = load_estimator(Layout.of(settings), second)
    assert (
        pair_forest.predict_probability(again, frame).tobytes()
        == pair_forest.predict_probability(pipeline, frame).tobytes()
    )
    assert registry.find_champion(settings).sha256 == model_digest(verified_files(Layout.of(settings), second))


def test_a_damaged_model_file_is_refused(tmp_path, forest):
    settings = Settings(home=tmp_path)
    reference = log_and_register(settings, forest, "only")
    file = verified_directory(Layout.of(settings), reference) / "model.skops"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
        verified_directory(Layout.of(settings), registry.find_champion(settings))


def test_without_any_training_there_is_no_champion_and_nothing_is_created(tmp_path):
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(NoChampionError, match="make train"):
        registry.find_champion(settings)
    assert not (tmp_path / "home").exists()


def test_a_registry_without_the_alias_or_the_model_has_no_champion(trained):
    settings, _ = trained
    for section, update in (("serve", {"model_alias": "shadow"}), ("model", {"name": "other"})):
        changed = settings.model_copy(update={section: getattr(settings, section).model_copy(update=update)})
        with pytest.raises(NoChampionError, match="carries the alias"):
            registry.find_champion(changed)


def test_a_tracking_store_that_is_no_database_is_named(tmp_path):
    settings = Settings(home=tmp_path)
    layout = Layout.of(settings)
    layout.mlflow.mkdir()
    (layout.mlflow / "mlflow.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(RegistryError, match=r"mlflow\.db cannot be used"):
        registry.find_champion(settings)


def test_a_tracking_store_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "mlflow").write_text("a file where a directory should be")
    with pytest.raises(RegistryError, match=r"mlflow\.db cannot be used"):
        open_client(Layout.of(Settings(home=tmp_path)))


def test_a_failed_run_is_marked_and_registers_nothing(trained):
    settings, _ = trained
    layout = Layout.of(settings)
    (layout.reports / "empty").mkdir()
    record = RunRecord(
        params={},
        metrics={},
        tags={},
        training_set=pl.DataFrame({"label": [0, 1]}),
        training_digest="0" * 64,
        source=layout.features,
        artifacts=layout.reports / "empty",
    )
    run = tracking.start_run(layout, record)
    run_id = run.__enter__()
    assert not run.__exit__(KeyError, KeyError("interrupted"), None)  # the error goes on
    assert open_client(layout).get_run(run_id).info.status == "FAILED"
    assert registry.find_champion(settings).version == "2"


def test_registration_without_lineage_is_refused(trained):
    settings, (_, second) = trained
    with pytest.raises(RegistryError, match="lacks train_end"):
        registry.register(settings, second.run_id, second.uri, {k: v for k, v in TAGS.items() if k != "train_end"})
    assert registry.find_champion(settings).version == "2"


def test_mlflow_is_quiet_and_phones_nobody(trained, capsys):
    import os

    settings, _ = trained
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["DO_NOT_TRACK"] == "true"
    assert not logging.getLogger("alembic").isEnabledFor(logging.INFO)
    registry.find_champion(settings)
    assert capsys.readouterr().out == ""


def test_versions_promotion_and_rollback(tmp_path, forest):
    settings = Settings(home=tmp_path)
    assert registry.list_versions(settings) == []
    for name in ("first", "second", "third"):
        log_and_register(settings, forest, name)
    assert [ref.version for ref in registry.list_versions(settings)] == ["3", "2", "1"]
    assert [ref.aliases for ref in registry.list_versions(settings)] == [("champion",), (), ()]
    with pytest.raises(RegistryError, match="champion already"):
        registry.promote(settings, "3", "again", NOW)
    with pytest.raises(UnknownNameError, match="'7'"):
        registry.promote(settings, "7", "a typing error", NOW)
    assert registry.rollback(settings, "it lost", NOW).version == "2"
    assert registry.find_champion(settings).version == "2"
    assert registry.find_version(settings, "3").tags["rolled_back"].endswith("it lost")
    assert registry.rollback(settings, "this one too", NOW).version == "1"
    with pytest.raises(NoChampionError, match="first champion"):
        registry.rollback(settings, "and this", NOW)
    assert registry.find_champion(settings).version == "1"


def test_a_version_whose_files_changed_is_not_promoted(tmp_path, forest):
    settings = Settings(home=tmp_path)
    first = log_and_register(settings, forest, "first")
    log_and_register(settings, forest, "second")
    file = verified_directory(Layout.of(settings), first) / "model.skops"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    for attempt in (lambda: registry.promote(settings, "1", "x", NOW), lambda: registry.rollback(settings, "x", NOW)):
        with pytest.raises(ModelIntegrityError):
            attempt()
    assert registry.find_champion(settings).version == "2"


def test_a_new_version_is_challenger_until_it_is_promoted(tmp_path, forest):
    settings = Settings(home=tmp_path)
    log_and_register(settings, forest, "first")
    layout = Layout.of(settings)
    first = registry.find_champion(settings)
    again = registry.register(settings, first.run_id, first.uri, TAGS)
    by_version = {ref.version: ref.aliases for ref in registry.list_versions(settings)}
    assert by_version == {"1": ("champion",), again.version: ("challenger",)}
    registry.promote(settings, again.version, "better", NOW)
    aliases = open_client(layout).get_registered_model("pair_forest").aliases
    assert aliases == {"champion": int(again.version)} or aliases == {"champion": again.version}
