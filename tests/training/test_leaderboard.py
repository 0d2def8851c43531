"""Families walk-forward over a made-up market: nothing sees its test, everything is logged, the page is whole."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import PAIR_FOREST_FEATURES
from model_registry.connection import open_client
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import MissingDataError, TimeRangeError, UnknownNameError
from pairity.evaluation_settings import EvaluationSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity_cli.main import main
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.backtest import performance
from training.data.folds import EVENT, split_walk_forward
from training.data.splits import keep_back, split_chronologically
from training.data.training_sets import TrainingSet, build_training_set
from training.evaluation.differences import measure_sharpe_difference
from training.labels.outcomes import add_outcomes, name_outcome
from training.leaderboard import compare_families
from training.models import pair_boosting
from training.models.families import FAMILIES, find_family
from training.reports import leaderboard_files, leaderboard_runs
from training.reports.contents import read_run
from training.reports.page import render_page
from training.reports.run_views import DECIDING
from training.trials.ledger import TrialLedger
from training.walk_forward import LEGS, score_walk_forward

LEFT_OUT = ("factor_risk", "lagged_linear", "lagged_linear_5", "lagged_boosted", "vwap_distance")
"""The made-up market has none of their features."""
EVALUATION = EvaluationSettings(train_bars=240, test_bars=160)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home")).model_copy(update={"evaluation": EVALUATION})
    publish_all(settings, bars=640)
    board = compare_families(settings, list(FAMILIES.values()), brute_join(settings), NOW, SilentProgress())
    leaderboard_files.write_leaderboard(settings, board)
    return settings, board, leaderboard_runs.record_leaderboard(settings, board)


def by_name(board):
    return {standing.family: standing for standing in board.standings}


def test_every_family_and_the_coin_stand_in_one_table(compared):
    _, board, _ = compared
    standings = by_name(board)
    present = [name for name in FAMILIES if name not in LEFT_OUT]
    trading = [
        n
        for n in present
        if FAMILIES[n].portfolio is None and (standings[n].contender.metrics["trades"] or standings[n].thresholds)
    ]
    assert set(standings) == {*present, *(f"{name}_two_legs" for name in trading), "btc"}
    assert len(trading) >= 3
    legs = standings["always_revert_two_legs"].contender.result.trades
    assert set(legs.group_by("position_id").len()["len"]) <= {1, 2}
    assert 2 in set(legs.group_by("position_id").len()["len"])
    assert {frozenset(s.contender.metrics) for s in board.standings} == {frozenset(performance.KEYS)}
    nets = [s.contender.metrics["net_return"] for s in board.standings]
    assert nets == sorted(nets, reverse=True)
    assert standings["zero_forecast"].contender.metrics["trades"] == 0
    assert standings["always_revert"].contender.metrics["trades"] > 0
    assert standings["btc_eth_baseline"].contender.result.trades["pair_id"].unique().to_list() in ([], ["BTC__ETH"])
    assert [note.split(" is left out")[0] for note in board.notes] == list(LEFT_OUT)
    assert board.overfitting is not None


def test_holding_a_coin_is_no_choice_whose_rank_is_judged(compared):
    _, board, _ = compared
    traded = {
        s.contender.result.equity["equity"].to_numpy().tobytes(): s.family
        for s in board.standings
        if s.contender.metrics["trades"]
    }
    assert "btc" in traded.values()
    assert board.overfitting.trials == len(traded) - 1


def test_every_family_is_held_against_the_coin_and_the_reference(compared):
    _, board, _ = compared
    standings = by_name(board)
    coin = standings["btc"].contender
    for name, standing in standings.items():
        if name == "btc":
            assert standing.quality == {}
            continue
        found = measure_sharpe_difference(
            performance.compute_hourly_returns(standing.contender.result),
            performance.compute_hourly_returns(coin.result),
            "btc",
        )
        assert found.items() <= standing.quality.items()
        ruled = "candidates_rows" in standing.quality and name != "pair_forest"
        assert ("roc_auc_over_pair_forest" in standing.quality) == ruled
    always = standings["always_revert"].quality
    assert always["roc_auc_over_pair_forest"] == pytest.approx(
        0.5 - standings["pair_forest"].quality["candidates_roc_auc"]
    )
    assert standings["pair_forest_two_legs"].quality["roc_auc_over_pair_forest"] is None  # the same scores


def test_folds_add_up_to_the_whole(compared):
    _, board, _ = compared
    for standing in board.standings:
        metrics = standing.contender.metrics
        assert sum(fold["trades"] for fold in standing.folds) == metrics["trades"]
        assert sum(fold["net_return"] for fold in standing.folds) == pytest.approx(metrics["net_return"], abs=1e-9)


@pytest.mark.parametrize(
    "name", ["pair_forest", pytest.param("pair_boosting", marks=pytest.mark.slow), "pair_logistic"]
)
def test_a_period_is_scored_the_same_whatever_comes_after_its_training(compared, name):
    """Labels and features from the last fold's training end on are made up: earlier scores keep their bits."""
    settings, board, _ = compared
    rows, service = board.training_set.rows, board.training_set.service
    folds = list(board.folds)
    cut = folds[1].blocks[0].first
    poisoned = rows.with_columns(
        pl.when(pl.col("t1") >= cut).then(1 - pl.col("label")).otherwise(pl.col("label")).alias("label"),
        pl.when(pl.col(EVENT) >= cut).then(pl.col("z_score") * 3 + 1).otherwise(pl.col("z_score")).alias("z_score"),
    )
    changed = TrainingSet(poisoned, service, board.training_set.snapshot_id)
    horizon = settings.label.horizon_bars
    labelled = add_outcomes(changed.labelled(settings.label), changed, settings, brute_join(settings), NOW, *LEGS)
    late = pl.col(EVENT) + horizon * HOUR >= cut
    outcomes = [name_outcome(legs) for legs in LEGS]
    labelled = labelled.with_columns(
        pl.when(late).then(0.5 - pl.col(outcome)).otherwise(pl.col(outcome)).alias(outcome) for outcome in outcomes
    )
    again = split_walk_forward(labelled, test_bars=160, train_bars=240, horizon_bars=horizon)
    assert [fold.train_end for fold in again] == [fold.train_end for fold in folds]
    walks = [
        score_walk_forward(settings, FAMILIES[name], data, own, SilentProgress())
        for data, own in ((board.training_set, folds), (changed, again))
    ]
    before, after = (walk.rows.filter(pl.col(EVENT) < cut) for walk in walks)
    assert before.height > 100
    for column in ("probability", "threshold_base", "threshold_both"):
        assert before[column].to_numpy().tobytes() == after[column].to_numpy().tobytes()
    assert bool(walks[0].thresholds) == (name != "pair_forest")  # the reference is traded above 0.5
    for legs, found in walks[0].thresholds.items():
        assert found[0] == walks[1].thresholds[legs][0]
        assert found[0].candidates > 0


