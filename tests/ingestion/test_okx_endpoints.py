"""Every dataset of OKX from the real paper exchange, through the real client: paging, units, closed bars, faults."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import polars as pl
import pytest

from feature_repo.raw_datasets import DATASETS
from ingestion.collector import Collector
from ingestion.lake import Lake
from ingestion.pipeline import Pipeline
from ingestion.sources.okx_endpoints import HISTORIES, SNAPSHOTS
from ingestion.sources.okx_rows import OkxRows
from ingestion.staging import Staging
from ingestion.targets import targets_of_ingest
from pairity.errors import UnknownNameError, VenueAnswerError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.timeline import floor_to, to_ms
from tests.ingestion.staged import rows_of
from tests.ingestion.test_collector import source_of
from tests.ingestion.venue import HOUR, NOW, UNTIL

DAY = 24 * HOUR
PATHS = {
    "candles_1m": "market/history-candles",
    "candles_1h": "market/history-candles",
    "funding": "public/funding-rate-history",
    "mark_1h": "market/history-mark-price-candles",
    "index_1h": "market/history-index-candles",
    "open_interest": "rubik/stat/contracts/open-interest-history",
    "taker_volume_1h": "rubik/stat/taker-volume-contract",
    "trade_bars_1m": "market/history-trades",
}
LAST_HOUR = floor_to(UNTIL, HOUR)


def fetched(okx, home, dataset, since, until, asset="ETH") -> pl.DataFrame:
    async def run():
        async with source_of(okx, home) as source:
            return await source.fetch(dataset, asset, since, until)

    return asyncio.run(run())


def snapped(okx, home, dataset, asset="ETH") -> pl.DataFrame:
    async def run():
        async with source_of(okx, home) as source:
            return await source.snapshot(dataset, asset)

    return asyncio.run(run())


@pytest.mark.parametrize(("dataset", "kind"), [("mark_1h", "mark"), ("index_1h", "index")])
def test_reference_hours_are_aggregates_of_the_markets_minutes_over_several_pages(okx, market, tmp_path, dataset, kind):
    since = LAST_HOUR - 130 * HOUR
    rows = fetched(okx, tmp_path, dataset, since, LAST_HOUR)
    assert rows.columns == list(DATASETS[dataset].schema)
    assert rows["open_time"].to_list() == [since + hour * HOUR for hour in range(130)]
    assert (rows["known_at"] - rows["open_time"]).unique().to_list() == [HOUR + timedelta(milliseconds=1)]
    for row in (rows.row(0, named=True), rows.row(-1, named=True)):
        bars = market.bars("ETH-USDT-SWAP", to_ms(row["open_time"]), to_ms(row["open_time"] + HOUR), kind)
        assert (row["open"], row["close"]) == pytest.approx((bars[0].open, bars[-1].close))
        assert (row["high"], row["low"]) == pytest.approx((max(b.high for b in bars), min(b.low for b in bars)))


def test_open_interest_is_in_coins_and_pages_without_doubles(okx, market, tmp_path):
    rows = fetched(okx, tmp_path, "open_interest", LAST_HOUR - 130 * HOUR, LAST_HOUR)
    assert rows["time"].to_list() == [LAST_HOUR - back * HOUR for back in range(130, 0, -1)]
    at = rows["time"][7]
    assert rows["open_interest"][7] == pytest.approx(market.open_interest("ETH-USDT-SWAP", to_ms(at)))
    assert rows["open_interest_usd"][7] > rows["open_interest"][7]


def test_trades_become_minutes_in_coins_that_add_up_to_the_candles(okx, tmp_path):
    since = UNTIL - 90 * timedelta(minutes=1)
    ticks = fetched(okx, tmp_path, "trade_bars_1m", since, UNTIL)
    candles = fetched(okx, tmp_path, "candles_1m", since, UNTIL)
    assert ticks["open_time"].to_list() == candles["open_time"].to_list()
    for name in ("open", "high", "low", "close"):
        assert ticks[name].to_list() == pytest.approx(candles[name].to_list(), rel=1e-9)
    assert ticks["volume"].to_list() == pytest.approx(candles["volume"].to_list(), rel=1e-6)
    assert (ticks["taker_buy_volume"] <= ticks["volume"] * (1 + 1e-9)).all()
    assert (ticks["known_at"] - ticks["open_time"]).unique().to_list() == [timedelta(minutes=1, milliseconds=1)]


def test_taker_volumes_are_those_of_the_trades_sold_first_on_the_wire(okx, tmp_path):
    since = LAST_HOUR - 2 * HOUR
    hours = fetched(okx, tmp_path, "taker_volume_1h", since, LAST_HOUR + HOUR / 2)
    assert hours["open_time"].to_list() == [since, since + HOUR]
    ticks = fetched(okx, tmp_path, "trade_bars_1m", since, LAST_HOUR)
    bought = ticks.group_by(pl.col("open_time").dt.truncate("1h")).agg(pl.sum("taker_buy_volume"), pl.sum("volume"))
    bought = bought.sort("open_time")
    assert hours["buy_volume"].to_list() == pytest.approx(bought["taker_buy_volume"].to_list())
    assert hours["sell_volume"].to_list() == pytest.approx((bought["volume"] - bought["taker_buy_volume"]).to_list())


def test_a_book_is_told_in_coins(okx, market, tmp_path):
    row = snapped(okx, tmp_path, "book_tops").row(0, named=True)
    assert row["time"] == NOW
    assert 0 < row["bid_price"] < row["ask_price"]
    assert row["bid_size_20"] > row["bid_size"] > 0
    # The exchange shows 10 000 to 30 000 USDT at the top; contracts taken for coins would be ten times that.
    assert 9_000 < row["bid_size"] * row["bid_price"] < 31_000


def test_open_interest_now_and_no_liquidations(okx, market, tmp_path):
    now = snapped(okx, tmp_path, "open_interest")
    assert now["open_interest"].to_list() == pytest.approx([market.open_interest("ETH-USDT-SWAP", to_ms(NOW))])
    assert snapped(okx, tmp_path, "liquidations").is_empty()


def test_liquidations_are_usdt_by_side_of_the_position_summed_per_instant():
    details = [
        {"bkPx": "2000", "sz": "3", "posSide": "long", "side": "sell", "ts": "1767330000000"},
        {"bkPx": "2000", "sz": "1", "posSide": "", "side": "sell", "ts": "1767330000000"},
        {"bkPx": "2100", "sz": "2", "posSide": "net", "side": "buy", "ts": "1767330000001"},
    ]
    rows = SNAPSHOTS["liquidations"].read([OkxRows([{"details": details}], 0.1, NOW)])
    assert rows["long_notional"].to_list() == pytest.approx([800.0, 0.0])
    assert rows["short_notional"].to_list() == pytest.approx([0.0, 420.0])
    with pytest.raises(VenueAnswerError, match="Liquidation"):
        SNAPSHOTS["liquidations"].read([OkxRows([{"details": [{"sz": "1"}]}], 0.1, NOW)])


FAULTS = ("rate_limit_json", "rate_limit_html", "html_502", "html_200", "cut_json_200", "abort_body", "system_50026")


@pytest.mark.parametrize("dataset", list(HISTORIES))
def test_faults_leave_the_same_rows(okx, tmp_path, dataset):
    since = LAST_HOUR - (HOUR if dataset == "trade_bars_1m" else 12 * HOUR)
    calm = fetched(okx, tmp_path, dataset, since, LAST_HOUR)
    assert calm.height
    for kind in FAULTS:
        okx.faults.add(kind, PATHS[dataset], 1)
        assert fetched(okx, tmp_path, dataset, since, LAST_HOUR).equals(calm), kind


def collected(okx, home, datasets, *, live=False):
    lake, staging = Lake(Layout(home), durable=False), Staging(Layout(home), persistent=not live)

    async def run():
        async with source_of(okx, home) as source:
            collector = Collector(source, lake, staging, okx if live else None)
            targets = targets_of_ingest(datasets, UNTIL - DAY, UNTIL)
            return await collector.collect(("BTC", "ETH"), targets, okx.now(), SilentProgress())

    return staging, asyncio.run(run())


def test_a_dataset_that_fails_or_is_not_served_ends_alone(okx, tmp_path):
    okx.faults.add("code", PATHS["mark_1h"], None, {"code": "51001", "msg": "Instrument ID doesn't exist"})
    okx.faults.add("html_502", "public/funding-rate-history", None)
    staging, failures = collected(okx, tmp_path, ("funding", "mark_1h", "index_1h"))
    assert {(failure.dataset, failure.served) for failure in failures} == {("funding", True), ("mark_1h", False)}
    assert staging.datasets() == ("candles_1m", "index_1h")


def test_snapshots_are_taken_live_only_and_known_from_their_arrival(okx, tmp_path):
    assert collected(okx, tmp_path, ("book_tops",))[0].datasets() == ("candles_1m",)
    staging, failures = collected(okx, tmp_path, ("book_tops", "liquidations"), live=True)
    assert failures == ()
    books = rows_of(staging, "book_tops", "BTC")
    assert books.height == 1
    assert books["known_at"].item() >= books["time"].item()


def test_an_unknown_dataset_is_refused(okx, tmp_path):
    with pytest.raises(UnknownNameError, match="moon_phase"):
        collected(okx, tmp_path, ("moon_phase",))


def test_a_second_ingest_adds_nothing_and_counts_per_dataset(okx, tmp_path):
    settings = okx.settings(tmp_path)

    async def twice():
        async with Pipeline(settings, okx) as pipeline:
            return [await pipeline.run(UNTIL - 2 * DAY, UNTIL) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert (first.failures, first.quarantined) == ((), ())
    counts = {row.dataset: row.rows for row in first.raw if row.asset == "BTC"}
    assert counts["mark_1h"] == counts["index_1h"] == 48
    assert counts["open_interest"] in (48, 49)
    assert second.new_rows == 0
