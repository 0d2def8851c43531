"""Tiingo from a local server: recorded answers' shapes, one exchange's prices, and faults."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.lake import Lake
from ingestion.sources.catalog import open_source
from ingestion.sources.http import Http
from ingestion.sources.tiingo import Tiingo
from pairity.errors import CredentialsError, VenueAnswerError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, SourceSettings, UniverseSettings
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.web import serving

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
DAY0 = datetime(2024, 5, 1, tzinfo=UTC)
METADATA = [
    {"ticker": "btcusdt", "baseCurrency": "btc", "quoteCurrency": "usdt", "name": "Bitcoin"},
    {"ticker": "ethusdt", "baseCurrency": "eth", "quoteCurrency": "usdt", "name": "Ether"},
    {"ticker": "btcusd", "baseCurrency": "btc", "quoteCurrency": "usd", "name": "Bitcoin in dollars"},
]


def bar(code, at, price, volume=2.0):
    return {
        "exchangeCode": code,
        "date": at.isoformat(),
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price,
        "volume": volume,
        "volumeNotional": price * (volume or 0),
        "tradesDone": 5,
    }


def prices(query):
    start = datetime.fromisoformat(query["startDate"].replace("Z", "+00:00"))
    end = datetime.fromisoformat(query["endDate"].replace("Z", "+00:00"))
    step = timedelta(days=1) if query["resampleFreq"] == "1day" else timedelta(hours=1)
    hours = [start + k * step for k in range(int((end - start) / step) + 1)]  # the end is part of an answer
    answer = []
    for ticker in query["tickers"].split(","):
        data = {"BINANCE": [bar("BINANCE", at, 1.0) for at in hours]}
        if ticker == "btcusdt":
            data["MEXC"] = [bar("MEXC", at, 100.0 + k % 7, None if k == 3 else 2.0) for k, at in enumerate(hours)]
        answer.append({"ticker": ticker, "priceData": [bar("", at, 9.0) for at in hours], "exchangeData": data})
    return json.dumps(answer).encode()


@pytest.fixture
def web():
    with serving() as running:
        running.files["/tiingo/crypto"] = json.dumps(METADATA).encode()
        running.files["/tiingo/crypto/prices"] = prices
        yield running


def source_of(web):
    return Tiingo(Http(1, 5.0, headers={"Authorization": "Token hidden"}, sleep=lambda _: None), web.url)


def test_the_universe_is_what_one_exchange_lists_against_one_currency(web):
    source = source_of(web)
    assert source.tickers() == ("btcusdt", "ethusdt")
    assert source.exchange_map(source.tickers(), DAY0) == {"btcusdt": ("BINANCE", "MEXC"), "ethusdt": ("BINANCE",)}
    assert source.universe(DAY0) == ("BTC",)
    assert {headers["Authorization"] for headers in web.headers} == {"Token hidden"}


def test_an_exchange_that_lists_a_coin_on_the_next_day_does_not_have_it_yet(web):
    """The end of a range is part of Tiingo's answers: a bar of the day after once counted as one of the day."""
    following, own = [bar("", DAY0 + timedelta(days=1), 5.0)], [bar("", DAY0, 5.0)]
    answer = [{"ticker": "btcusdt", "exchangeData": {"MEXC": following, "KRAKEN": [], "BINANCE": own + following}}]
    web.files["/tiingo/crypto/prices"] = json.dumps(answer).encode()
    assert source_of(web).exchange_map(("btcusdt",), DAY0) == {"btcusdt": ("BINANCE",)}
    assert source_of(web).universe(DAY0) == ()


@pytest.mark.parametrize("bars", [5, [5], [{}], [{"date": 7}], [{"date": "yesterday"}]], ids=str)
def test_bars_of_another_shape_are_refused(web, bars):
    web.files["/tiingo/crypto/prices"] = json.dumps([{"ticker": "btcusdt", "exchangeData": {"MEXC": bars}}]).encode()
    with pytest.raises(VenueAnswerError, match="bars of btcusdt on MEXC"):
        source_of(web).universe(DAY0)


@pytest.mark.parametrize("value", [5, True, "abc", [["x"]], [{}]], ids=str)
def test_exchanges_of_another_shape_are_refused(web, value):
    web.files["/tiingo/crypto/prices"] = json.dumps([{"ticker": "btcusdt", "exchangeData": value}]).encode()
    with pytest.raises(VenueAnswerError, match="for exchangeData instead of an object"):
        source_of(web).universe(DAY0)


