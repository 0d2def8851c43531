"""A venue whose pages never end: the range that was asked for says how many there can be."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ingestion.sources.okx import OkxSource
from ingestion.sources.okx_endpoints import HISTORIES
from pairity.errors import VenueAnswerError
from pairity.timeline import to_ms
from paper_exchange.faults.catalogue import FaultPlan
from tests.ingestion.venue import UNTIL, synthetic, venue
from venue.okx_client import aclose, make_client

HOUR = timedelta(hours=1)
SINCE = UNTIL - 3 * HOUR
CANDLE = ["0", "1", "1", "1", "1", "1", "1", "1", "1"]
ENDLESS = {
    "candles_1m": ("history-candles", "0", CANDLE),
    "candles_1h": ("history-candles", "0", CANDLE),
    "mark_1h": ("history-mark-price-candles", "0", CANDLE[:6]),
    "funding": ("funding-rate-history", "fundingTime", {"fundingRate": "0", "realizedRate": "0"}),
    "open_interest": ("open-interest-history", "0", CANDLE[:4]),
}
TRADE = {"px": "1", "sz": "1", "side": "buy", "ts": str(to_ms(UNTIL) - 1)}


@pytest.fixture(scope="module")
def market():
    return synthetic()


def ask(market, dataset: str, path: str, cursor: str, row: object, since: datetime = SINCE) -> str:
    faults = FaultPlan()
    with venue(market, faults=faults) as okx:
        faults.add("endless_pages", f"*{path}", None, {"cursor": cursor, "row": row})

        async def run() -> None:
            client = make_client(okx.settings(Path("unused")), signed=False)
            try:
                await OkxSource(client, retries=0).fetch(dataset, "BTC", since, UNTIL)
            finally:
                await aclose(client)

        with pytest.raises(VenueAnswerError) as caught:
            asyncio.run(run())
    return str(caught.value)


@pytest.mark.parametrize("dataset", ENDLESS)
def test_fresh_pages_without_end_are_left(market, dataset):
    said = ask(market, dataset, *ENDLESS[dataset])
    assert "8 pages, the limit for" in said
    assert "nothing of this range was stored" in said


@pytest.mark.slow
def test_fresh_trades_without_end_are_left(market):
    said = ask(market, "trade_bars_1m", "history-trades", "tradeId", TRADE, UNTIL - HOUR)
    assert "4000 pages, the limit for" in said


def fetch_with(market, dataset: str, path: str, **params: object) -> str:
    faults = FaultPlan()
    with venue(market, faults=faults) as okx:
        faults.add("field", f"*{path}", None, params)

        async def run() -> None:
            client = make_client(okx.settings(Path("unused")), signed=False)
            try:
                await OkxSource(client, retries=0).fetch(dataset, "BTC", UNTIL - 24 * HOUR, UNTIL)
            finally:
                await aclose(client)

        with pytest.raises(VenueAnswerError) as caught:
            asyncio.run(run())
    return str(caught.value)


@pytest.mark.parametrize(
    "instrument", ["ETH-USDT-SWAP", "BTC-USDT", "btc-usdt-swap", "", None, ["BTC-USDT-SWAP"]], ids=str
)
@pytest.mark.parametrize(
    ("dataset", "path"), [("funding", "funding-rate-history"), ("trade_bars_1m", "history-trades")]
)
def test_rows_of_another_instrument_are_refused(market, dataset, path, instrument):
    said = fetch_with(market, dataset, path, name="instId", value=instrument)
    assert f"{dataset} of BTC came with a row of" in said


def test_a_page_of_trades_is_no_larger_than_asked():
    rows = [{**TRADE, "tradeId": str(number)} for number in range(401)]

    async def answer(method: str, request: object) -> list[object]:
        return rows

    with pytest.raises(VenueAnswerError, match="401 rows at once, where 100 are a page"):
        asyncio.run(HISTORIES["trade_bars_1m"].pages(answer, "BTC", SINCE, UNTIL, 300))


def test_trades_are_asked_by_the_hour():
    late = timedelta(seconds=90)
    units = list(OkxSource(None, retries=0).units("trade_bars_1m", SINCE + late, UNTIL + late))
    assert [end for _, end in units] == [SINCE + HOUR, SINCE + 2 * HOUR, UNTIL, UNTIL + late]
    assert [start for start, _ in units] == [SINCE + late, SINCE + HOUR, SINCE + 2 * HOUR, UNTIL]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1 / 1000), ("us", 1000), ("ns", 1_000_000)])
def test_times_in_another_unit_are_named(market, unit, factor):
    value = str(int(to_ms(UNTIL - HOUR) * factor))
    said = fetch_with(market, "funding", "funding-rate-history", name="fundingTime", value=value)
    assert f"no Unix time in ms: {value}: in {unit} it would be 2026-01-02 04:00:00" in said.replace("'", "")
