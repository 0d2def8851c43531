"""What training cannot work with is refused by name, and nothing is registered."""

from __future__ import annotations

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.offline_files import publish, scan_view
from model_registry.connection import open_client
from model_registry.registry import list_versions
from pairity.errors import ConfigError, DataError, MissingDataError, RegistryError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity_cli.main import main
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training import job
from training.data.training_sets import build_training_set
from training.forest_fit import fit_forest


def train(settings):
    return job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))


def nothing_registered(settings):
    assert list_versions(settings) == []
    layout = Layout.of(settings)
    if (layout.mlflow / "mlflow.db").is_file():
        client = open_client(layout)
        runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
        assert {run.info.status for run in runs} <= {"FAILED"}


def with_model(settings, **changes):
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("leaderboard", "--families", "pair_forest,deep"), {}, ("unknown family 'deep'", "pair_boosting")),
        (("train",), {"PAIRITY_MODEL__CALIBRATION": "platt"}, ("model.calibration = 'platt'", "sigmoid")),
        (("train",), {"PAIRITY_LABEL__KIND": "tripple"}, ("label.kind = 'tripple'", "triple_barrier")),
        (("train", "--as-known-at", "soon"), {}, ("soon",)),
    ],
)
def test_names_that_do_not_exist_end_the_command(tmp_path, monkeypatch, arguments, environment, words):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, arguments, env={"PAIRITY_HOME": str(tmp_path / "home"), **environment})
    assert done.exit_code == 2, done.output
    assert all(word in done.output for word in words), done.output
    assert not (tmp_path / "home").exists()


def test_a_feature_service_that_does_not_exist(tmp_path):
    settings = with_model(settings_for(tmp_path), feature_service="pair_forest_v9")
    with pytest.raises(UnknownNameError, match="unknown feature service 'pair_forest_v9'") as caught:
        train(settings)
    assert "pair_forest_v1" in str(caught.value) + caught.value.remedy
    nothing_registered(settings)


def test_a_feature_service_of_something_else_than_pairs(tmp_path):
    settings = with_model(settings_for(tmp_path), feature_service="lagged_returns_v1")
    with pytest.raises(ConfigError, match="holds features of asset_lags, not of pairs") as caught:
        train(settings)
    assert "pair_forest_v1" in caught.value.remedy
    nothing_registered(settings)


def test_too_little_history_for_the_horizon(tmp_path):
    settings = settings_for(tmp_path, horizon=102)
    publish_all(settings, bars=120)
    with pytest.raises(MissingDataError, match="too short for the label horizon") as caught:
        train(settings)
    assert "days in all" in caught.value.remedy
    nothing_registered(settings)


def test_a_class_that_does_not_occur(tmp_path):
    settings = settings_for(tmp_path, label={"target": 0.9})
    publish_all(settings, bars=120)
    with pytest.raises(MissingDataError, match=r"all \d+ training labels are 0: a classifier needs both") as caught:
        train(settings)
    assert "label.target" in caught.value.remedy
    nothing_registered(settings)


def test_nan_is_missing_and_infinity_is_refused(tmp_path):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=120)
    rows = scan_view(layout, PAIR_HOURLY).collect()
    later = pl.col("created_timestamp") + pl.duration(milliseconds=1)
    publish(layout, PAIR_HOURLY, rows.with_columns(later, vol_ratio=float("nan"), spread_rsi=float("inf")))
    with pytest.raises(DataError, match="infinite values of spread_rsi in rows for service pair_forest_v1"):
        train(settings)
    nothing_registered(settings)
    still_later = pl.col("created_timestamp") + pl.duration(milliseconds=2)
    publish(layout, PAIR_HOURLY, rows.with_columns(still_later, vol_ratio=float("nan")))
    built = build_training_set(settings, PAIR_FOREST_FEATURES, brute_join(settings), NOW)
    assert built.rows["vol_ratio"].null_count() == built.rows.height
    assert fit_forest(built.labelled(settings.label), built.service, settings).n_features_in_ > 0


@pytest.mark.parametrize("what", ["garbage", "folder"])
def test_a_registry_that_cannot_be_reached(tmp_path, what):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=120)
    layout.mlflow.mkdir(parents=True)
    database = layout.mlflow / "mlflow.db"
    if what == "folder":
        database.mkdir()
    else:
        database.write_bytes(b"this is no database" * 100)
    with pytest.raises(RegistryError, match=r"mlflow\.db cannot be used"):
        train(settings)
    assert not list(layout.mlflow.rglob("*.skops"))