def test_the_hours_that_the_gate_keeps_back_are_left_alone(tmp_path):
    """Neither traded nor scored; what is traded before them is the same as without them."""
    settings = settings_for(tmp_path).model_copy(update={"evaluation": EVALUATION})
    publish_all(settings, bars=640)
    rules, join = [FAMILIES["always_revert"], FAMILIES["zero_forecast"]], brute_join(settings)
    spared = compare_families(settings, rules, join, NOW, SilentProgress(), spare=True)
    labelled = build_training_set(settings, PAIR_FOREST_FEATURES, join, NOW).labelled(settings.label)
    split = split_chronologically(labelled, settings.model.test_fraction, horizon_bars=settings.label.horizon_bars)
    _, kept_back = keep_back(split, labelled, START + 639 * HOUR, settings.gate.last_look)
    for standing in spared.standings:
        equity = standing.contender.result.equity
        assert equity["time"].max() == kept_back.test_start - HOUR
        for rows, name in ((standing.scored, "event_timestamp"), (standing.decided, "event_timestamp")):
            assert rows.is_empty() or rows[name].max() < kept_back.test_start
    book = TrialLedger.of(settings).read()
    assert book.find_look(kept_back.test_start, START + 639 * HOUR, {}) is None
    whole = compare_families(settings, rules, join, NOW, SilentProgress())
    assert TrialLedger.of(settings).read().find_look(kept_back.test_start, START + 639 * HOUR, {}) is not None
    hours = by_name(spared)["always_revert"].contender.result.equity.height - 1  # where history ends, positions do
    equities = [by_name(board)["always_revert"].contender.result.equity["equity"][:hours] for board in (spared, whole)]
    assert equities[0].equals(equities[1])
    assert len(TrialLedger.of(settings).read().series) == len(book.series)  # the same trials, longer


class _Stages(SilentProgress):
    def __init__(self):
        self.seen = {}

    def stage(self, name, total):
        self.seen[name] = [total, 0]

    def advance(self, steps=1, note=""):
        self.seen[[*self.seen][-1]][1] += steps


