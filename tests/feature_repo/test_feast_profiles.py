"""Feast's configuration by profile, and what is missing for the cluster's."""

from __future__ import annotations

import sys

import pytest
import yaml

from feature_repo.cluster_workers import connect_workers, describe_versions
from feature_repo.feast_profiles import REPOSITORY, read_profile
from pairity.cluster_settings import ClusterSettings
from pairity.errors import ConfigError, DataError, PairityError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings

SECRET = "p@ss/wo:rd?#"
CLUSTER = ClusterSettings(
    scheduler="tls://127.0.0.1:8786",
    redis="redis://127.0.0.1:6379/0",
    redis_password=SECRET,
    postgres="db.example:5432/pairity",
    postgres_password=SECRET,
)


def test_the_profile_chooses_stores(tmp_path):
    embedded = read_profile(Settings(home=tmp_path))
    assert embedded["online_store"]["path"] == str(tmp_path / "feast" / "online.db")
    assert "scheduler" not in embedded["offline_store"]
    cluster = read_profile(Settings(home=tmp_path, profile="cluster", cluster=CLUSTER))
    assert cluster["offline_store"]["scheduler"] == "tls://127.0.0.1:8786"
    assert cluster["online_store"]["address"] == "redis://127.0.0.1:6379/0"
    assert cluster["online_store"]["password"] == SECRET
    assert cluster["registry"]["path"] == (
        "postgresql+psycopg://pairity:p%40ss%2Fwo%3Ard%3F%23@db.example:5432/pairity?options=-csearch_path%3Dfeast"
        "&connect_timeout=10&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=30000"
    )
    for_feast = yaml.safe_load((REPOSITORY / "profiles" / "cluster.yaml").read_text())["registry"]["path"]
    assert for_feast.partition("?")[2] == cluster["registry"]["path"].partition("?")[2], "Feast's own CLI waits as long"


def test_runs_are_in_postgresql_in_the_cluster_and_no_password_is_shown(tmp_path):
    layout = Layout.of(Settings(home=tmp_path, profile="cluster", cluster=CLUSTER))
    assert layout.tracking_uri.partition("search_path%3D")[2].startswith("mlflow&")
    assert layout.tracking_place == "postgresql://db.example:5432/pairity"
    assert "p%40ss" not in repr(layout)
    assert Layout.of(Settings(home=tmp_path, cluster=CLUSTER)).tracking_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_without_the_extra_the_profile_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match="the package distributed is not installed") as refused:
        connect_workers("tcp://127.0.0.1:2")
    assert "pairity[cluster]" in refused.value.remedy


def test_versions_name_what_bits_depend_on():
    found = dict(describe_versions())
    assert {"python", "machine", "polars", "numpy", "numba", "scikit-learn", "lightgbm", "code"} <= set(found)
    assert "missing" not in found.values()


@pytest.mark.parametrize(
    "error", [DataError("it is gone", "look for it"), ConfigError("no"), UnknownNameError("view", "x", ["y"])]
)
def test_an_error_of_a_worker_says_here_what_it_said_there(error):
    import pickle

    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, PairityError)
    assert (type(again), again.what, again.remedy, str(again)) == (type(error), error.what, error.remedy, str(error))
