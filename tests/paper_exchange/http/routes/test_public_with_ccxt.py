import asyncio

import ccxt
import ccxt.async_support
import pytest

from paper_exchange.market.candles import DAY_MS, HOUR_MS, MINUTE_MS
from tests.paper_exchange.conftest import START_MS
from tests.paper_exchange.exchange_server import client, get, rows

BTC = "BTC/USDT:USDT"
ID = "BTC-USDT-SWAP"


@pytest.fixture
def okx(url):
    return client(url)


def test_markets(okx, market):
    markets = okx.load_markets()
    assert {m["id"] for m in markets.values()} == set(market.instruments)
    btc, spec = markets[BTC], market.instruments[ID]
    assert btc["contractSize"] == float(spec.ct_val)
    assert (btc["precision"]["amount"], btc["precision"]["price"]) == (float(spec.lot_sz), float(spec.tick_sz))
    assert btc["limits"]["amount"]["min"] == float(spec.min_sz)
    assert (btc["active"], btc["linear"], btc["settle"]) == (True, True, "USDT")
    assert okx.market_id(BTC) == ID


def test_time_and_status(okx):
    assert okx.fetch_time() == START_MS
    assert okx.fetch_status()["status"] == "ok"


def test_ohlcv_newest_rows_end_with_the_forming_bar(okx, market):
    got = okx.fetch_ohlcv(BTC, "1m", limit=5)
    current = START_MS // MINUTE_MS * MINUTE_MS
    bars = market.bars(ID, current - 4 * MINUTE_MS, current)
    assert [row[:6] for row in got[:-1]] == [list(bar) for bar in bars]
    opening = market.bar_at(ID, START_MS).open
    assert got[-1] == [current, opening, opening, opening, opening, 0.0]


@pytest.mark.parametrize("days_ago", [0.5, 9])
def test_ohlcv_since_recent_and_old(okx, market, days_ago):
    since = START_MS // MINUTE_MS * MINUTE_MS - int(days_ago * DAY_MS)
    got = okx.fetch_ohlcv(BTC, "1m", since=since, limit=50)
    assert got == [list(bar) for bar in market.bars(ID, since, since + 50 * MINUTE_MS)]


def test_ohlcv_of_mark_and_index(okx, market):
    since = START_MS // HOUR_MS * HOUR_MS - 5 * HOUR_MS
    for kind, fetch in (("mark", okx.fetch_mark_ohlcv), ("index", okx.fetch_index_ohlcv)):
        got = fetch(BTC, "1h", since=since, limit=3)
        assert [row[0] for row in got] == [since, since + HOUR_MS, since + 2 * HOUR_MS]
        minutes = market.bars(ID, since, since + HOUR_MS, kind)
        assert got[0][1:5] == [
            minutes[0].open,
            max(m.high for m in minutes),
            min(m.low for m in minutes),
            minutes[-1].close,
        ]
        assert got[0][5] is None


def test_ticker_agrees_with_bars_and_book(okx, market):
    ticker, book = okx.fetch_ticker(BTC), okx.fetch_order_book(BTC, 20)
    assert ticker["last"] == market.bar_at(ID, START_MS).open
    assert ticker["bid"] < ticker["last"] < ticker["ask"]
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    assert [price for price, *_ in book["asks"]] == sorted(price for price, *_ in book["asks"])
    assert len(book["bids"]) == len(book["asks"]) == 20
    day = market.bars(ID, START_MS - DAY_MS, START_MS - MINUTE_MS + 1)
    assert ticker["high"] >= max(bar.high for bar in day)
    assert float(ticker["info"]["volCcy24h"]) == pytest.approx(sum(bar.volume for bar in day))
    assert ticker["baseVolume"] == pytest.approx(sum(bar.volume for bar in day) / 0.01)
    assert len(okx.fetch_tickers(params={"type": "swap"})) == 10


def test_order_book_beyond_400_levels(okx):
    assert len(okx.fetch_order_book(BTC, 600)["asks"]) == 600


def test_trades_add_up_to_bars(okx, market):
    newest = okx.fetch_trades(BTC, limit=400)
    bars = market.bars(ID, START_MS - 50 * MINUTE_MS, START_MS - MINUTE_MS + 1)
    for bar in bars[-20:]:
        inside = [t for t in newest if bar.open_ms <= t["timestamp"] < bar.open_ms + MINUTE_MS]
        assert sum(t["amount"] for t in inside) * 0.01 == pytest.approx(bar.volume)
        assert {bar.open, bar.high, bar.low, bar.close} >= {t["price"] for t in inside}
        assert (inside[0]["price"], inside[-1]["price"]) == (bar.open, bar.close)


