"""Holes and withheld rows of any source are asked for again, each for itself, of the source they came from."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from ingestion.asked_again import asking_again, repair_gaps
from ingestion.coverage import find_gaps
from ingestion.lake import Lake
from ingestion.quarantine_actions import repair
from ingestion.sources.catalog import OFFERS, find_source_name, open_source
from ingestion.sources.ccxt_any import CcxtAny
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, SourceSettings, UniverseSettings
from pairity.timeline import to_ms
from pairity_cli.main import main
from tests.ingestion.sources.archive_server import FOLDER, HEADER, MARCH, kline_rows, put, run, zipped
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange
from tests.ingestion.sources.venue_answers import put_binance
from tests.ingestion.sources.web import serving
from validation.quarantine import read_items
from venue.clock import SystemClock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
APRIL = datetime(2024, 4, 1, tzinfo=UTC)
MONTH = FOLDER.format(span="monthly", period="2024-03")


@pytest.fixture
def web():
    with serving() as running:
        yield running


def month_without(*lacking):
    days = [kline_rows(MARCH + (day - 1) * DAY, 24) for day in range(1, 32) if day not in lacking]
    return zipped(HEADER + b"".join(days))


def day_of(number):
    return FOLDER.format(span="daily", period=f"2024-03-{number:02}")


def invoke(web, home, *arguments):
    variables = {
        "PAIRITY_HOME": str(home),
        "PAIRITY_SOURCES__BINANCE_ARCHIVE_URL": web.url,
        "PAIRITY_UNIVERSE__ASSETS": '["BTC", "ETH"]',
    }
    return CliRunner().invoke(main, arguments, env=variables)


def test_the_command_asks_an_archive_for_each_hole_itself(web, tmp_path):
    put(web, MONTH, month_without(5, 20))
    assert run(web, tmp_path, until=APRIL).ok
    shown = invoke(web, tmp_path, "gaps", "--venue", "binance_um", "--datasets", "candles_1h")
    assert "2 holes, 48 bars" in shown.output
    assert shown.exit_code == 0  # the archive was asked, and had neither
    put(web, day_of(5), zipped(kline_rows(MARCH + 4 * DAY, 24)))
    web.asked.clear()
    repaired = invoke(web, tmp_path, "gaps", "--venue", "binance_um", "--datasets", "candles_1h", "--repair")
    assert "24 of 48 missing bars were filled; 24 are still missing" in repaired.output
    daily = {path for path in web.asked if "daily" in path and path.endswith("zip")}
    assert daily == {day_of(5), day_of(20)}


def test_the_command_rechecks_and_tells_what_failed_from_what_is_lacking(web, tmp_path):
    put(web, MONTH, month_without(5))
    span = ("--since", "2024-03-01T00:00:00Z", "--until", "2024-04-01T00:00:00Z", "--assets", "BTC")
    options = ("collect", "--source", "binance-archive", "--datasets", "candles_1h", *span)
    assert invoke(web, tmp_path, *options).exit_code == 0
    put(web, MONTH, month_without())
    assert "720" in invoke(web, tmp_path, *options).output  # nothing is asked
    rechecked = invoke(web, tmp_path, *options, "--recheck")
    assert (rechecked.exit_code, "744" in rechecked.output) == (0, True)
    put(web, MONTH, month_without(), "0" * 64)
    failed = invoke(web, tmp_path, *options, "--recheck")
    assert failed.exit_code == 4
    assert "failed: BTC candles_1h" in failed.output
    write_hours(tmp_path / "in" / "BTC-USDT.parquet", range(9))
    folder = invoke(web, tmp_path, "collect", "--source", "parquet-folder", "--folder", str(tmp_path / "in"), *span)
    assert folder.exit_code == 0
    assert "parquet-folder does not serve 7 of what was asked for: book_tops, candles_1m, funding" in folder.output
    assert "files hold candles_1h only" in folder.output


def settings_for(home, **more):
    return Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")), **more)


def fill(settings, source, now):
    lake = Lake(Layout.of(settings), venue=source.venue)
    holes = find_gaps(lake, ("BTC",), ("candles_1h",))
    report = asyncio.run(repair_gaps(settings, source, holes, now, SilentProgress()))
    return holes, report, find_gaps(lake, ("BTC",), ("candles_1h",))


def test_an_exchange_of_ccxt_is_asked_for_its_holes_alone(web, tmp_path):
    now, end = MARCH + 700 * HOUR, MARCH + 600 * HOUR
    times = [to_ms(MARCH) + k * HOUR_MS for k in range(650)]
    lost = {*range(100, 110), *range(400, 401)}
    candles = PagingExchange([at for k, at in enumerate(times) if k not in lost], "oldest", HOUR_MS)
    put_binance(web, now, candles, PagingExchange([], "oldest", HOUR_MS), 0)
    source, settings = CcxtAny("binanceusdm", 1, 5.0, web.url, sleep=lambda _: None), settings_for(tmp_path)
    assert collect(settings, source, ("BTC",), ("candles_1h",), MARCH, end, now, SilentProgress()).ok
    candles.times = times
    candles.asked.clear()
    holes, report, left = fill(settings, source, now)
    assert [gap.bars for gap in holes] == [10, 1]
    assert (report.ok, report.new_rows, left) == (True, 11, ())
    assert {since for since, _, _ in candles.asked} == {times[100], times[400]}


def write_hours(path, hours, **values):
    path.parent.mkdir(exist_ok=True)
    rows = {"ts": [to_ms(MARCH) + k * HOUR_MS for k in hours]}
    prices = {"open": 1.0, "high": 3.0, "low": 0.5, "close": [1 + k % 9 / 10 for k in hours], "volume": 5.0}
    pl.DataFrame(rows | prices | values).write_parquet(path)


def test_a_folder_is_asked_where_it_is_named(web, tmp_path):
    file, settings = tmp_path / "in" / "BTC-USDT.parquet", settings_for(tmp_path / "home")
    write_hours(file, [0, 1, 2, 7, 8])
    source = open_source("parquet-folder", settings, file.parent, "mine")
    assert collect(settings, source, ("BTC",), ("candles_1h",), MARCH, APRIL, APRIL + DAY, SilentProgress()).ok
    write_hours(file, range(9))
    options = ("gaps", "--venue", "mine", "--datasets", "candles_1h", "--repair")
    unnamed = invoke(web, tmp_path / "home", *options)
    assert unnamed.exit_code == 2
    assert "which files the rows of venue 'mine' came from is not known" in unnamed.output
    named = invoke(web, tmp_path / "home", *options, "--source", "parquet-folder", "--folder", str(file.parent))
    assert "4 of 4 missing bars were filled" in named.output
    assert named.exit_code == 0


def test_a_dataset_that_the_source_does_not_give_is_a_failure(web, tmp_path):
    settings = settings_for(tmp_path)
    lake = Lake(Layout(tmp_path), venue="binance_um")
    rows = pl.DataFrame({"time": [MARCH, MARCH + 3 * DAY], "inflow": [1.0, 2.0], "known_at": [APRIL, APRIL]})
    with lake.writing():
        lake.write("inflow", "BTC", rows)
    holes = find_gaps(lake, ("BTC",), ("inflow",))
    source = open_source("binance-archive", settings)
    report = asyncio.run(repair_gaps(settings, source, holes, APRIL, SilentProgress()))
    assert not report.ok
    assert [(one.asset, one.dataset) for one in report.failures] == [("BTC", "inflow")]
    assert "--source" in report.failures[0].reason


BAD = "1709298000000,112,90,110,113,10.5"
"""High below low, at 13:00 of the first day."""
GOOD = "1709298000000,113,115,111,114,10.5"


def archive_with(line):
    return zipped(HEADER + kline_rows(MARCH, 31 * 24).replace(GOOD.encode(), line.encode()))


def repaired(settings, **more):
    (item,) = read_items(Layout.of(settings), state="held")
    return asyncio.run(repair(settings, item.id, SystemClock(), **more))


def test_a_withheld_row_of_an_archive_is_asked_for_again(web, tmp_path):
    put(web, MONTH, archive_with(BAD))
    settings = settings_for(tmp_path, sources=SourceSettings(binance_archive_url=web.url))
    assert run(web, tmp_path, until=APRIL).quarantined
    still = repaired(settings)
    assert (still.closed, "1 of 1 instant still wrong" in still.message) == (False, True)
    put(web, MONTH, archive_with(BAD), "0" * 64)
    unread = repaired(settings)
    assert "its checksum file says 0000" in unread.message
    put(web, MONTH, archive_with(GOOD))
    assert repaired(settings).closed
    rows = Lake(Layout(tmp_path), venue="binance_um").scan("candles_1h", ["BTC"], MARCH, APRIL).collect()
    assert rows.height == 31 * 24
    assert Lake(Layout(tmp_path)).partitions() == ()


def test_a_withheld_row_of_a_folder_is_asked_for_again(tmp_path):
    file, settings = tmp_path / "in" / "BTC-USDT.parquet", settings_for(tmp_path / "home")
    write_hours(file, range(5), high=[3.0, 3.0, 0.1, 3.0, 3.0])
    source = open_source("parquet-folder", settings, file.parent)
    collect(settings, source, ("BTC",), ("candles_1h",), MARCH, APRIL, APRIL + DAY, SilentProgress())
    with pytest.raises(ConfigError, match="not known"):
        repaired(settings)
    write_hours(file, range(5))
    assert repaired(settings, source_name="parquet-folder", folder=file.parent).closed


def test_a_withheld_settlement_that_comes_late_by_milliseconds_is_found(web, tmp_path):
    now, at = MARCH + 100 * HOUR, to_ms(MARCH) + 8 * HOUR_MS
    put_binance(web, now, PagingExchange([], "oldest", HOUR_MS), PagingExchange([at + 5], "oldest", HOUR_MS), 0)
    source = CcxtAny("binanceusdm", 1, 5.0, web.url, sleep=lambda _: None)
    rows = source.read("funding", "BTC", MARCH + 8 * HOUR, MARCH + 8 * HOUR + timedelta(minutes=1))
    assert rows["funding_time"].to_list() == [MARCH + 8 * HOUR]


def test_every_source_of_a_network_is_found_by_its_venue(tmp_path):
    settings = settings_for(tmp_path, sources=SourceSettings(tiingo_api_key="key", cryptoquant_api_key="key"))
    for name, offer in OFFERS.items():
        if offer.open is None or "--folder" in offer.needs or name == "cryptoquant":
            continue
        assert find_source_name(open_source(name, settings).venue) == name
    assert find_source_name("okx") == "okx"
    assert find_source_name(open_source("ccxt:bybit", settings).venue) == "ccxt:bybit"
    for venue in ("folder", "csv", "ccxt_", "mine"):
        with pytest.raises(ConfigError, match="--source"):
            find_source_name(venue)


def test_rows_are_not_asked_of_another_venue(tmp_path):
    async def open_it():
        async with asking_again(settings_for(tmp_path), "binance_um", "binance-archive-spot"):
            pytest.fail("opened")

    with pytest.raises(ConfigError, match="whose rows belong to binance_spot"):
        asyncio.run(open_it())
