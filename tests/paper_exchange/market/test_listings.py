"""A recorded market whose instruments begin at different times: who is not listed yet answers as not listed."""

from decimal import Decimal

import ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.market.candles import HOUR_MS, MINUTE_MS
from paper_exchange.market.listings import Listings, list_every
from paper_exchange.market.recorded import RecordedMarket
from tests.paper_exchange.exchange_server import client, get, serving
from tests.paper_exchange.handmade_market import contract
from tests.paper_exchange.market.test_recorded import T0, candles, store

OLD, MIDDLE, NEW = (f"{name}-USDT-SWAP" for name in ("ZEC", "ETH", "AAVE"))


def staggered(folder):
    store(folder, "ZEC", candles(T0, 600, MINUTE_MS))
    store(folder, "ETH", candles(T0 + 200 * MINUTE_MS, 400, MINUTE_MS, level=10.0))
    store(folder, "AAVE", candles(T0 + 500 * MINUTE_MS, 100, MINUTE_MS))
    return RecordedMarket(folder)


def list_ids(url):
    return [row["instId"] for row in get(url, "public/instruments", instType="SWAP")["data"]]


def test_it_plays_from_the_first_bar_of_any(tmp_path):
    market = staggered(tmp_path)
    assert (market.start_ms, market.end_ms) == (T0, T0 + 600 * MINUTE_MS)
    assert [*market.instruments] == [OLD, MIDDLE, NEW]
    assert market.bar_at(MIDDLE, T0 + 199 * MINUTE_MS) is None


def test_each_instrument_is_there_from_its_first_bar_on(tmp_path):
    clock = VirtualClock("stepped", T0)
    with serving(staggered(tmp_path), clock, control=True) as url:
        for minutes, ids in ((0, 1), (199, 1), (200, 2), (499, 2), (500, 3)):
            clock.advance_to(T0 + minutes * MINUTE_MS)
            assert list_ids(url) == [OLD, MIDDLE, NEW][:ids]
            tickers = get(url, "market/tickers", instType="SWAP")["data"]
            assert {row["instId"] for row in tickers} == {*list_ids(url)}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("public/instruments", {"instType": "SWAP"}),
        ("market/ticker", {}),
        ("market/candles", {}),
        ("market/history-candles", {}),
        ("market/books", {}),
        ("public/mark-price", {"instType": "SWAP"}),
        ("public/funding-rate", {}),
        ("public/funding-rate-history", {}),
    ],
)
def test_one_that_is_not_listed_yet_does_not_exist(tmp_path, path, query):
    clock = VirtualClock("stepped", T0 + 100 * MINUTE_MS)
    with serving(staggered(tmp_path), clock) as url:
        assert get(url, path, instId=MIDDLE, **query)["code"] == "51001"
        assert get(url, path, instId=OLD, **query)["code"] == "0"
        clock.advance_to(T0 + 200 * MINUTE_MS)
        assert get(url, path, instId=MIDDLE, **query)["code"] == "0"


def test_it_takes_no_order_before_it_is_listed(tmp_path):
    market, clock = staggered(tmp_path), VirtualClock("stepped", T0 + 100 * MINUTE_MS)
    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as url:
        okx = client(url)
        okx.apiKey = okx.secret = okx.password = "paper"
        okx.load_markets()
        order = {"instId": MIDDLE, "tdMode": "isolated", "side": "buy", "ordType": "market", "sz": "1"}
        with pytest.raises(ccxt.BadSymbol):
            okx.private_post_trade_order(order)
        clock.advance_to(T0 + 300 * MINUTE_MS)
        assert okx.private_post_trade_order(order)["code"] == "0"


def test_codes_of_instruments_do_not_change_when_another_is_listed(tmp_path):
    clock = VirtualClock("stepped", T0)
    codes = {}
    with serving(staggered(tmp_path), clock) as url:
        for minutes in (0, 250, 550):
            clock.advance_to(T0 + minutes * MINUTE_MS)
            for row in get(url, "public/instruments", instType="SWAP")["data"]:
                assert codes.setdefault(row["instId"], row["instIdCode"]) == row["instIdCode"]
    assert len({*codes.values()}) == 3


def test_events_change_what_is_listed_later(tmp_path):
    market = ScriptedMarket(staggered(tmp_path))
    now_ms = [T0]
    market.follow(lambda: now_ms[0])
    market.change(NEW, {"minSz": Decimal(7)})
    assert [*market.instruments] == [OLD]
    assert [*list_every(market)] == [OLD, MIDDLE, NEW]
    now_ms[0] = T0 + 550 * MINUTE_MS
    assert market.instruments[NEW].min_sz == 7
    market.end(OLD, now_ms[0])
    assert {name: item.state for name, item in market.instruments.items()} == {
        OLD: "expired",
        MIDDLE: "live",
        NEW: "live",
    }


def test_one_that_ends_early_is_left_out_and_shortens_nothing(tmp_path):
    store(tmp_path, "BTC", candles(T0, 1000, MINUTE_MS))
    store(tmp_path, "ETH", candles(T0 + 900 * MINUTE_MS, 100, MINUTE_MS))
    store(tmp_path, "GONE", candles(T0 - HOUR_MS, 90, MINUTE_MS))
    market = RecordedMarket(tmp_path)
    assert (market.start_ms, market.end_ms) == (T0, T0 + 1000 * MINUTE_MS)
    assert [*market.instruments] == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]


def test_a_start_before_some_of_them_is_inside(tmp_path):
    staggered(tmp_path)
    market = RecordedMarket(tmp_path, T0 + 10 * MINUTE_MS)
    assert (market.start_ms, market.end_ms) == (T0, T0 + 600 * MINUTE_MS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.lists(st.integers(-5, 60), max_size=12))
def test_who_is_listed_is_found_as_by_looking_at_each(list_ms, instants):
    every = {f"A{at}": contract(f"A{at}", list_ms=value) for at, value in enumerate(list_ms)}
    now_ms = [0]
    listings = Listings(every, 10)
    listings.now_ms = lambda: now_ms[0]
    for instant in [*instants, 60]:
        now_ms[0] = instant
        wanted = {name for name, item in every.items() if max(item.list_ms, 10) <= instant}
        assert {*listings.at_present()} == wanted
    assert {*listings.every} == {*every}
