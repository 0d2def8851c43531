from math import ceil

import polars as pl
import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.offline_files import publish, scan_view
from model_registry.connection import open_client
from model_registry.loading import verified_directory
from model_registry.registry import find_champion
from pairity.digest import digest_bytes
from pairity.errors import MissingDataError, NoChampionError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training import forest_fit as scoring
from training import job
from training.backtest import performance
from training.backtest.comparison import Arena
from training.contenders import Part, compare_contenders
from training.data.history import load_history
from training.data.splits import split_chronologically
from training.data.training_sets import TrainingSet, build_training_set, digest_training_rows
from training.evaluation import metrics
from training.models.registrable import digest_fitted
from training.reports import run_files
from training.reports.drift_files import read_reference
from training.reports.run_views import DECIDING


class Recorder(SilentProgress):
    def __init__(self):
        self.stages = []

    def stage(self, name, total):
        self.stages.append(name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"))
    publish_all(settings)
    progress = Recorder()
    return settings, progress, job.train(settings, progress, now=NOW, join=brute_join(settings))


def test_the_report_adds_up(trained):
    _, progress, report = trained
    assert tuple(progress.stages) == job.STAGES == tuple(report.stage_seconds)
    assert report.rows == 3 * 260
    rows = report.train_rows + report.test_rows + report.purged_rows + report.kept_back_rows
    assert rows == report.labelled_rows
    assert report.kept_back_rows > 0
    assert report.purged_rows == 3 * 12
    assert report.train_end < report.test_start
    assert report.train_start == START + 23 * HOUR  # the first z-score
    hours = 259 - (report.test_start - START) // HOUR + 1
    assert report.test_end == report.test_start + (ceil(hours * 0.67) - 1) * HOUR  # the rest is kept back
    assert 0 < report.test_positives < report.test_rows
    assert report.classification["rows"] == report.test_rows
    assert (
        tuple(report.classification)
        == tuple(report.classification_candidates)
        == (*metrics.KEYS, "roc_auc_low", "roc_auc_high")
    )
    assert 0 < report.classification_candidates["rows"] < report.test_rows
    assert report.classification_candidates["base_rate"] > report.classification["base_rate"]


def test_the_card_says_what_the_model_is_and_the_same_training_fits_the_same_model(trained):
    settings, _, report = trained
    client = open_client(Layout.of(settings))
    run = client.get_run(report.model.run_id)
    card = run.data.tags["mlflow.note.content"]
    for said in (
        report.snapshot_id[:16],
        report.training_digest[:16],
        f"{report.train_rows:,} rows of 3 pairs",
        "8 trees",
        "BTC/ETH alone",
        "buy and hold BTC",
        "What it is not for",
    ):
        assert said in card
    assert f"{run.data.metrics['model_net_return']:+.2%}" in card
    assert "model_card.md" in {item.path for item in client.list_artifacts(report.model.run_id)}
    training_set = build_training_set(settings, PAIR_FOREST_FEATURES, brute_join(settings), NOW)
    split = split_chronologically(
        training_set.labelled(settings.label), settings.model.test_fraction, horizon_bars=settings.label.horizon_bars
    )
    seven = settings.model_copy(update={"model": settings.model.model_copy(update={"seed": 7})})
    same, other = (
        digest_fitted(scoring.fit_forest(split.train, training_set.service, one)) for one in (settings, seven)
    )
    assert same == run.data.tags["fitted_sha256"] != other


def test_model_baseline_and_coin_stand_in_one_table_with_the_same_keys(trained):
    settings, _, report = trained
    assert list(report.backtests) == ["model", "baseline", "always_revert", "btc"]
    assert {frozenset(values) for values in report.backtests.values()} == {frozenset(performance.KEYS)}
    assert report.contender_names["baseline"].startswith("BTC/ETH alone")
    run = open_client(Layout.of(settings)).get_run(report.model.run_id)
    for key in report.backtests:
        assert {f"{key}_{name}" for name in performance.KEYS} <= set(run.data.metrics)
    for prefix in ("test", "test_candidates"):
        assert {f"{prefix}_{name}" for name in metrics.KEYS} <= set(run.data.metrics)
    assert report.backtests["model"]["trades"] > 0
    assert report.backtests["btc"]["trades"] == 1


def test_the_run_has_what_decides_under_the_names_of_a_leaderboard(trained):
    settings, _, report = trained
    run = open_client(Layout.of(settings)).get_run(report.model.run_id)
    values = run.data.metrics
    assert DECIDING.keys() <= values.keys()
    assert values["model_candidates_roc_auc"] == report.classification_candidates["roc_auc"]
    said = {check.name: check.actual for check in report.outcome.verdict.checks}["deflated_sharpe"]
    assert said.startswith(f"{values['model_deflated_sharpe']:.3f} ")
    assert values["model_equity_usdt"] == report.backtests["model"]["final_equity_usdt"]
    days = f"{report.test_start:%Y-%m-%d} to {report.test_end:%Y-%m-%d}"
    assert run.info.run_name == f"pair_forest {days}"
    assert run.data.params["family"] == "pair_forest"


def test_the_registry_describes_the_version_by_verdict_and_card(trained):
    settings, _, report = trained
    client = open_client(Layout.of(settings))
    said = client.get_model_version(report.model.name, report.model.version).description
    checks = report.outcome.verdict.checks
    assert said.startswith(f"Gate: failed {sum(not check.passed for check in checks)} of {len(checks)} checks")
    assert said.index("| **FAILED**&nbsp;") < said.index("| passed&nbsp;")
    assert "**What it is.**" in said
    assert "@champion" in client.get_registered_model(report.model.name).description


def test_the_champion_leads_back_to_data_code_and_time(trained):
    settings, _, report = trained
    champion = find_champion(settings)
    assert (champion.version, champion.run_id) == (report.model.version, report.model.run_id)
    assert champion.tags["promotion_reason"] == report.outcome.reason
    assert champion.tags["training_digest"] == report.training_digest
    assert champion.tags["snapshot_id"] == report.snapshot_id
    assert champion.train_end == report.train_end.isoformat()
    assert verified_directory(Layout.of(settings), champion).is_dir()
    run = open_client(Layout.of(settings)).get_run(champion.run_id)
    assert run.data.params["label.horizon_bars"] == "12"
    assert run.data.params["split.purged_rows"] == "36"
    assert run.data.params["costs.taker_fee_bps"] == "5.0"
    assert run.data.tags["code_revision"]


def test_figures_and_logs_are_written_and_kept_with_the_run(trained):
    settings, _, report = trained
    names = {path.name for path in report.files}
    assert {"equity.png", "most_traded_pair.png", "calibration.png", "feature_importance.png", "scores.png"} <= names
    assert {"trades_model.csv", "trades_baseline.csv", "trades_btc.csv", "backtest_per_pair.csv"} <= names
    client = open_client(Layout.of(settings))
    assert names == {item.path for item in client.list_artifacts(report.model.run_id)}
    assert all(path.stat().st_size > 0 for path in report.files)


def test_the_reference_of_drift_is_signed_with_the_version_and_read_again(trained):
    settings, _, _ = trained
    champion = find_champion(settings)
    frozen = read_reference(Layout.of(settings), champion)
    assert set(frozen.ranges) <= set(champion.service.features)
    assert {"score", "z_score"} <= {one.name for one in frozen.series}
    assert frozen.train_end.isoformat() == champion.train_end


def test_the_same_data_and_seed_give_the_same_scores_and_the_same_trades(trained):
    settings, _, report = trained
    log = run_files.locate_directory(settings) / "trades_model.csv"
    first = digest_bytes(log.read_bytes())
    join = brute_join(settings)
    training_set = build_training_set(settings, PAIR_FOREST_FEATURES, join, NOW)
    split = split_chronologically(
        training_set.labelled(settings.label), settings.model.test_fraction, horizon_bars=settings.label.horizon_bars
    )
    fitted = [
        scoring.score_test_period(
            scoring.fit_forest(split.train, training_set.service, settings, threads), training_set, split
        )
        for threads in (1, 2)
    ]
    assert fitted[0].scored.equals(fitted[1].scored)
    history, _ = load_history(settings, join, split.test_start, report.test_end, NOW)
    for forest in fitted:
        contenders, _ = compare_contenders(settings, Arena(settings, history), training_set, [Part(split, forest)])
        assert digest_bytes(contenders[0].result.trades.write_csv().encode()) == first
    assert digest_training_rows(training_set.labelled(settings.label)) == report.training_digest


def test_the_strategy_is_scored_on_the_test_period_only(trained):
    settings, _, report = trained
    decisions = pl.read_csv(run_files.locate_directory(settings) / "decisions_model.csv", try_parse_dates=True)
    assert decisions["time"].min() == report.test_start
    assert decisions.height == (report.test_end - report.test_start) // HOUR + 1
    trades = pl.read_csv(run_files.locate_directory(settings) / "trades_model.csv", try_parse_dates=True)
    assert trades["opened_at"].min() >= report.test_start


def test_a_baseline_without_both_classes_is_left_out_with_a_note(tmp_path):
    """The first two assets never diverge by the target: their pair alone has no positive label."""
    settings = settings_for(tmp_path, assets=("SOL", "XRP", "DOT"))
    publish_all(settings, bars=200)
    join = brute_join(settings)
    training_set = build_training_set(settings, PAIR_FOREST_FEATURES, join, NOW)
    quiet = pl.when(pl.col("pair_id") == "SOL__XRP").then(0).otherwise(pl.col("label")).cast(pl.Int8).alias("label")
    training_set = TrainingSet(training_set.rows.with_columns(quiet), training_set.service, training_set.snapshot_id)
    split = split_chronologically(training_set.labelled(settings.label), 0.3, horizon_bars=settings.label.horizon_bars)
    forest = scoring.score_test_period(
        scoring.fit_forest(split.train, training_set.service, settings), training_set, split
    )
    history, _ = load_history(settings, join, split.test_start, training_set.last_decision, NOW)
    contenders, notes = compare_contenders(settings, Arena(settings, history), training_set, [Part(split, forest)])
    assert [contender.key for contender in contenders] == ["model", "always_revert", "btc"]
    assert contenders[2].name == "buy and hold SOL"
    assert len(notes) == 1
    assert notes[0].startswith("no baseline (SOL__XRP): all ")


def test_training_on_candidates_is_judged_on_candidates(tmp_path):
    settings = settings_for(tmp_path, label={"rows": "candidates"})
    publish_all(settings)
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    assert report.labelled_rows < report.rows / 2
    assert report.classification["rows"] == report.test_rows
    assert report.backtests["model"]["trades"] > 0


def test_a_model_of_what_positions_earn_is_trained_judged_and_registered(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_LABEL__KIND", "triple_barrier")
    settings = settings_for(tmp_path, strategy={"stop_atr": 2.0, "target_atr": 2.0})
    publish_all(settings)
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    rows = report.train_rows + report.test_rows + report.purged_rows + report.kept_back_rows
    assert rows == report.labelled_rows
    assert report.purged_rows == 3 * 12  # positions that ended before the horizon too: most of them are winners
    assert report.train_end < report.test_start
    assert 0 < report.test_positives < report.test_rows
    assert report.backtests["model"]["trades"] > 0
    assert find_champion(settings).version == report.model.version
    run = open_client(Layout.of(settings)).get_run(report.model.run_id)
    assert run.data.params["label.kind"] == "triple_barrier"


def test_a_history_too_short_registers_nothing(tmp_path):
    settings = settings_for(tmp_path, horizon=102)
    publish_all(settings, bars=150)
    with pytest.raises(MissingDataError, match="too short for the label horizon"):
        job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    with pytest.raises(NoChampionError):
        find_champion(settings)


def test_the_feature_stores_join_gives_the_same_training_set_and_trades(trained, tmp_path):
    """The real store against the row-by-row join: same digest, same scores, same backtest."""
    settings, _, expected = trained
    own = settings_for(tmp_path)
    publish_all(own)
    report = job.train(own, SilentProgress(), now=NOW)
    assert report.training_digest == expected.training_digest
    assert report.classification == expected.classification
    assert report.backtests == expected.backtests
    logs = [run_files.locate_directory(one) / "trades_model.csv" for one in (settings, own)]
    assert logs[0].read_bytes() == logs[1].read_bytes()


def test_decisions_without_features_in_time_are_told(trained):
    settings, _, report = trained
    training_set = build_training_set(settings, PAIR_FOREST_FEATURES, brute_join(settings), NOW)
    assert report.notes == ()
    late = training_set.rows.with_columns((pl.col("event_timestamp") > START + 5 * HOUR).alias("known"))
    (note,) = TrainingSet(late, training_set.service, training_set.snapshot_id).list_notes()
    assert note.startswith("18 of 780 decisions had no features in time")


@pytest.mark.slow
def test_a_model_can_be_trained_on_inflow_where_some_assets_have_none(tmp_path):
    settings = settings_for(tmp_path, model={"feature_service": "pair_forest_inflow_v1"})
    layout = publish_all(settings)
    rows = scan_view(layout, PAIR_HOURLY).collect()
    known = pl.col("pair_id") == "BTC__ETH"
    later = (pl.col("created_timestamp") + HOUR / 7200).alias("created_timestamp")
    flows = pl.when(known).then(pl.col("spread").sin() * 100)
    with_inflow = rows.with_columns(later, base_inflow=flows, quote_inflow=flows + 1, inflow_ratio=flows / (flows + 1))
    publish(layout, PAIR_HOURLY, with_inflow.filter(known))
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    assert report.model.feature_service == "pair_forest_inflow_v1"
    importances = pl.read_csv(layout.reports / "training" / "feature_importance.csv")
    assert {"base_inflow", "quote_inflow", "inflow_ratio"} <= set(importances["feature"])
