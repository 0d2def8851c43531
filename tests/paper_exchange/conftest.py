import pytest

from paper_exchange.clock import VirtualClock
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import serving

START_MS = 1_767_225_600_000 + 7 * 3_600_000 + 90_500  # 2026-01-01 07:01:30.5, inside a minute


@pytest.fixture(scope="package")
def market():
    return SyntheticMarket(7, START_MS, history_days=12, future_days=3)


@pytest.fixture
def clock():
    return VirtualClock("stepped", START_MS)


@pytest.fixture
def url(market, clock):
    with serving(market, clock) as where:
        yield where
