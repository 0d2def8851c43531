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
from tests.cluster.conftest import empty_services
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


@pytest.fixture
def homes(tmp_path, variables):
    """Settings of one machine and of the cluster, on copies of one home."""
    one = give_home(settings_for(tmp_path / "one"), tmp_path / "one")
    publish_all(one, bars=640)
    shutil.copytree(one.root, tmp_path / "two")
    two = give_home(one, tmp_path / "two", profile="cluster", cluster=load_settings().cluster)
    empty_services(two)
    return one, two


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_on_workers_is_that_of_one_machine_though_a_worker_was_killed(homes, family):
    one, two = (
        settings.model_copy(update={"model": settings.model.model_copy(update={"family": family})})
        for settings in homes
    )
    (here,) = train_families(one, SilentProgress(), now=NOW, join=brute_join(one))
    killer = WorkerKiller(two.cluster.scheduler, FAMILIES[family])
    killer.start()
    (there,) = train_families(two, SilentProgress(), now=NOW, join=brute_join(two))
    killer.join(60)
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    assert (here.backtests, here.classification) == (there.backtests, there.classification)
    assert (here.grid.metrics, here.grid.points) == (there.grid.metrics, there.grid.points)
    assert here.grid.returns.tobytes() == there.grid.returns.tobytes()
    assert [str(check) for check in here.outcome.verdict.checks] == [
        str(check) for check in there.outcome.verdict.checks
    ]
    runs = [read_only_run(settings, report.model) for settings, report in ((one, here), (two, there))]
    assert runs[0].data.metrics == runs[1].data.metrics
    assert runs[0].data.tags["fitted_sha256"] == runs[1].data.tags["fitted_sha256"]
    assert runs[0].data.tags.get("threshold") == runs[1].data.tags.get("threshold")
    basis = build_basis(one, brute_join(one), NOW)
    matrix = build_model_matrix(basis.labelled, basis.training_set.service)
    said = [
        np.asarray(load_estimator(Layout.of(settings), report.model).predict_proba(matrix)).tobytes()
        for settings, report in ((one, here), (two, there))
    ]
    assert said[0] == said[1]


def read_only_run(settings, model: ModelRef):
    """The run of a model; there is no other one in the whole store."""
    client = open_client(Layout.of(settings))
    runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
    assert [(run.info.run_id, run.info.status) for run in runs] == [(model.run_id, "FINISHED")]
    return runs[0]


def test_a_grid_on_workers_is_that_of_one_machine_though_a_worker_was_killed(homes):
    _, two = homes
    inputs = question(400, legs="both", max_concurrent_positions=2)
    grid = Grid(z_entry=(0.8, 1.0, 1.2), probability_min=(0.4, 0.6), correlation_max=(0.5, 0.9))
    killer = WorkerKiller(two.cluster.scheduler, "trial-")
    killer.start()
    there = run_grid(inputs, grid, settings=two)
    killer.join(60)
    here = run_grid(inputs, grid)
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    assert (here.points, here.metrics) == (there.points, there.metrics)
    assert here.returns.tobytes() == there.returns.tobytes()
