"""Collection from the real paper exchange, through the real client: complete, resumable, unharmed by faults."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.collector import Collector
from ingestion.lake import Lake
from ingestion.sources.okx import OkxSource
from ingestion.sources.okx_endpoints import Pages, page_downwards
from ingestion.staging import Staging
from ingestion.targets import targets_of_ingest
from pairity.errors import VenueAnswerError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.timeline import to_ms
from paper_exchange.market.recorded import RecordedMarket
from tests.ingestion.staged import everything, rows_of, staged_assets
from tests.ingestion.venue import ASSETS, HOUR, NOW, SINCE, UNTIL, Venue, venue
from venue.okx_client import aclose, make_client

DAY_AGO = UNTIL - timedelta(days=1)


async def no_wait(_: float) -> None: ...


@asynccontextmanager
async def source_of(okx: Venue, home: Path, concurrency: int = 4):
    client = make_client(okx.settings(home), signed=False)
    try:
        yield OkxSource(client, retries=3, page_size=100, concurrency=concurrency, sleep=no_wait)
    finally:
        await aclose(client)


def collected(okx: Venue, home: Path, since: datetime, until: datetime, assets=ASSETS, *, live=False, concurrency=4):
    """Staging after a collection (judging it is not the matter here), and the failures."""
    lake, staging = Lake(Layout(home), durable=False), Staging(Layout(home), persistent=not live)

    async def run():
        async with source_of(okx, home, concurrency) as source:
            collector = Collector(source, lake, staging, okx if live else None)
            targets = targets_of_ingest(("funding",), since, until)
            return await collector.collect(assets, targets, okx.now(), SilentProgress())

    return staging, asyncio.run(run())


def truth(market, asset: str, since: datetime, until: datetime) -> list[tuple[datetime, float, float]]:
    bars = market.bars(f"{asset}-USDT-SWAP", to_ms(since), to_ms(until))
    return [(datetime.fromtimestamp(bar.open_ms / 1000, UTC), bar.close, bar.volume) for bar in bars]


def test_candles_are_those_of_the_market_holes_included(okx, market, tmp_path):
    since = DAY_AGO + timedelta(minutes=7)
    staging, failures = collected(okx, tmp_path, since, UNTIL)
    assert failures == ()
    for asset in ASSETS:
        rows = rows_of(staging, "candles_1m", asset)
        expected = truth(market, asset, since, UNTIL)
        assert rows["open_time"].to_list() == [row[0] for row in expected]
        assert rows["close"].to_list() == pytest.approx([row[1] for row in expected])
        # The venue speaks in whole lots of contracts, hence the tolerance.
        assert rows["volume"].to_list() == pytest.approx([row[2] for row in expected], rel=1e-3, abs=1e-2)
        assert (rows["known_at"] - rows["open_time"]).unique().to_list() == [timedelta(minutes=1, milliseconds=1)]
        assert staging.coverage("candles_1m", asset, SINCE, NOW) == ((since, UNTIL),)


def test_settlements_include_the_instant_of_the_last_close(okx, tmp_path):
    close = UNTIL.replace(hour=0)
    okx_now = okx.now()
    staging, _ = collected(okx, tmp_path, close - timedelta(hours=20), close)
    rates = rows_of(staging, "funding", "BTC")
    assert [time.hour for time in rates["funding_time"]] == [8, 16, 0]
    assert rates["known_at"].to_list() == [time + timedelta(milliseconds=1) for time in rates["funding_time"]]
    assert okx.now() == okx_now


def test_only_what_is_missing_is_asked_for(okx, tmp_path):
    first, _ = collected(okx, tmp_path, DAY_AGO, UNTIL - 6 * HOUR)
    before = everything(first)
    okx.faults.add("html_502", "*", None)
    again, failures = collected(okx, tmp_path, DAY_AGO + HOUR, UNTIL - 7 * HOUR)
    assert failures == ()
    assert everything(again) == before
    okx.faults.clear()
    whole, _ = collected(okx, tmp_path, DAY_AGO, UNTIL)
    calm, _ = collected(okx, tmp_path / "calm", DAY_AGO, UNTIL)
    assert everything(whole) == everything(calm)


FAULTS = [
    "reset",
    "abort_body",
    "rate_limit_json",
    "rate_limit_html",
    "html_502",
    "html_200",
    "empty_200",
    "cut_json_200",
    "timeout_50004",
    "system_50026",
    "maintenance_50001",
    "duplicate_rows",
    "unsorted_rows",
]


@pytest.fixture(scope="module")
def calm(market, tmp_path_factory):
    with venue(market) as okx:
        return everything(collected(okx, tmp_path_factory.mktemp("calm"), DAY_AGO, UNTIL, ("BTC",))[0])


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_leave_the_same_data(okx, calm, tmp_path, kind):
    okx.faults.add(kind, "market/history-candles", 2)
    okx.faults.add(kind, "public/funding-rate-history", 1)
    staging, failures = collected(okx, tmp_path, DAY_AGO, UNTIL, ("BTC",))
    assert failures == ()
    assert everything(staging) == calm


ONE_ANSWER = {
    "code": {"code": "51001", "msg": "Instrument ID doesn't exist"},
    "clock_50102": {},
    "missing_51603": {},
    "body": {"text": '{"code":"0","data":[{"x":"1"}],"msg":""}'},
}


@pytest.mark.parametrize("kind", ONE_ANSWER)
def test_one_odd_answer_blinds_no_asset_for_the_hour(okx, tmp_path, kind):
    okx.faults.add(kind, "/api/v5/market/*candles", 1, ONE_ANSWER[kind])
    staging, failures = collected(okx, tmp_path, UNTIL - HOUR, UNTIL, ("BTC",), live=True)
    assert failures == ()
    assert rows_of(staging, "candles_1m", "BTC").height == 60


def test_an_instrument_that_fails_is_reported_and_the_others_are_collected(okx, tmp_path):
    okx.faults.add("code", "market/history-candles", 1, {"code": "51001", "msg": "Instrument ID doesn't exist"})
    staging, failures = collected(okx, tmp_path, DAY_AGO, UNTIL, concurrency=1)
    assert [failure.asset for failure in failures] == ["BTC"]
    assert "51001" in failures[0].reason
    assert {asset for _, asset in staged_assets(staging)} == {"ETH", "SOL"}


def test_a_bar_that_is_not_confirmed_is_neither_taken_nor_counted_as_fetched(okx, tmp_path):
    okx.faults.add("unconfirmed_last", "market/history-candles", None)
    staging, _ = collected(okx, tmp_path, DAY_AGO, UNTIL, ("BTC",))
    newest = rows_of(staging, "candles_1m", "BTC")["open_time"].max()
    assert newest < UNTIL - timedelta(minutes=1)
    assert staging.coverage("candles_1m", "BTC", DAY_AGO, UNTIL) == ((DAY_AGO, newest + timedelta(minutes=1)),)
    okx.faults.clear()
    assert (
        rows_of(collected(okx, tmp_path, DAY_AGO, UNTIL, ("BTC",))[0], "candles_1m", "BTC")["open_time"].max() > newest
    )


def test_live_rows_are_known_from_their_arrival(okx, tmp_path):
    staging, _ = collected(okx, tmp_path, UNTIL - HOUR, UNTIL, ("BTC",), live=True)
    assert rows_of(staging, "candles_1m", "BTC")["known_at"].unique().to_list() == [okx.now()]


def test_a_range_before_the_markets_first_bar_is_a_hole_not_an_error(okx, market, tmp_path):
    first = datetime.fromtimestamp(market.start_ms / 1000, UTC)
    staging, failures = collected(okx, tmp_path, first - timedelta(hours=20), first + HOUR, ("BTC",))
    assert failures == ()
    assert rows_of(staging, "candles_1m", "BTC")["open_time"].min() >= first


def test_a_venue_that_pages_the_wrong_way_is_refused(okx, tmp_path):
    async def run():
        async with source_of(okx, tmp_path) as source:

            async def newest_page(method, request):  # whatever was requested
                return await source._call(method, {**request, "after": str(to_ms(NOW))})

            request, pages = {"instId": "BTC-USDT-SWAP", "bar": "1m"}, Pages("after", 0, 10, HOUR / 60)
            method, middle = "publicGetMarketHistoryCandles", SINCE + HOUR
            await page_downwards(newest_page, method, request, pages, SINCE, middle)

    with pytest.raises(VenueAnswerError, match="does not page"):
        asyncio.run(run())


@pytest.mark.recorded
def test_native_hours_where_the_recording_has_no_minutes(tmp_path):
    folder = os.environ.get("PAIRITY_RECORDED_DATA")
    if not folder:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded market to play")
    now = datetime(2025, 4, 10, 12, 20, tzinfo=UTC)
    since, until = datetime(2025, 4, 8, 3, 30, tzinfo=UTC), now
    with venue(RecordedMarket(Path(folder) / "okx_swap", to_ms(now)), now) as okx:
        staging, failures = collected(okx, tmp_path, since, until, ("BTC", "LINK"))
        assert failures == ()
        assert staged_assets(staging) == {
            ("candles_1m", "BTC"),
            ("candles_1h", "LINK"),
            ("funding", "BTC"),
            ("funding", "LINK"),
        }
        hours = rows_of(staging, "candles_1h", "LINK")
        assert hours["open_time"].min() == datetime(2025, 4, 8, 4, tzinfo=UTC)
        assert hours["open_time"].max() == datetime(2025, 4, 10, 11, tzinfo=UTC)
        okx.faults.add("html_502", "market/history-candles", None)
        assert collected(okx, tmp_path, since, until, ("BTC", "LINK"))[1] == ()