def test_each_family_is_a_stage_of_its_own_with_all_of_its_steps(tmp_path):
    """What a forest takes says nothing of what a rule does: an estimate of the time to go is that of one family."""
    settings = settings_for(tmp_path).model_copy(update={"evaluation": EVALUATION})
    publish_all(settings, bars=640)
    rules, stages = [FAMILIES["always_revert"], FAMILIES["zero_forecast"]], _Stages()
    books = [BOOK_FAMILIES["trend_book"]]
    board = compare_families(settings, rules, brute_join(settings), NOW, stages, books=books)
    folds = len(board.folds)
    assert stages.seen == {
        "training set": [1, 1],
        "always_revert (1 of 2)": [folds, folds],
        "zero_forecast (2 of 2)": [folds, folds],
        "books": [1, 1],
        "compare": [1, 1],
    }


def test_a_model_that_has_seen_the_period_is_refused(compared):
    settings, board, _ = compared
    fold = board.folds[0]
    seen = object.__new__(type(fold))  # a fold that its own check would refuse
    train = board.training_set.labelled(settings.label)
    for field, value in (
        ("name", "seen"),
        ("train", train),
        ("test", fold.test),
        ("blocks", fold.blocks),
        ("purged", 0),
        ("embargoed", 0),
        ("horizon_bars", fold.horizon_bars),
    ):
        object.__setattr__(seen, field, value)
    with pytest.raises(TimeRangeError, match="was trained on data up to"):
        score_walk_forward(settings, FAMILIES["always_revert"], board.training_set, [seen], SilentProgress())


def test_boosting_is_the_same_whatever_the_threads(compared):
    settings, board, _ = compared
    fold = board.folds[0]
    few = fold.train.head(300)
    one, two = (
        pair_boosting.fit_boosting(few, board.training_set.service, settings, threads=count) for count in (1, 2)
    )
    assert one.text.replace("[num_threads: 1]", "") == two.text.replace("[num_threads: 2]", "")
    assert one.predict(fold.test).tobytes() == two.predict(fold.test).tobytes()
    assert set(one.compute_importances()) == set(board.training_set.service.features)
    assert sum(one.compute_importances().values()) == pytest.approx(1.0)


def test_boosting_refuses_what_it_cannot_learn_from(compared):
    settings, board, _ = compared
    fold, service = board.folds[0], board.training_set.service
    with pytest.raises(MissingDataError, match="needs both classes"):
        pair_boosting.fit_boosting(fold.train.with_columns(label=pl.lit(0)), service, settings)
    with pytest.raises(MissingDataError, match="too few"):
        pair_boosting.fit_boosting(
            pl.concat([fold.train.filter(pl.col("label") == x).head(5) for x in (0, 1)]), service, settings
        )
    model = pair_boosting.fit_boosting(fold.train, service, settings)
    with pytest.raises(MissingDataError, match="nothing was learnt about DOGE"):
        model.predict(fold.test.head(3).with_columns(base_asset=pl.lit("DOGE")))
    assert model.predict(fold.test.clear()).tolist() == []


def test_an_unknown_family_is_named_with_those_that_exist(compared, tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="pair_forest"):
        find_family("pair_forrest")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["leaderboard", "--families", "deep"], env={"PAIRITY_HOME": str(tmp_path)})
    assert done.exit_code == 2
    assert "unknown family 'deep'" in done.output


