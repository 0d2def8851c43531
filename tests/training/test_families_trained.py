"""Each family that can trade goes the whole way of a training: fitted, judged, registered, promoted, loaded."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import EVENT_TIME, PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry.connection import open_client
from model_registry.loading import load_estimator
from model_registry.registry import find_champion, promote
from pairity.errors import SignatureError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity_cli.main import main
from serving.models.scoring import load_scorer
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training import forest_fit, job
from training.data.splits import keep_back, split_chronologically
from training.data.training_sets import build_training_set
from training.labels.outcomes import add_outcomes
from training.models.families import find_family
from training.models.registrable import add_purged_scores, fit_registrable
from training.models.thresholds import has_own_threshold
from training.promotion.evidence import backtest_champion

SLOW = ("pair_forest_calibrated", "pair_logistic", "always_revert", "zero_forecast")


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"))
    publish_all(settings)
    return settings


def of_family(settings, family):
    return settings.model_copy(update={"model": settings.model.model_copy(update={"family": family, "name": family})})


@pytest.mark.parametrize("family", ["pair_boosting", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_family_is_trained_judged_and_promoted_and_loads_as_what_was_backtested(market, family):
    settings, join = of_family(market, family), brute_join(market)
    report = job.train(settings, SilentProgress(), now=NOW, join=join)
    assert report.outcome.promoted  # on trial, as the first of its name
    assert [check.name for check in report.outcome.verdict.checks] == [
        "net",
        "better",
        "baseline",
        "nulls",
        "trades",
        "deflated_sharpe",
        "superior",
        "last_look",
        "parity",
        "drift",
    ]
    champion = find_champion(settings)
    assert (champion.family, champion.tags["family"]) == (family, family)
    run = open_client(Layout.of(settings)).get_run(champion.run_id)
    assert run.data.params["model.family"] == family
    assert "Stored" in run.data.tags["mlflow.note.content"]
    training_set = build_training_set(settings, PAIR_FOREST_FEATURES, join, NOW)
    split = split_chronologically(
        training_set.labelled(settings.label), settings.model.test_fraction, horizon_bars=settings.label.horizon_bars
    )
    labelled = training_set.labelled(settings.label)
    has_own = has_own_threshold(find_family(family), settings)
    if has_own:
        labelled = add_outcomes(labelled, training_set, settings, join, NOW, settings.strategy.legs)
    split = split_chronologically(labelled, settings.model.test_fraction, horizon_bars=settings.label.horizon_bars)
    fitted = fit_registrable(split.train, training_set.service, settings)
    kept, _ = keep_back(split, labelled, training_set.last_decision, settings.gate.last_look)
    again = add_purged_scores(fitted, kept.train, training_set.service, settings)
    assert champion.threshold == again.trades_above  # to the last bit, out of the registry
    assert (again.threshold is not None) == has_own
    assert run.data.metrics.get("threshold") == again.trades_above
    assert "airs are traded above a probability of" in run.data.tags["mlflow.note.content"]
    scores = load_scorer(settings, champion).score(
        training_set.rows.filter(pl.col(EVENT_TIME) == training_set.last_decision),
        settings.universe.pairs,
        training_set.last_decision,
    )
    assert {score.threshold for score in scores} == {again.trades_above}
    tampered = {**champion.tags, "threshold": "0.01"}
    with pytest.raises(SignatureError):
        load_scorer(settings, replace(champion, tags=tampered))
    assert again.digest == champion.tags["fitted_sha256"]
    loaded = load_estimator(Layout.of(settings), champion)
    matrix = build_model_matrix(training_set.rows, training_set.service)
    assert (
        np.asarray(loaded.predict_proba(matrix)).tobytes()
        == np.asarray(again.estimator.predict_proba(matrix)).tobytes()
    )
    scored = forest_fit.score_test_period(loaded, training_set, split).scored
    assert scored["probability"].is_between(0, 1).all()


@pytest.mark.slow
def test_a_champion_of_one_family_is_traded_beside_a_challenger_of_another(market):
    """The gate asks of both the same, over the same hours."""
    from training.backtest.comparison import Arena
    from training.data.history import load_history

    settings, join = of_family(market, "pair_logistic"), brute_join(market)
    early = settings.model_copy(update={"model": settings.model.model_copy(update={"name": "both"})})
    training_set = build_training_set(early, PAIR_FOREST_FEATURES, join, NOW)
    first = job.train(early, SilentProgress(), now=NOW, join=join).model
    if find_champion(early).version != first.version:
        promote(early, first.version, "a test", NOW)
    labelled = training_set.labelled(early.label)
    later = split_chronologically(labelled, 0.2, horizon_bars=early.label.horizon_bars)
    history, _ = load_history(early, join, later.test_start, training_set.last_decision, NOW)
    other = early.model_copy(update={"model": early.model.model_copy(update={"family": "pair_forest"})})
    scored = forest_fit.score_test_period(
        fit_registrable(later.train, training_set.service, other).estimator, training_set, later
    ).scored
    model = Arena(other, history).trade_model(scored, later.train_end)
    result = backtest_champion(other, training_set, later, model, join, NOW)
    assert (result.version, result.lead is not None) == (first.version, True)


def test_the_command_names_the_families_that_can_trade(tmp_path):
    for family, words in (("factor_risk", "returns of single assets"), ("btc_eth_baseline", "one pair alone")):
        done = CliRunner().invoke(main, ["train", "--family", family], env={"PAIRITY_HOME": str(tmp_path)})
        assert done.exit_code == 2, done.output
        assert words in done.output
        assert "pair_boosting" in done.output
    done = CliRunner().invoke(main, ["train", "--family", "deep"], env={"PAIRITY_HOME": str(tmp_path)})
    assert done.exit_code == 2
    assert "unknown family 'deep'" in done.output
