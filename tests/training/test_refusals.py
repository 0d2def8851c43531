"""What training cannot work with is refused by name, and nothing is registered."""

from __future__ import annotations

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import ASSET_HOURLY, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.contract_specs import read_contracts, write_contracts
from feature_repo.offline_files import publish, scan_view
from model_registry.connection import open_client
from model_registry.registry import list_versions
from pairity.errors import ConfigError, DataError, MissingDataError, RegistryError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity_cli.main import main
from tests.training.generated import HOUR, START, spec
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training import job
from training.data.training_sets import build_training_set
from training.forest_fit import fit_forest
from training.leaderboard import compare_families
from training.models.families import FAMILIES
from training.readiness import require_ready


def train(settings):
    return job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))


def run_leaderboard_of(settings, progress, *, now, join):
    return compare_families(settings, list(FAMILIES.values()), join, now, progress)


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


class Never:
    """A join that must not be asked: what lacks is said before anything is computed."""

    def __call__(self, service_name, rows):
        raise AssertionError(f"asked for {service_name}")


@pytest.mark.parametrize("job_of", [job.train, run_leaderboard_of])
def test_missing_contracts_are_said_before_anything_is_computed(tmp_path, job_of):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=120)
    layout.contracts.unlink()
    with pytest.raises(MissingDataError, match="no contract specifications at") as caught:
        job_of(settings, SilentProgress(), now=NOW, join=Never())
    assert "pairity contracts FILE" in caught.value.remedy
    write_contracts(layout, [spec("OTHER", ct_val="1", lot="1")])
    with pytest.raises(MissingDataError, match="no contract specification is known for BTC, ETH, SOL"):
        job_of(settings, SilentProgress(), now=NOW, join=Never())
    nothing_registered(settings)


def test_an_amount_that_a_backtest_cannot_begin_with_is_said_before_anything_is_computed(tmp_path):
    settings = settings_for(tmp_path, strategy={"max_position_usdt": -1})
    publish_all(settings, bars=120)
    with pytest.raises(ConfigError, match="max_position_usdt is -1"):
        job.train(settings, SilentProgress(), now=NOW, join=Never())


def test_a_registry_that_cannot_be_reached_is_said_before_the_fit(tmp_path, monkeypatch):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=120)
    layout.mlflow.mkdir(parents=True)
    (layout.mlflow / "mlflow.db").write_bytes(b"this is no database" * 100)
    stages = SilentProgress()
    begun = []
    monkeypatch.setattr(stages, "stage", lambda name, total: begun.append(name))
    with pytest.raises(RegistryError):
        job.train(settings, stages, now=NOW, join=brute_join(settings))
    assert begun == ["training set"]


def test_assets_without_a_contract_are_named(tmp_path):
    settings = settings_for(tmp_path, assets=("BTC", "ETH", "GONE", "LOST"))
    layout = publish_all(settings, bars=30)
    assert require_ready(settings) == []
    kept = [one for one in read_contracts(layout).values() if one.instrument[:3] in ("BTC", "ETH")]
    layout.contracts.unlink()
    write_contracts(layout, kept)
    assert [note.partition(" is not traded")[0] for note in require_ready(settings)] == ["GONE", "LOST"]


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["BTC", "SOL"])
def test_an_asset_without_a_contract_is_left_out_by_name_and_the_others_are_traded(tmp_path, gone):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=160)
    kept = [one for one in read_contracts(layout).values() if one.instrument != f"{gone}-USDT-SWAP"]
    layout.contracts.unlink()
    write_contracts(layout, kept)
    report = train(settings)
    assert any(note.startswith(f"{gone} is not traded: no contract specification") for note in report.notes)
    assert report.backtests["model"]["funding_unknown_hours"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["BTC", "ETH"])
def test_an_asset_that_ends_in_the_middle_does_not_abort_training(tmp_path, gone):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=200)
    last = START + 130 * HOUR
    for view, column in ((ASSET_HOURLY, pl.col("asset") == gone), (PAIR_HOURLY, pl.col("pair_id").str.contains(gone))):
        rows = scan_view(layout, view).filter(~(column & (pl.col("event_timestamp") > last))).collect()
        for path in (layout.features / view.name).rglob("*.parquet"):
            path.unlink()
        publish(layout, view, rows)
    report = train(settings)
    assert report.test_rows > 0


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
