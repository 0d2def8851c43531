"""Connections to PostgreSQL: a server that vanished is given up in time, whoever asks; Feast's own command logs in."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from feature_repo.feast_profiles import REPOSITORY
from feature_repo.feature_store import apply_definitions, open_store
from model_registry.connection import open_client
from pairity.child_environment import make_child_environment
from pairity.configuration import load_settings
from pairity.errors import DataError
from pairity.layout import Layout
from serving.journal.postgres_server import open_alone
from tests.cluster.conftest import use_own_database

pytestmark = pytest.mark.cluster


def read_limits(connection) -> tuple[int, int, int]:
    """What the system does with the connection of a driver where nothing comes back."""
    with socket.socket(fileno=os.dup(connection.fileno())) as found:
        return (
            found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        )


def test_feast_mlflow_and_the_journal_give_a_silent_server_up_alike(monkeypatch, tmp_path):
    use_own_database(monkeypatch)
    settings = load_settings(home=tmp_path / "home")
    layout = Layout.of(settings)
    registry = open_store(settings).registry
    client = open_client(layout)
    engines = [registry.write_engine, registry.read_engine]
    engines += [client._tracking_client.store.engine, client._get_registry_client().store.engine]
    with open_alone(layout.journal_database) as journal:
        assert read_limits(journal.connection.driver_connection) == (30_000, 30, 5)
    for engine in engines:
        with engine.connect() as connection:
            assert read_limits(connection.connection.driver_connection) == (30_000, 30, 5)
        engine.dispose()


def test_a_server_that_takes_connections_and_says_nothing_is_given_up(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}/pairity"
        ours = settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"postgres": address})})
        for ask in (lambda: open_store(ours), lambda: open_client(Layout.of(ours))):
            begun = time.monotonic()
            with pytest.raises(DataError, match=f"PostgreSQL {address} cannot be used"):
                ask()
            assert time.monotonic() - begun < 25


def test_feasts_own_command_logs_in_with_libpqs_variables(settings, variables):
    apply_definitions(settings, open_store(settings))
    services = {name: value for name, value in variables.items() if "POSTGRES_" not in name}
    login = {"PGUSER": "pairity", "PGPASSWORD": variables["PAIRITY_CLUSTER__POSTGRES_PASSWORD"]}
    profile = REPOSITORY / "profiles" / "cluster.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "feast.cli.cli", "-c", REPOSITORY, "-f", profile, "feature-views", "list"],
        env=make_child_environment({"PYTHONPATH": str(REPOSITORY.parent), **services, **login}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "pair_hourly" in done.stdout
