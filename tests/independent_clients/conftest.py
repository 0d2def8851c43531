import pytest

from tests.independent_clients.paper_desk import open_desk


@pytest.fixture
def desk():
    with open_desk() as running:
        yield running
