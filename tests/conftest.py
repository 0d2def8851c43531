"""Settings of all tests."""

import atexit
import os
import shutil
import tempfile

import prometheus_client  # noqa: F401 - before any test imports Feast, as `feature_repo.feast_import` does
import pytest
from hypothesis import settings

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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    reuse_tables()


@pytest.fixture(scope="session")
def signed_registry(tmp_path_factory):
    """A registry with three signed versions; whoever changes it does so inside its `restored`."""
    from tests.model_registry.registries import Registry

    return Registry.made(tmp_path_factory.mktemp("signed"))
