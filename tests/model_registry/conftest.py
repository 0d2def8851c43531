import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """One data directory for the tests of a process: tests have models of their own in it."""
    return tmp_path_factory.mktemp("home")
