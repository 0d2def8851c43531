"""The limit of funding rates before an entry, and the page's view of them, where intervals differ and change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from pairity.errors import VenueAnswerError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.trading_settings import LimitSettings
from serving.execution.okx_rows import settled_funding
from serving.limits.entry_limits import _check_market
from serving.limits.records import AssetMeasures
from serving.views.risk import _read_funding

HOUR_MS = 3_600_000
T0_MS = 1_767_225_600_000
BTC = AssetMeasures("BTC", close=Decimal(80_000), mark=Decimal(80_000), funding_rate=Decimal("0.0001"))
rates = st.decimals(Decimal("-0.05"), Decimal("0.05"), places=6)


def row(rate, *hours):
    names = ("prevFundingTime", "fundingTime", "nextFundingTime")
    times = {name: "" if hour is None else str(T0_MS + hour * HOUR_MS) for name, hour in zip(names, hours, strict=True)}
    return {"instId": "BTC-USDT-SWAP", "settFundingRate": rate, **times}


@pytest.mark.parametrize(
    ("times", "hours"),
    [
        ((0, 8, 16), 8),
        ((0, 4, 8), 4),
        ((0, 1, 2), 1),
        ((0, 8, 12), 4),  # 8 h turn into 4 h: rather too strict than too lax
        ((0, 4, 12), 4),  # and back
        ((None, 8, 16), 8),  # older answers lack the settlement before
        ((0, 8, None), 8),
        ((None, 8, None), None),
        ((8, 8, 8), None),
    ],
)
def test_the_hours_that_a_settled_rate_is_of(times, hours):
    found = settled_funding(row("0.0001", *times))
    assert (found.rate, found.hours) == (Decimal("0.0001"), None if hours is None else Decimal(hours))


def test_without_a_rate_nothing_was_settled_and_a_time_that_is_none_is_an_odd_answer():
    assert settled_funding(row("", 0, 8, 16)) is None
    with pytest.raises(VenueAnswerError):
        settled_funding({**row("0.0001", 0, 8, 16), "fundingTime": "soon"})


@settings(max_examples=150, deadline=None)
@given(rates, st.sampled_from([1, 2, 3, 4, 6, 8]), st.sampled_from([0.001, 0.0005, 0.02]))
def test_a_rate_is_beyond_the_limit_by_the_hour(rate, hours, limit):
    asset = replace(BTC, funding_rate=rate, funding_hours=Decimal(hours))
    found = [str(breach) for breach in _check_market(asset, LimitSettings(funding_rate=limit))]
    beyond = abs(Fraction(rate)) / hours > Fraction(str(limit)) / 8
    assert len(found) == beyond
    assert all(line.startswith("limits.funding_rate: ") for line in found)


def test_where_the_venue_says_no_interval_it_is_taken_for_eight_hours():
    for rate, beyond in (("0.02", 0), ("0.0201", 1)):
        asset = replace(BTC, funding_rate=Decimal(rate), funding_hours=None)
        assert len([*_check_market(asset, LimitSettings())]) == beyond


T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settled", "interval_h", "next_h"),
    [
        ((0, 8, 16), 8, 24),
        ((0, 8, 12), 4, 20),  # 8 h became 4 h
        ((8, 12, 13, 16, 17), 1, 19),  # 1 h: the one at 18 has not come in yet
        ((0, 16), None, None),  # a hole: neither is known
        ((16,), None, None),
    ],
)
def test_the_page_says_interval_and_next_settlement(tmp_path, settled, interval_h, next_h):
    layout, kind = Layout(tmp_path), DATASETS["funding"]
    times = [T0 + timedelta(hours=hour) for hour in settled]
    rows = kind.conform(pl.DataFrame({"funding_time": times, "funding_rate": 0.0001, "known_at": times}))
    lake = Lake(layout, durable=False)
    with lake.writing():
        lake.write("funding", "BTC", rows)
    seen = SimpleNamespace(layout=layout, settings=Settings(home=tmp_path), now=T0 + timedelta(hours=18, minutes=30))
    wanted = None if next_h is None else T0 + timedelta(hours=next_h)
    assert _read_funding(seen, "BTC") == (0.0001, interval_h, wanted)