def test_runs_are_a_parent_and_a_child_per_family(compared):
    settings, board, run_id = compared
    client = open_client(Layout.of(settings))
    experiment = client.get_experiment_by_name("leaderboard").experiment_id
    assert client.get_experiment(experiment).tags["mlflow.experimentKind"] == "custom_model_development"
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert {run.data.params["family"] for run in children} == {s.family for s in board.standings}
    assert all(run.inputs.dataset_inputs[0].dataset.name == "pair_hourly" for run in children)
    parent = client.get_run(run_id)
    assert parent.info.status == "FINISHED"
    best = board.standings[0]
    assert parent.data.metrics["best_net_return"] == best.contender.metrics["net_return"]
    assert parent.data.metrics["lines"] == len(board.standings)
    assert parent.data.params["best"] == best.family
    assert len(parent.data.metrics) < 12  # its own summary: each family's measures are in the family's run
    names = [run.info.run_name for run in children]
    first, last = (best.contender.result.equity["time"][place] for place in (0, -1))
    assert set(names) == {f"{s.family} {first:%Y-%m-%d} to {last:%Y-%m-%d}" for s in board.standings}
    for name in DECIDING:
        assert all(name in run.data.metrics for run in children if "auc" not in name or "pair" in run.info.run_name)
    for run in children:
        standing = by_name(board)[run.data.params["family"]]
        measures, result = standing.contender.metrics, standing.contender.result
        assert run.data.metrics["model_equity_usdt"] == measures["final_equity_usdt"]
        points = client.get_metric_history(run.info.run_id, "model_drawdown")
        assert min(point.value for point in points) == -measures["max_drawdown"]
        assert max(point.timestamp for point in points) == int(result.equity["time"][-1].timestamp()) * 1000
    assert parent.data.tags["training_digest"]
    forest = next(run for run in children if run.data.params["family"] == "pair_forest")
    below = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{forest.info.run_id}'")
    assert len(below) == len(board.folds)
    assert sum(run.data.metrics["fold_trades"] for run in below) == forest.data.metrics["model_trades"]
    assert {item.path for item in client.list_artifacts(forest.info.run_id)} >= {
        "trades.csv",
        "equity.png",
        "exposure.png",
        "ic_by_month.png",
        "deciles.png",
        "calibration.png",
        "feature_importance.png",
        "most_traded_pair.png",
    }
    history = client.get_metric_history(forest.info.run_id, "fold_net_return")
    assert [point.step for point in history] == list(range(1, len(board.folds) + 1))
    counted = TrialLedger.of(settings).read().count()
    assert counted == board.trials
    moving = [s for s in board.standings if s.contender.metrics["trades"] and s.family != "btc"]
    different = {s.contender.result.equity["equity"].to_numpy().tobytes() for s in moving}
    assert counted.trials == len(different)
    assert 1 <= counted.effective <= counted.trials


def test_what_is_read_back_is_what_was_compared(compared):
    settings, board, run_id = compared
    contents = read_run(Layout.of(settings), run_id[:10])
    assert contents.run_id == run_id
    for line in contents.lines:
        result = by_name(board)[line.key].contender.result
        np.testing.assert_array_equal(line.equity["equity"].to_numpy(), result.equity["equity"].to_numpy())
        assert line.equity["time"].to_list() == result.equity["time"].to_list()
        assert line.trades.height == result.trades.height
        assert line.initial_equity == pytest.approx(result.initial_equity)
    with pytest.raises(UnknownNameError, match="choose from"):
        read_run(Layout.of(settings), "nosuchrun")


def test_the_page_loads_nothing_and_holds_every_contender(compared, tmp_path, monkeypatch):
    settings, _, run_id = compared
    monkeypatch.chdir(tmp_path)
    environment = {"PAIRITY_HOME": str(settings.home), "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH", "SOL"])}
    done = CliRunner().invoke(main, ["report", run_id, "--output", "page.html"], env=environment)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "page.html").read_text()
    assert not re.search(r"""<script|(src|href)\s*=""", text)
    contents = read_run(Layout.of(settings), run_id)
    assert all(line.name.split(",")[0] in text for line in contents.lines)
    assert "Trials counted: " in text
    for part in (
        *("Equity after costs", "Months and years", "Net return at other costs", "Net return by test period"),
        *("How positions ended", "snapshot_id", "The gate was not asked"),
    ):
        assert part in text
    assert render_page(contents) == text  # the same run gives the same page


@pytest.mark.parametrize(("bars", "spare"), [(5000, True), (300, False)])
def test_a_history_that_is_too_short_is_refused_before_anything_is_joined(bars, spare, tmp_path):
    chosen = EvaluationSettings(train_bars=bars, test_bars=160)
    settings = settings_for(tmp_path).model_copy(update={"evaluation": chosen})
    publish_all(settings, bars=300)

    def join(service, rows):
        raise AssertionError("the training set was built")

    with pytest.raises(MissingDataError, match=rf"bars leave none to test after {bars:,} to train on") as caught:
        compare_families(settings, [], join, NOW, SilentProgress(), spare=spare)
    assert "--train-bars" in caught.value.remedy


def test_a_comparison_replaces_its_own_files_and_no_others(compared):
    """Last of all: others look at what the whole board wrote."""
    settings, board, _ = compared
    few = replace(board, standings=[one for one in board.standings if one.family in ("always_revert", "btc")])
    reports = Layout.of(settings).reports
    (reports / "training").mkdir()
    kept, old = reports / "training" / "trades_model.csv", reports / "leaderboard-families" / "gone" / "trades.csv"
    old.parent.mkdir()
    for path in (kept, old):
        path.write_text("x")
    leaderboard_files.write_leaderboard(settings, few)
    assert kept.read_text() == "x"
    assert not old.exists()
