import pytest

from tests.ingestion.venue import synthetic, venue


@pytest.fixture(scope="package")
def market():
    return synthetic()


@pytest.fixture
def okx(market):
    with venue(market) as running:
        yield running
