"""ccxt's own clients against exchanges that page as they do: what is noted as complete is complete."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.coverage import find_gaps
from ingestion.lake import Lake
from ingestion.lake.spans import subtract, union
from ingestion.sources.ccxt_any import CcxtAny
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from pairity.timeline import to_ms
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange
from tests.ingestion.sources.venue_answers import put_binance, put_bybit, put_okx
from tests.ingestion.sources.web import serving

T0 = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXCHANGES = {
    "okx": (put_okx, "window", "newest"),
    "bybit": (put_bybit, "newest", "newest"),
    "binanceusdm": (put_binance, "oldest", "oldest"),
}
SITUATIONS = {
    "a suspension of fifteen days": ([(0, 300), (660, 888)], 0),
    "a listing in the middle": ([(400, 888)], 400),
    "a listing without its time": ([(400, 888)], 0),
    "a halt of one bar at the edge of a page": ([(0, 300), (301, 888)], 0),
}


@pytest.fixture
def web():
    with serving() as running:
        yield running


def every(step_h, *spans):
    return [to_ms(T0) + k * HOUR_MS for first, last in spans for k in range(first, last, step_h)]


def collected(web, home, name, spans, *, listed_h=0, datasets=("candles_1h",), bars=888, **ways):
    put, candle_way, funding_way = EXCHANGES[name]
    now = T0 + (bars + 24 * 30) * HOUR
    # What was traded after the range is what an exchange that begins at its newest end answers first.
    later = [(bars + 24, bars + 24 * 29)]
    candles = PagingExchange(every(1, *spans, *later), candle_way, HOUR_MS, cap=300, **ways)
    funding = PagingExchange(every(8, *spans, *later), funding_way, HOUR_MS, cap=100, **ways)
    put(web, now, candles, funding, to_ms(T0 + listed_h * HOUR))
    source = CcxtAny(name, 1, 5.0, web.url, sleep=lambda _: None)
    settings = Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")))
    report = collect(settings, source, ("BTC",), datasets, T0, T0 + bars * HOUR, now, SilentProgress())
    return report, Lake(Layout(home), venue=f"ccxt_{name}")


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_hours_behind_a_hole_are_not_lost(web, tmp_path, name, situation):
    spans, listed_h = SITUATIONS[situation]
    report, lake = collected(web, tmp_path, name, spans, listed_h=listed_h)
    assert report.ok, report.failures
    end = T0 + 888 * HOUR
    stored = lake.scan("candles_1h", ["BTC"], T0, end).collect()["open_time"].to_list()
    assert [to_ms(at) for at in stored] == every(1, *spans)
    assert union(lake.coverage("candles_1h", "BTC", T0, end)) == ((T0, end),)
    assert all(gap.requested for gap in find_gaps(lake, ("BTC",), ("candles_1h",)))
    assert report.listed == ({"BTC": T0 + listed_h * HOUR} if listed_h else {})


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize(
    "spans",
    [
        [(0, 4080)],
        pytest.param([(0, 800), (1600, 4080)], marks=pytest.mark.slow),
        pytest.param([(2000, 4080)], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_settlements_are_paged_from_the_start_of_the_range(web, tmp_path, name, spans):
    report, lake = collected(web, tmp_path, name, spans, datasets=("funding",), bars=4080)
    assert report.ok, report.failures
    end = T0 + 4080 * HOUR
    stored = lake.scan("funding", ["BTC"], T0, end).collect()["funding_time"].to_list()
    assert [to_ms(at) for at in stored] == every(8, *spans)  # 510 without a hole


@pytest.mark.parametrize("dataset", ["candles_1h", "funding"])
def test_an_exchange_that_cannot_be_paged_back_is_named_and_its_hole_is_not_covered(web, tmp_path, dataset):
    report, lake = collected(
        web, tmp_path, "bybit", [(0, 888)], datasets=(dataset,), heeds_until=False, heeds_limit=False
    )
    assert not report.ok
    assert "cannot be asked for: the exchange sends its newest rows first" in report.failures[0].reason
    assert lake.coverage(dataset, "BTC", T0, T0 + 100 * HOUR) == ()


@pytest.mark.parametrize(("factor", "unit"), [(1 / 1000, "s"), (1000, "us"), (1_000_000, "ns")])
def test_instants_in_another_unit_are_named_and_cover_nothing(web, tmp_path, factor, unit):
    put_binance(web, T0 + 800 * HOUR, PagingExchange([], "oldest", HOUR_MS), PagingExchange([], "oldest", HOUR_MS), 0)
    at = int(to_ms(T0) * factor)
    web.files["/fapi/v1/klines"] = f'[[{at}, "1", "1", "1", "1", "1", {at}, "1", 1, "1", "1", "0"]]'.encode()
    source = CcxtAny("binanceusdm", 1, 5.0, web.url, sleep=lambda _: None)
    settings, end = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH"))), T0 + 100 * HOUR
    report = collect(settings, source, ("BTC",), ("candles_1h",), T0, end, end, SilentProgress())
    assert f"no Unix time in ms: in {unit} it would be 2024-03-01 00:00:00" in report.failures[0].reason
    assert Lake(Layout(tmp_path), venue="ccxt_binanceusdm").coverage("candles_1h", "BTC", T0, end) == ()


def test_rows_that_lack_a_value_are_named_and_are_asked_for_again(web, tmp_path):
    put_binance(web, T0 + 99 * HOUR, PagingExchange([], "oldest", HOUR_MS), PagingExchange([], "oldest", HOUR_MS), 0)

    def klines(*lacking):
        times = every(1, (0, 30))
        closes = [None if k in lacking else str(1 + k % 5 / 10) for k in range(30)]
        rows = [[at, "1", "2", "0.5", close, "1", at, "1", 1] for at, close in zip(times, closes, strict=True)]
        return lambda query: json.dumps([row for row in rows if row[0] >= int(query["startTime"])]).encode()

    source = CcxtAny("binanceusdm", 1, 5.0, web.url, sleep=lambda _: None)
    settings, end = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH"))), T0 + 30 * HOUR
    now, lake = T0 + 99 * HOUR, Lake(Layout(tmp_path), venue="ccxt_binanceusdm")
    web.files["/fapi/v1/klines"] = klines(3, 4, 9)
    report = collect(settings, source, ("BTC",), ("candles_1h",), T0, end, now, SilentProgress())
    assert "3 of 30 rows of candles_1h lack a value, such as close of 2024-03-01 03:00:00" in report.failures[0].reason
    assert report.rows[0].rows == 27
    missing = subtract((T0, end), lake.coverage("candles_1h", "BTC", T0, end))
    assert missing == ((T0 + 3 * HOUR, T0 + 5 * HOUR), (T0 + 9 * HOUR, T0 + 10 * HOUR))
    web.files["/fapi/v1/klines"] = klines()
    again = collect(settings, source, ("BTC",), ("candles_1h",), T0, end, now, SilentProgress())
    assert (again.ok, again.rows[0].new_rows) == (True, 3)


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("dataset", ["candles_1h", "funding"])
def test_an_exchange_that_answers_nothing_at_all_proves_nothing(web, tmp_path, name, dataset):
    report, lake = collected(web, tmp_path, name, [(0, 888)], datasets=(dataset,), silent=range(10_000))
    assert not report.ok
    assert "nor any of its newest ones: it may be in maintenance" in report.failures[0].reason
    assert lake.coverage(dataset, "BTC", T0, T0 + 888 * HOUR) == ()
    report, lake = collected(web, tmp_path, name, [(0, 888)], datasets=(dataset,))
    assert (report.ok, report.rows[0].rows) == (True, 888 if dataset == "candles_1h" else 111)
