"""Walk-forward fits on workers: the leaderboard of one machine, and its run in PostgreSQL."""

from __future__ import annotations

import shutil

import pytest

from model_registry.connection import open_client
from pairity.configuration import load_settings
from pairity.evaluation_settings import EvaluationSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.cluster.conftest import empty_services
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.leaderboard import compare_families
from training.models.families import find_family
from training.reports import leaderboard_files, leaderboard_runs

pytestmark = pytest.mark.cluster
FAMILIES = ("pair_forest", "pair_boosting", "pair_logistic")


@pytest.fixture
def boards(tmp_path, variables):
    """Settings and leaderboard of one machine, and of the cluster, on copies of one home."""
    one = settings_for(tmp_path / "one").model_copy(
        update={"evaluation": EvaluationSettings(train_bars=240, test_bars=160)}
    )
    publish_all(one, bars=640)
    shutil.copytree(one.root, tmp_path / "two")
    given = load_settings()
    two = one.model_copy(update={"home": tmp_path / "two", "profile": "cluster", "cluster": given.cluster})
    empty_services(two)
    families = [find_family(name) for name in FAMILIES]
    return [
        (settings, compare_families(settings, families, brute_join(settings), NOW, SilentProgress()))
        for settings in (one, two)
    ]


def test_folds_on_workers_give_the_same_leaderboard_and_its_run_is_in_postgresql(boards):
    (_, here), (two, there) = boards
    assert [s.family for s in here.standings] == [s.family for s in there.standings]
    assert {"pair_forest", "pair_boosting", "pair_logistic"} <= {s.family for s in here.standings}
    for ours, theirs in zip(here.standings, there.standings, strict=True):
        assert ours.decided.equals(theirs.decided), ours.family
        assert ours.contender.metrics == theirs.contender.metrics
        assert (ours.importances, ours.thresholds) == (theirs.importances, theirs.thresholds)
    assert max(s.decided.height for s in here.standings) > 1_000
    leaderboard_files.write_leaderboard(two, there)
    run_id = leaderboard_runs.record_leaderboard(two, there)
    assert open_client(Layout.of(two)).get_run(run_id).info.status == "FINISHED"
    assert not (Layout.of(two).mlflow / "mlflow.db").exists(), "nothing is in a file"
