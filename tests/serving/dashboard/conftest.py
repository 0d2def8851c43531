from __future__ import annotations

import pytest

from tests.serving.dashboard.browsing import ScenarioProcess, open_browser


@pytest.fixture(scope="module")
def browser():
    # Of a module, not of the session: while it is open, its event loop counts as running in this thread, and no other
    # test may start one.
    with open_browser() as found:
        yield found


@pytest.fixture(scope="session")
def _scenario_process():
    server = ScenarioProcess()
    yield server
    server.kill()


@pytest.fixture
def server(_scenario_process):
    _scenario_process.scenario("waiting")
    return _scenario_process
