"""ccxt's own clients: OKX against the paper exchange, Binance futures against answers of a local server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.lake import Lake
from ingestion.sources.catalog import open_source
from ingestion.sources.ccxt_any import CcxtAny
from pairity.errors import ConfigError, UnknownNameError, VenueUnreachableError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.web import serving
from tests.ingestion.venue import HOUR, NOW, UNTIL, synthetic, venue

T0 = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def market():
    return synthetic()


def test_okx_through_unified_calls_gives_the_rows_of_our_own_source(market, tmp_path):
    with venue(market) as okx:
        import asyncio

        from ingestion.pipeline import ingest

        since = UNTIL - 20 * HOUR
        source = CcxtAny("okx", 1, 5.0, okx.url, sleep=lambda _: None)
        assert {"BTC", "ETH", "SOL"} <= set(source.list_assets())
        settings = okx.settings(tmp_path)
        report = collect(
            settings, source, ("BTC",), ("candles_1m", "candles_1h", "funding"), since, NOW, NOW, SilentProgress()
        )
        assert report.ok, report
        asyncio.run(ingest(settings, since, UNTIL, clock=okx))
        ours, theirs = (
            Lake(Layout(tmp_path), venue=name).scan("candles_1m", ["BTC"], since, UNTIL).collect()
            for name in ("okx", "ccxt_okx")
        )
        columns = ["asset", "open_time", "open", "high", "low", "close", "volume", "known_at"]
        assert ours.height > 1000
        assert theirs.select(columns).equals(ours.select(columns))
        funding = [
            Lake(Layout(tmp_path), venue=name).scan("funding", ["BTC"], since, UNTIL).collect()
            for name in ("okx", "ccxt_okx")
        ]
        assert funding[0].equals(funding[1])
        again = collect(settings, source, ("BTC",), ("candles_1m",), since, UNTIL, NOW, SilentProgress())
        assert [row.new_rows for row in again.rows] == [0]


def binance(web):
    """The three answers of Binance's futures API that the unified calls need."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    ]
    symbol = {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "filters": filters,
        "orderTypes": ["LIMIT"],
        "timeInForce": ["GTC"],
    }
    web.files["/fapi/v1/exchangeInfo"] = json.dumps({"timezone": "UTC", "symbols": [symbol], "rateLimits": []}).encode()
    now = int((T0 + timedelta(hours=30, minutes=10)).timestamp() * 1000)
    web.files["/fapi/v1/time"] = json.dumps({"serverTime": now}).encode()

    def price(t):
        return str(101 + t // 3_600_000 % 5 / 10)

    def klines(query):
        start = -(-int(query.get("startTime", 0)) // 3_600_000) * 3_600_000
        times = [start + k * 3_600_000 for k in range(7) if start + k * 3_600_000 <= now]  # short pages
        rows = [[t, "100", "102", "99", price(t), "12.5", t + 3_599_999, "1250", 9, "5", "500", "0"] for t in times]
        return json.dumps(rows).encode()

    def funding(query):
        start = -(-int(query.get("startTime", 0)) // 28_800_000) * 28_800_000
        times = [start + k * 28_800_000 for k in range(2) if start + k * 28_800_000 <= now]
        rows = [{"symbol": "BTCUSDT", "fundingTime": t + 2, "fundingRate": "0.0001", "markPrice": "100"} for t in times]
        return json.dumps(rows).encode()

    web.files["/fapi/v1/klines"], web.files["/fapi/v1/fundingRate"] = klines, funding


def test_binance_futures_are_paged_and_only_closed_bars_taken(tmp_path):
    with serving() as web:
        binance(web)
        source = CcxtAny("binanceusdm", 1, 5.0, web.url, sleep=lambda _: None)
        assert source.list_assets() == ("BTC",)
        settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH")))
        now = T0 + timedelta(hours=30, minutes=10)
        report = collect(settings, source, ("BTC", "ETH"), ("candles_1h", "funding"), T0, now, now, SilentProgress())
        assert {(row.asset, row.dataset): row.rows for row in report.rows} == {
            ("BTC", "candles_1h"): 30,
            ("BTC", "funding"): 4,
            ("ETH", "candles_1h"): 0,
            ("ETH", "funding"): 0,
        }
        rows = Lake(Layout(tmp_path), venue="ccxt_binanceusdm").scan("candles_1h", ["BTC"], T0, now).collect()
        assert rows["open_time"].to_list() == [T0 + k * HOUR for k in range(30)]  # the thirty-first is not closed
        assert rows["volume"].unique().to_list() == [12.5]


def test_transient_faults_are_waited_out_and_lasting_ones_told():
    with serving() as web:
        binance(web)
        waits = []
        web.faults["/fapi/v1/klines"] = [503, 503]
        source = CcxtAny("binanceusdm", 3, 5.0, web.url, sleep=waits.append)
        assert source.read("candles_1h", "BTC", T0, T0 + 3 * HOUR).height == 3
        assert waits == [0.5, 1.0]
        web.faults["/fapi/v1/klines"] = [503] * 9
        with pytest.raises(VenueUnreachableError, match=r"binanceusdm fetch_ohlcv: .*, 4 times"):
            source.read("candles_1h", "BTC", T0, T0 + 3 * HOUR)


def test_unknown_exchanges_and_unknown_units_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="ccxt exchange"):
        CcxtAny("binanceus_dm").list_assets()
    assert open_source("ccxt:bybit", Settings(home=tmp_path)).venue == "ccxt_bybit"
    with pytest.raises(ConfigError, match=r"in coins or contracts of 0\.01"):
        CcxtAny("phemex")._coins_per_unit({"symbol": "BTC/USDT:USDT", "contractSize": 0.01})
    assert CcxtAny("gate")._coins_per_unit({"symbol": "BTC/USDT:USDT", "contractSize": 0.0001}) == 0.0001
