"""`pairity train` and grids of parameters on workers: the models, measures and run of one machine, a worker killed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from feature_repo.model_matrix import build_model_matrix
from model_registry.connection import open_client
from model_registry.loading import load_estimator
from model_registry.records import ModelRef
from pairity.configuration import load_settings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.cluster.conftest import use_own_database
from tests.cluster.worker_killer import WorkerKiller
from tests.training.backtest.test_grid import question
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.backtest.grid import Grid, run_grid
from training.basis import build_basis
from training.family_job import train_families

pytestmark = pytest.mark.cluster
FAMILIES = {"pair_forest": "forest-", "pair_forest_calibrated": "purged-", "pair_boosting": "boosting-candidate-"}
"""Families, and the tasks in the middle of which a worker is killed."""


def give_home(settings, home, **changed):
    trials = settings.trials.model_copy(update={"folder": home / "trials"})
    return settings.model_copy(update={"home": home, "trials": trials, **changed})


def on_cluster(settings, home, patched):
    """Settings of the cluster with another home and a database of its own."""
    use_own_database(patched)
    return give_home(settings, home, profile="cluster", cluster=load_settings().cluster)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_on_workers_is_that_of_one_machine_though_a_worker_was_killed(tmp_path, family, monkeypatch):
    one = give_home(settings_for(tmp_path / "one", model={"family": family}), tmp_path / "one")
    publish_all(one, bars=640)
    shutil.copytree(one.root, tmp_path / "two")
    (report,) = train_families(one, SilentProgress(), now=NOW, join=brute_join(one))
    here = describe(one, report)
    two = on_cluster(one, tmp_path / "two", monkeypatch)  # from here on the tracking store is PostgreSQL
    killer = WorkerKiller(two.cluster.scheduler, FAMILIES[family])
    killer.start()
    (report,) = train_families(two, SilentProgress(), now=NOW, join=brute_join(two))
    killer.join(60)
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    there = describe(two, report)
    for name, found in here.items():
        assert found == there[name], name


def describe(settings, report):
    """What a training came to: reports and trials, the run with its digest, and what the stored model says."""
    run = read_only_run(settings, report.model)
    basis = build_basis(settings, brute_join(settings), NOW)
    matrix = build_model_matrix(basis.labelled, basis.training_set.service)
    said = load_estimator(Layout.of(settings), report.model).predict_proba(matrix)
    assert report.grid.metrics
    assert len(run.data.metrics) > 50
    return {
        "model": run.data.tags["fitted_sha256"],
        "threshold": report.model.threshold,
        "probabilities": np.asarray(said).tobytes(),
        "backtests": report.backtests,
        "classification": report.classification,
        "grid": (report.grid.points, report.grid.metrics, report.grid.returns.tobytes()),
        "verdict": report.outcome.verdict.checks,
        "metrics": {name: repr(value) for name, value in run.data.metrics.items()},  # NaN equals itself as text alone
    }


def read_only_run(settings, model: ModelRef):
    """The run of a model; there is no other one in the whole store."""
    client = open_client(Layout.of(settings))
    runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
    assert [(run.info.run_id, run.info.status) for run in runs] == [(model.run_id, "FINISHED")]
    return runs[0]


def test_a_grid_on_workers_is_that_of_one_machine_though_a_worker_was_killed(settings):
    inputs = question(400, legs="both", max_concurrent_positions=2)
    grid = Grid(z_entry=(0.8, 1.0, 1.2), probability_min=(0.4, 0.6), correlation_max=(0.5, 0.9))
    killer = WorkerKiller(settings.cluster.scheduler, "trial-")
    killer.start()
    there = run_grid(inputs, grid, settings=settings)
    killer.join(60)
    here = run_grid(inputs, grid)
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    assert (here.points, here.metrics) == (there.points, there.metrics)
    assert here.returns.tobytes() == there.returns.tobytes()
