"""Settings of all tests."""

import atexit
import contextlib
import gc
import os
import shutil
import sqlite3
import tempfile

import prometheus_client  # noqa: F401 - before any test imports Feast, as `feature_repo.feast_import` does
import pytest
from hypothesis import settings
from sqlalchemy import event
from sqlalchemy.engine import Engine
from xdist.scheduler import LoadScopeScheduling

from tests.examples import register_profiles
from tests.mlflow_tables import reuse_tables

# Several workers share the cores: as in the command line, threads that wait should sleep, not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

register_profiles()
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Tests sign with a key of their own, and processes that they start with the same one: never with that of whoever runs
# them. Each process of pytest has another one.
_KEY_FOLDER = tempfile.mkdtemp(prefix="pairity-tests-")
atexit.register(shutil.rmtree, _KEY_FOLDER, ignore_errors=True)
os.environ["PAIRITY_SIGNING_KEY"] = f"{_KEY_FOLDER}/key/signing.key"
# Trials of tests are nobody's trials: they are never counted in the ledger of whoever runs them.
os.environ["XDG_STATE_HOME"] = f"{_KEY_FOLDER}/state"


def _leave_to_the_system(handle: int) -> None:
    """Stand in for `os.fsync`: what a killed process wrote is there without it, and no test cuts the power.

    That it is called, when, and what its failure does, is tested with spies in its place.
    """
    os.fstat(handle)


os.fsync = _leave_to_the_system


@event.listens_for(Engine, "connect")
def _leave_databases_to_the_system(connection, _record):
    """Let SQLite not sync either, where the product says nothing else for a database: a journal still does."""
    if isinstance(connection, sqlite3.Connection):
        with contextlib.suppress(sqlite3.Error):  # no database: whoever opened it finds out by a question of its own
            connection.execute("PRAGMA synchronous=OFF")


# Thousands of tests are collected, and none of them is ever garbage: a look for some while they are made takes seconds
# of every worker, and so does one through all of them at every turn later on.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


class _Scheduling(LoadScopeScheduling):
    """A module goes to one worker; all that look at the product's syntax trees go to the same, which parses them."""

    def _split_scope(self, nodeid):
        path = nodeid.partition("::")[0]
        return "syntax trees" if path.startswith("tests/house/") or path in _OF_TREES else super()._split_scope(nodeid)


_OF_TREES = ("tests/feature_repo/test_knowledge_time.py", "tests/model_registry/test_single_path.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return _Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    reuse_tables()


@pytest.fixture(scope="session")
def signed_registry(tmp_path_factory):
    """A registry with three signed versions; whoever changes it does so inside its `restored`."""
    from tests.model_registry.registries import Registry

    return Registry.made(tmp_path_factory.mktemp("signed"))