def test_history_trades_page_without_loss(url):
    whole = rows(url, "market/trades", instId=ID, limit=450)
    seen, after = [], None
    while len(seen) < 450:
        got = rows(url, "market/history-trades", instId=ID, limit=100, **({"after": after} if after else {}))
        seen, after = seen + got, got[-1]["tradeId"]
    assert seen[:450] == whole
    by_time = rows(url, "market/history-trades", instId=ID, type=2, after=whole[7]["ts"], limit=2)
    assert all(int(t["ts"]) < int(whole[7]["ts"]) for t in by_time)
    assert get(url, "market/history-trades", instId=ID, type=2, before=1)["code"] == "50039"


def test_funding(okx, market):
    settled = market.funding(ID, 0, START_MS + 1)
    current = okx.fetch_funding_rate(BTC)
    assert current["fundingRate"] == settled[-1].rate
    assert current["interval"] == "8h"
    assert START_MS < current["fundingTimestamp"] == settled[-1].settle_ms + 8 * HOUR_MS
    history = okx.fetch_funding_rate_history(BTC, limit=100)
    assert [(h["timestamp"], h["fundingRate"]) for h in history] == [tuple(f) for f in settled]
    assert len(okx.fetch_funding_rates()) == 10


def test_funding_history_pages_by_after(url, market):
    seen, after = [], {}
    while got := rows(url, "public/funding-rate-history", instId=ID, limit=4, **after):
        seen += [int(row["fundingTime"]) for row in got]
        after = {"after": seen[-1]}
    assert seen == [f.settle_ms for f in reversed(market.funding(ID, 0, START_MS + 1))]
    newer = rows(url, "public/funding-rate-history", instId=ID, before=seen[3])
    assert [int(row["fundingTime"]) for row in newer] == seen[:3]


def test_open_interest_mark_price_tiers_and_limits(okx, market, url):
    interest = okx.fetch_open_interest(BTC)
    assert interest["openInterestAmount"] == pytest.approx(market.open_interest(ID, START_MS) / 0.01)
    assert len(okx.fetch_open_interests()) == 10
    history = okx.fetch_open_interest_history(BTC, "1h", limit=5)
    assert history[-1]["timestamp"] <= START_MS
    assert okx.fetch_mark_price(BTC)["markPrice"] == market.bar_at(ID, START_MS, "mark").open
    assert okx.fetch_market_leverage_tiers(BTC)[0]["maintenanceMarginRate"] == 0.004
    band = rows(url, "public/price-limit", instId=ID)[0]
    assert float(band["sellLmt"]) < market.bar_at(ID, START_MS, "index").open < float(band["buyLmt"])


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("market/candles", {"instId": ID, "bar": "1h"}, "51000"),
        ("market/candles", {"instId": "NO-USDT-SWAP"}, "51001"),
        ("market/candles", {}, "50014"),
        ("market/candles", {"instId": ID, "limit": "many"}, "51000"),
        ("market/candles", {"instId": ID, "limit": "0"}, "51000"),
        ("market/index-candles", {"instId": ID}, "51001"),
        ("public/instruments", {}, "50014"),
        ("public/instruments", {"instType": "SWAPS"}, "51000"),
        ("public/nothing", {}, "50404"),
    ],
)
def test_refusals(url, path, params, code):
    assert get(url, path, **params)["code"] == code


def test_limits_are_clamped_and_empty_parameters_absent(url):
    assert len(rows(url, "market/history-candles", instId=ID, limit=1000, after="", unknown="x")) == 300
    assert len(rows(url, "market/mark-price-candles", instId=ID, limit=1000)) == 100
    assert len(rows(url, "market/history-candles", instId=ID)) == 100
    assert rows(url, "public/instruments", instType="SPOT") == []


def test_async_client(url, market):
    async def use():
        okx = client(url, ccxt.async_support.okx)
        try:
            await okx.load_markets()
            return await asyncio.gather(
                okx.fetch_time(),
                okx.fetch_ohlcv(BTC, "1h", limit=3),
                okx.fetch_ticker(BTC),
                okx.fetch_trades(BTC, limit=3),
                okx.fetch_funding_rate_history(BTC, limit=3),
                okx.fetch_order_book(BTC),
            )
        finally:
            await okx.close()

    now, candles, ticker, trades, funding, book = asyncio.run(use())
    assert now == START_MS
    assert candles[-1][0] == START_MS // HOUR_MS * HOUR_MS
    assert ticker["last"] == market.bar_at(ID, START_MS).open
    assert len(trades) == len(funding) == 3
    assert book["bids"]
