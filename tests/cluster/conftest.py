"""The running local cluster, as `make cluster-test` starts it, and settings that use it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import dask.config
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pairity.configuration import load_settings
from pairity.settings import Settings


def read_variables() -> dict[str, str]:
    folder = os.environ.get("LOCAL_CLUSTER")
    if folder is None:
        pytest.fail("LOCAL_CLUSTER does not name the folder of a running cluster: use make cluster-test")
    lines = (Path(folder) / "cluster.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="session")
def cluster_folder():
    read_variables()
    return Path(os.environ["LOCAL_CLUSTER"])


@pytest.fixture
def variables(monkeypatch):
    """The environment of a process that uses the cluster."""
    return set_variables(monkeypatch)


def set_variables(patched: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables, also for Dask, which has read its own when it was imported."""
    found = read_variables()
    for name, value in found.items():
        patched.setenv(name, value)
    dask.config.refresh()
    return found


def use_own_database(patched: pytest.MonkeyPatch) -> None:
    """Make a database in the running PostgreSQL, and name it in the environment.

    An experiment belongs to one home, and MLflow does not notice when the tables that it has seen are gone.
    """
    variables, name = set_variables(patched), f"own_{secrets.token_hex(4)}"
    engine = create_engine(load_settings().cluster.make_postgres_address("public"), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"CREATE DATABASE {name}"))
    server, _, _ = variables["PAIRITY_CLUSTER__POSTGRES"].partition("/")
    patched.setenv("PAIRITY_CLUSTER__POSTGRES", f"{server}/{name}")


@pytest.fixture
def settings(variables, tmp_path):
    """Settings of a new home; the services hold nothing yet."""
    found = load_settings(home=tmp_path / "home")
    empty_services(found)
    return found


def empty_services(settings: Settings) -> None:
    import redis  # of the extra: this module is read where it is not installed

    engine = create_engine(settings.cluster.make_postgres_address("public"), poolclass=NullPool)
    with engine.begin() as connection:
        for schema in ("feast", "mlflow"):
            connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
    with redis.Redis.from_url(
        settings.cluster.redis, password=settings.cluster.redis_password.get_secret_value()
    ) as client:
        client.flushdb()