def test_a_ticker_in_another_script_is_not_listed(web):
    row = {"quoteCurrency": "usdt"}
    names = ("btcusdt", "бтцusdt", "بتكusdt", "ｂｔｃusdt", "../usdt")
    web.files["/tiingo/crypto"] = json.dumps([row | {"ticker": name} for name in names]).encode()
    assert source_of(web).list_assets() == ("BTC",)


def test_prices_are_those_of_the_exchange_and_a_bar_without_trades_is_no_bar(web, tmp_path):
    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH")))
    until = DAY0 + timedelta(days=2)
    report = collect(
        settings,
        source_of(web),
        ("BTC", "ETH"),
        ("candles_1h",),
        DAY0,
        until,
        until + timedelta(days=3),
        SilentProgress(),
    )
    assert [(row.asset, row.rows) for row in report.rows] == [("BTC", 47), ("ETH", 0)]
    assert [failure.asset for failure in report.failures] == ["ETH"]
    rows = Lake(Layout(tmp_path), venue="tiingo_mexc").scan("candles_1h", ["BTC"], DAY0, until).collect()
    assert rows["close"][:5].to_list() == [100.0, 101.0, 102.0, 104.0, 105.0]
    assert rows["trade_count"][0] == 5
    told = "1 of 49 bars without a close or a volume, such as that of 2024-05-01T03:00:00+00:00: times without trades"
    assert [(remark.asset, remark.what) for remark in report.remarks] == [("BTC", told)]
    asked = len(web.asked)
    assert collect(
        settings, source_of(web), ("BTC",), ("candles_1h",), DAY0, until, until + timedelta(days=3), SilentProgress()
    ).ok
    assert len(web.asked) == asked  # all of it is there


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ([429] * 3, "answered 429, 2 times"),
        ([500] * 3, "answered 500, 2 times"),
        (["html"], "is not JSON"),
        (["cut"] * 3, "did not answer in full"),
        ([401], "refused the key"),
    ],
)
def test_faults_end_as_documented_and_never_tell_the_token(web, tmp_path, fault, message):
    web.faults["/tiingo/crypto/prices"] = fault
    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH")))
    report = collect(
        settings,
        source_of(web),
        ("BTC",),
        ("candles_1h",),
        DAY0,
        DAY0 + timedelta(days=1),
        DAY0 + timedelta(days=9),
        SilentProgress(),
    )
    assert message in report.failures[0].reason
    assert "hidden" not in report.failures[0].reason
    assert report.rows[0].rows == 0


def test_an_answer_that_is_no_list_is_refused(web):
    web.files["/tiingo/crypto"] = b'{"detail": "Invalid token."}'
    with pytest.raises(VenueAnswerError, match="Invalid token"):
        source_of(web).tickers()


def test_without_a_token_the_variable_is_named(tmp_path):
    with pytest.raises(CredentialsError, match="PAIRITY_SOURCES__TIINGO_API_KEY"):
        open_source("tiingo", Settings(home=tmp_path))
    opened = open_source("tiingo", Settings(home=tmp_path, sources=SourceSettings(tiingo_api_key="t0ken")))
    assert opened.venue == "tiingo_mexc"
    assert "t0ken" not in repr(Settings(sources=SourceSettings(tiingo_api_key="t0ken")))


@pytest.mark.recorded
def test_recorded_answers_are_understood(web):
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded answers")
    folder = Path(RECORDED) / "payloads" / "tiingo"
    web.files["/tiingo/crypto"] = (folder / "crypto_metadata.body0.json").read_bytes()
    web.files["/tiingo/crypto/prices"] = (folder / "crypto_price_history.body0.json").read_bytes()
    answer = json.loads(web.files["/tiingo/crypto/prices"])
    exchange = sorted(answer[0]["exchangeData"])[-1]
    source = Tiingo(Http(1, 5.0, sleep=lambda _: None), web.url, exchange, "usd")
    assert source.tickers() == ("btcusd",)
    day = datetime(2019, 5, 1, tzinfo=UTC)
    assert set(source.exchange_map(("btcusd",), day)["btcusd"]) == set(answer[0]["exchangeData"])
    assert source.universe(day) == ("BTC",)
    told = [
        item for item in answer[0]["exchangeData"][exchange] if item["close"] is not None and item["volume"] is not None
    ]
    rows = source.read("candles_1h", "BTC", day, day + timedelta(days=3))
    assert rows["close"].to_list() == [item["close"] for item in told]
