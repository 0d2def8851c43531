"""Rows that an API sends and nobody can use are counted and named, and cover nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.sources.http import Http
from ingestion.sources.instants import describe_unit, parse_ms
from ingestion.sources.onchain import CryptoQuant
from ingestion.sources.tiingo import Tiingo
from pairity.bounded_numbers import OutOfBoundsError
from tests.ingestion.sources.web import serving

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def web():
    with serving() as running:
        yield running


def tiingo(web, bars):
    named = [
        {"date": at.isoformat(), "open": 1, "high": 2, "low": 1, "volume": 1, "close": 1, **more} for at, more in bars
    ]
    web.files["/tiingo/crypto/prices"] = json.dumps([{"ticker": "btcusdt", "exchangeData": {"MEXC": named}}]).encode()
    return Tiingo(Http(0, 5.0), web.url).read("candles_1h", "BTC", T0, T0 + DAY)


def test_bars_of_other_days_are_named_and_the_end_of_a_range_is_no_other_day(web):
    hours = [(T0 + k * HOUR, {}) for k in range(25)]
    assert tiingo(web, hours).height == 24
    answer = tiingo(web, [*hours, (T0 - 9 * DAY, {}), (datetime(1970, 1, 20, tzinfo=UTC), {})])
    assert answer.rows.height == 24
    assert answer.left_out == ("btcusdt: 2 of 27 rows lie outside of the range, such as 2024-04-22 00:00:00+00:00",)


def test_bars_that_lack_a_price_are_named_and_times_without_trades_are_none(web):
    hours = [(T0 + k * HOUR, {"open": None} if k == 5 else {"close": None} if k == 7 else {}) for k in range(24)]
    answer = tiingo(web, hours)
    assert answer.rows.height == 22
    assert answer.proven == ((T0, T0 + 5 * HOUR), (T0 + 6 * HOUR, T0 + DAY))
    assert "1 of 23 rows of candles_1h lack a value, such as open of 2024-05-01 05:00:00" in answer.left_out[0]


def test_an_answer_that_is_full_proves_only_what_it_spans(web, monkeypatch):
    monkeypatch.setattr("ingestion.sources.tiingo._MOST_BARS", 10)
    answer = tiingo(web, [(T0 + k * HOUR, {}) for k in range(10)])
    assert answer.proven == ((T0, T0 + 10 * HOUR),)


def test_days_of_other_years_are_named(web):
    days = [{"date": f"{T0 + k * DAY:%Y-%m-%d}", "inflow_total": 1} for k in (-400, 0, 1, 2)]
    web.files["/v1/btc/exchange-flows/inflow"] = json.dumps({"result": {"data": days}}).encode()
    answer = CryptoQuant(Http(0, 5.0), web.url).read("inflow", "BTC", T0, T0 + 3 * DAY)
    assert answer.rows.height == 3
    assert "1 of 4 rows lie outside of the range, such as 2023-03-28" in answer.left_out[0]


@pytest.mark.parametrize(("factor", "unit"), [(1 / 1000, "s"), (1000, "us"), (1_000_000, "ns")])
def test_an_instant_in_another_unit_is_named(factor, unit):
    with pytest.raises(OutOfBoundsError, match=f"in {unit} it would be 2024-05-01 00:00:00"):
        parse_ms(int(T0.timestamp() * 1000 * factor), T0)


@pytest.mark.parametrize("number", [0, -1, 17, int((T0 + 2 * DAY).timestamp() * 1000), 10**30])
def test_an_instant_in_no_unit_or_in_the_future_is_refused(number):
    with pytest.raises(OutOfBoundsError):
        parse_ms(number, T0)
    assert parse_ms(int((T0 + DAY).timestamp() * 1000), T0)
    assert describe_unit("no number", T0) == ""
