"""A synthetic exchange with faults to inject, for tests of the client."""

from __future__ import annotations

import pytest

from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.synthetic import SyntheticMarket

NOW_MS = 1_767_225_600_000


@pytest.fixture(scope="package")
def market() -> SyntheticMarket:
    return SyntheticMarket(7, NOW_MS, history_days=2, future_days=1)


@pytest.fixture
def faults() -> FaultPlan:
    return FaultPlan()
