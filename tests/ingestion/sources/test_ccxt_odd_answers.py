"""Answers that are not quite what was asked for, through ccxt's own clients: used, named, or asked for again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from feature_repo.raw_datasets import KNOWN_AT
from ingestion.lake import Lake
from ingestion.lake.spans import subtract
from ingestion.sources.ccxt_any import CcxtAny
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from pairity.timeline import from_ms, to_ms
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.paging_exchanges import HOUR_MS, PagingExchange
from tests.ingestion.sources.test_ccxt_coverage import EXCHANGES, HOUR, T0, every
from tests.ingestion.sources.web import serving

BARS = 400
PATHS = {
    "okx": ("/api/v5/market/history-candles", "/api/v5/public/funding-rate-history"),
    "bybit": ("/v5/market/kline", "/v5/market/funding/history"),
    "binanceusdm": ("/fapi/v1/klines", "/fapi/v1/fundingRate"),
}
OTHER = {"okx": ("instId", "ETH-USDT-SWAP"), "bybit": ("symbol", "ETHUSDT"), "binanceusdm": ("symbol", "ETHUSDT")}


@pytest.fixture
def web():
    with serving() as running:
        yield running


def rows_in(name, answer):
    return answer["data"] if name == "okx" else answer["result"]["list"] if name == "bybit" else answer


def change(web, name, dataset, changing):
    """Let `changing` alter the list of rows of every answer."""
    path = PATHS[name][dataset == "funding"]
    before = web.files[path]

    def body(query):
        answer = json.loads(before(query))
        rows = rows_in(name, answer)
        rows[:] = changing(list(rows))
        return json.dumps(answer).encode()

    web.files[path] = body


def collected(web, home, name, dataset, settlements=None, changing=None, faults=()):
    put, candle_way, funding_way = EXCHANGES[name]
    now = T0 + (BARS + 24 * 30) * HOUR
    later = [(BARS + 24, BARS + 24 * 29)]
    times = every(8, (0, BARS), *later) if settlements is None else [*settlements, *every(8, *later)]
    candles = PagingExchange(every(1, (0, BARS), *later), candle_way, HOUR_MS, cap=300)
    put(web, now, candles, PagingExchange(times, funding_way, HOUR_MS, cap=100), 0)
    if changing:
        change(web, name, dataset, changing)
    web.faults[PATHS[name][dataset == "funding"]] = list(faults)
    source = CcxtAny(name, 2, 5.0, web.url, sleep=lambda _: None)
    settings = Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")))
    report = collect(settings, source, ("BTC",), (dataset,), T0, T0 + BARS * HOUR, now, SilentProgress())
    lake = Lake(Layout(home), venue=f"ccxt_{name}")
    return report, lake, lake.scan(dataset, ["BTC"], T0, T0 + BARS * HOUR).collect()


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("off_ms", [13, -7, 3000, -59_000])
def test_settlements_that_are_stamped_beside_their_hour_belong_to_it(web, tmp_path, name, off_ms):
    report, _, rows = collected(web, tmp_path, name, "funding", [at + off_ms for at in every(8, (0, BARS))])
    assert report.ok, (report.failures, report.quarantined)
    assert [to_ms(at) for at in rows["funding_time"]] == every(8, (0, BARS))
    late = timedelta(milliseconds=max(0, off_ms // 1000 * 1000) + 1)
    assert (rows[KNOWN_AT] - rows["funding_time"]).unique().to_list() == [late]


@pytest.mark.parametrize("name", EXCHANGES)
def test_rows_of_another_instrument_in_place_of_ones_own_are_named_and_prove_nothing(web, tmp_path, name):
    field, other = OTHER[name]
    wrong = every(8, (0, BARS))[7]

    def changing(rows):
        return [{**row, field: other} if str(wrong) in map(str, row.values()) else row for row in rows]

    report, lake, rows = collected(web, tmp_path, name, "funding", changing=changing)
    assert [to_ms(at) for at in rows["funding_time"]] == [at for at in every(8, (0, BARS)) if at != wrong]
    assert any("1 row of another instrument" in failure.reason for failure in report.failures), report.failures
    missing = subtract((T0, T0 + BARS * HOUR), lake.coverage("funding", "BTC", T0, T0 + BARS * HOUR))
    assert any(low <= from_ms(wrong) < high for low, high in missing)
    again, _, rows = collected(web, tmp_path, name, "funding")
    assert (again.ok, rows.height) == (True, BARS // 8)


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_that_answers_for_all_instruments_is_understood(web, tmp_path, name):
    field, other = OTHER[name]
    report, _, rows = collected(
        web, tmp_path, name, "funding", changing=lambda rows: [*rows, *({**row, field: other} for row in rows)]
    )
    assert report.ok, report.failures
    assert rows.height == BARS // 8


@pytest.mark.parametrize("name", EXCHANGES)
def test_rows_of_one_bar_that_contradict_each_other_are_withheld(web, tmp_path, name):
    wrong, number = every(1, (0, BARS))[9], int if name == "binanceusdm" else str

    def changing(rows):
        return [*rows, *([row[0], "100", "102", "99", "99.5", *row[5:]] for row in rows if row[0] == number(wrong))]

    report, _, rows = collected(web, tmp_path, name, "candles_1h", changing=changing)
    assert rows.height == BARS - 1
    assert ["conflicting_duplicates = 2" in rule for item in report.quarantined for rule in item.rules] == [True]


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("fault", ["cut", 503, 429])
def test_a_passing_fault_in_the_middle_of_paging_is_asked_again(web, tmp_path, name, fault):
    report, _, rows = collected(web, tmp_path, name, "candles_1h", faults=[None, fault, fault])
    assert (report.ok, rows.height) == (True, BARS), report.failures


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_line_that_is_always_cut_is_named_as_such(web, tmp_path, name):
    report, lake, _ = collected(web, tmp_path, name, "candles_1h", faults=["cut"] * 50)
    assert "3 times" in report.failures[0].reason
    assert "try again later" in report.failures[0].reason
    assert lake.coverage("candles_1h", "BTC", T0, T0 + BARS * HOUR) == ()


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.parametrize("page", [b"<html>maintenance</html>", b"Service is being upgraded", b""], ids=str)
def test_a_page_in_place_of_json_is_shown_and_is_no_empty_answer(web, tmp_path, name, page):
    put, candle_way, funding_way = EXCHANGES[name]
    none = PagingExchange([], candle_way, HOUR_MS), PagingExchange([], funding_way, HOUR_MS)
    put(web, T0 + 2000 * HOUR, *none, 0)
    for path in [*PATHS[name], "/api/v5/market/candles"]:
        web.files[path] = page
    source = CcxtAny(name, 1, 5.0, web.url, sleep=lambda _: None)
    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH")))
    report = collect(
        settings, source, ("BTC",), ("candles_1h",), T0, T0 + 99 * HOUR, T0 + 2000 * HOUR, SilentProgress()
    )
    assert "no JSON" in report.failures[0].reason
    assert page[:20].decode() in report.failures[0].reason
