"""A synthetic exchange for mirrors to follow, and its clock."""

import pytest

from paper_exchange.clock import VirtualClock
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.mirror.mirroring import START_MS


@pytest.fixture
def source_clock():
    return VirtualClock("stepped", START_MS)


@pytest.fixture(scope="module")
def synthetic():
    return SyntheticMarket(7, START_MS, history_days=4, future_days=2)


@pytest.fixture
def source_url(synthetic, source_clock):
    with serving(synthetic, source_clock) as where:
        yield where
