import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pairity.errors import ConfigError, LakeCorruptError, MissingDataError, TimeRangeError, UnknownNameError
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.candles import HOUR_MS, MINUTE_MS
from paper_exchange.market.prices import best_quotes, price_at
from paper_exchange.market.recorded import RecordedMarket, find_span
from paper_exchange.run import list_ends, open_market
from tests.paper_exchange.exchange_server import client, get, serving

T0 = 1_742_299_200_000
BTC, ETH, ABC, LATE = (f"{name}-USDT-SWAP" for name in ("BTC", "ETH", "ABC", "LATE"))


def candles(first_ms, count, step_ms, level=100.0, skip=(), **more):
    index = np.array([i for i in range(count) if i not in skip], dtype=np.int64)
    unit = level / 100
    price = np.round(level + index * 0.5 * unit, 8)
    return pl.DataFrame(
        {
            "ts": first_ms + index * step_ms,
            "open": price,
            "high": np.round(price + unit, 8),
            "low": np.round(price - unit, 8),
            "close": np.round(price + 0.5 * unit, 8),
            "volume": np.full(len(index), 3.0),
            **more,
        }
    )


def store(folder, name, table):
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / f"{name}-USDT.parquet")


@pytest.fixture
def folder(tmp_path):
    minutes, hours = tmp_path / "1m_20250318", tmp_path / "1h"
    store(minutes, "BTC", candles(T0, 600, MINUTE_MS, skip=(100, 101)))
    store(minutes, "ETH", candles(T0 + 5 * MINUTE_MS, 590, MINUTE_MS, level=10.0))
    store(hours, "BTC", candles(T0 - 100 * HOUR_MS, 200, HOUR_MS))
    store(hours, "ABC", candles(T0 - 100 * HOUR_MS, 200, HOUR_MS, level=0.02))
    store(hours, "LATE", candles(T0 + HOUR_MS, 100, HOUR_MS))
    store(tmp_path / "mark_1h", "BTC", candles(T0 + HOUR_MS, 100, HOUR_MS, level=200.0))
    settlements = pl.DataFrame(
        {"ts": [T0 - HOUR_MS, T0 + HOUR_MS, T0 + 9 * HOUR_MS], "funding_rate": [0.1, 0.0001, 0.2]}
    )
    store(tmp_path / "funding", "BTC", settlements)
    return tmp_path


def test_each_instrument_may_end_by_itself(folder):
    market = RecordedMarket(folder, ends="each")
    assert (market.start_ms, market.end_ms) == (T0, T0 + 600 * MINUTE_MS)
    assert market.ended == {ETH: T0 + 595 * MINUTE_MS}
    assert set(market.every_instrument) == {BTC, ETH, ABC, LATE}
    assert market.bars(ETH, T0, market.end_ms)[-1].open_ms == T0 + 594 * MINUTE_MS
    assert RecordedMarket(folder).ended == {}
    late = RecordedMarket(folder, T0 + 597 * MINUTE_MS, ends="each")
    assert ETH not in late.every_instrument, "it had ended before"
    assert late.ended == {}


def test_an_instrument_that_ends_is_delisted_and_unannounced_before(folder):
    market, clock = open_market("recorded", data=folder, start=None, clock="stepped", seed=0, ends="each")
    [end] = list_ends(market)
    assert (end.kind, end.subject, end.at_ms, end.announced_ms) == ("delist", ETH, *[T0 + 595 * MINUTE_MS] * 2)
    account = Account(changing := ScriptedMarket(market), clock, Decimal(1000))
    schedule = Schedule([end], changing, FaultPlan())
    for at_ms, state in ((end.at_ms - 1, "live"), (end.at_ms, "expired")):
        clock.advance_to(at_ms)
        schedule.advance(at_ms, account, lambda _: None)
        assert changing.instruments[ETH].state == state
        assert schedule.venue.find_end(ETH, at_ms) is None
    assert changing.instruments[BTC].state == "live"
    assert dict(schedule.venue.list_ends()) == {ETH: end.at_ms}


def test_finest_bars_give_the_span_and_coarser_sets_join(folder):
    market = RecordedMarket(folder)
    assert (market.start_ms, market.end_ms) == (T0, T0 + 595 * MINUTE_MS)
    sizes = {BTC: MINUTE_MS, ETH: MINUTE_MS, ABC: HOUR_MS, LATE: HOUR_MS}
    assert {name: market.bar_ms(name) for name in market.instruments} == sizes
    assert market.label == f"recorded ({folder.name}, 1m)"
    assert market.instruments[BTC].list_ms == T0
    with pytest.raises(UnknownNameError, match=BTC):
        market.bar_ms("NONE-USDT-SWAP")


def test_holes_are_holes_and_the_bar_before_answers(folder):
    market = RecordedMarket(folder)
    assert [b.open_ms for b in market.bars(BTC, T0 + 99 * MINUTE_MS, T0 + 103 * MINUTE_MS)] == [
        T0 + 99 * MINUTE_MS,
        T0 + 102 * MINUTE_MS,
    ]
    inside, after = T0 + 99 * MINUTE_MS + 1, T0 + 101 * MINUTE_MS
    assert market.bar_at(BTC, inside) == market.bar_at(BTC, after)
    assert price_at(market, BTC, inside) == pytest.approx(149.5)
    assert price_at(market, BTC, after) == 150
    assert market.bar_at(BTC, market.start_ms - 1) is None
    assert price_at(market, BTC, market.start_ms - 1) is None


def test_coarser_marks_scale_by_the_basis_at_their_beginning(folder):
    market = RecordedMarket(folder)
    before = T0 + 30 * MINUTE_MS
    assert market.bar_at(BTC, before, "mark")[1:5] == market.bar_at(BTC, before)[1:5]
    hour, later = T0 + HOUR_MS, T0 + HOUR_MS + 30 * MINUTE_MS
    assert market.bar_at(BTC, hour, "mark").open == 200.0
    basis = 200.0 / market.bar_at(BTC, hour).open
    assert market.bar_at(BTC, later, "mark").close == pytest.approx(market.bar_at(BTC, later).close * basis, rel=1e-3)
    assert market.bar_at(BTC, later, "index") == market.bar_at(BTC, later, "mark")
    assert market.bar_at(ETH, later, "mark").close == market.bar_at(ETH, later).close


def test_marks_of_the_same_size_are_taken_as_recorded(tmp_path):
    store(tmp_path / "1h", "BTC", candles(T0, 10, HOUR_MS))
    store(tmp_path / "mark_1h", "BTC", candles(T0 + 2 * HOUR_MS, 3, HOUR_MS, level=500.0, volume=[None] * 3))
    market = RecordedMarket(tmp_path / "1h")
    marks = [bar.open for bar in market.bars(BTC, 0, market.end_ms, "mark")]
    assert marks == [100.0, 100.5, 500.0, 502.5, 505.0, 102.5, 103.0, 103.5, 104.0, 104.5]


def test_funding_lies_within_the_span(folder):
    market = RecordedMarket(folder)
    assert market.funding(BTC, 0, 2 * T0) == [(T0 + HOUR_MS, 0.0001), (T0 + 9 * HOUR_MS, 0.2)]
    assert market.funding(BTC, T0 + HOUR_MS, T0 + 9 * HOUR_MS) == [(T0 + HOUR_MS, 0.0001)]
    assert market.funding(ETH, 0, 2 * T0) == []
    assert market.open_interest(BTC, T0 + HOUR_MS) is None


def test_start_chooses_the_set_that_covers_it(folder):
    market = RecordedMarket(folder, T0 - 50 * HOUR_MS)
    assert market.bar_ms(BTC) == HOUR_MS
    with pytest.raises(TimeRangeError, match="1m_20250318"):
        RecordedMarket(folder, T0 - 1000 * HOUR_MS)


def test_a_start_after_the_first_end_names_who_ends_and_who_goes_on(tmp_path):
    hours = tmp_path / "1h"
    for name, count in (("BTC", 300), ("ETH", 320), ("SOL", 280), ("ABC", 400)):
        store(hours, name, candles(T0, count, HOUR_MS))
    assert RecordedMarket(tmp_path).end_ms == T0 + 280 * HOUR_MS
    with pytest.raises(TimeRangeError) as caught:
        RecordedMarket(tmp_path, T0 + 305 * HOUR_MS)
    assert caught.value.what == (
        "--start 2025-03-31T05:00 lies after the end of what can be played: 1h ends at 2025-03-30T04:00 with SOL; "
        "ABC, ETH go on, to 2025-04-04T04:00 at most"
    )
    assert caught.value.remedy.endswith("or add --ends each")
    (hours / "SOL-USDT.parquet").unlink()
    with pytest.raises(TimeRangeError, match=r"ends at .* with BTC; ABC, ETH go on"):
        RecordedMarket(tmp_path, T0 + 305 * HOUR_MS)
    for beyond in (T0 - HOUR_MS, T0 + 400 * HOUR_MS):
        with pytest.raises(TimeRangeError, match="outside of everything recorded"):
            RecordedMarket(tmp_path, beyond)


def test_default_start_leaves_history_behind(folder):
    market, clock = open_market("recorded", data=folder, start=None, clock="stepped", seed=1)
    assert market.start_ms < clock.now_ms() < market.end_ms
    assert clock.now_ms() % HOUR_MS == 0


def test_a_clock_may_begin_before_what_decides_which_bars_are_played(folder):
    """Minutes cover T0 and hours what precedes it: the clock begins in hours that go on, or in the minutes alone."""
    span = find_span(folder, T0 + 150 * HOUR_MS // 2, ends="each")
    late = {"data": folder, "clock": "stepped", "seed": 1, "ends": "each"}
    market, clock = open_market("recorded", start="2025-03-15T12:00", covering="2025-03-21T12:00", **late)
    assert (market.start_ms, market.end_ms) == span
    assert clock.now_ms() < T0
    assert market.bar_ms(BTC) == HOUR_MS
    with pytest.raises(TimeRangeError, match="lies outside of what covers --covering"):
        open_market("recorded", start="2025-03-15T12:00", covering="2025-03-18T13:00", **late)
    with pytest.raises(ConfigError, match="--covering is for a recorded market"):
        open_market("synthetic", data=None, start=None, clock="stepped", seed=1, covering="2025-03-18T13:00")


def test_recorded_quote_volume_is_served(tmp_path):
    quote = [1000.0 + i for i in range(9)] + [None]
    store(tmp_path, "BTC", candles(T0, 10, MINUTE_MS, quote_volume=quote))
    with serving(RecordedMarket(tmp_path), VirtualClock("stepped", T0 + 10 * MINUTE_MS)) as url:
        got = get(url, "market/history-candles", instId=BTC)["data"]
    assert [float(row[7]) for row in reversed(got)] == [*quote[:9], pytest.approx(3.0 * (105.5 + 103.5 + 105.0) / 3)]
    assert [row[5] for row in got] == ["300"] * 10


def test_bars_finer_than_recorded_are_refused(folder):
    with serving(RecordedMarket(folder), VirtualClock("stepped", T0 + 5 * HOUR_MS)) as url:
        refusal = get(url, "market/history-candles", instId=ABC, bar="1m")
        assert refusal["code"] == "51000"
        assert "60 minutes" in refusal["msg"]
        assert get(url, "public/funding-rate", instId=ETH)["data"][0]["fundingRate"] == ""


def test_quotes_and_unknown_contracts_lie_on_the_recorded_grid(folder):
    market = RecordedMarket(folder)
    unknown = market.instruments[ABC]
    price = price_at(market, ABC, T0 + HOUR_MS)
    assert 10 <= unknown.ct_val * price <= 1000
    bid, ask = best_quotes(unknown, price)
    assert bid < price < ask
    assert price % unknown.tick_sz == bid % unknown.tick_sz == ask % unknown.tick_sz == 0


def damaged(kind, folder):
    good = candles(T0, 10, MINUTE_MS)
    if kind == "cut":
        store(folder, "BTC", good)
        path = folder / "BTC-USDT.parquet"
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "columns":
        store(folder, "BTC", good.drop("volume"))
    elif kind == "seconds":
        store(folder, "BTC", good.with_columns(pl.col("ts") // 1000))
    elif kind == "nan":
        store(folder, "BTC", good.with_columns(open=pl.lit(float("nan"))))
    elif kind == "no rows":
        store(folder, "BTC", good.clear())
    elif kind == "one row":
        store(folder, "BTC", good.head(1))


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("cut", LakeCorruptError, "no Parquet file, or is cut short"),
        ("columns", MissingDataError, "no column volume"),
        ("seconds", LakeCorruptError, "milliseconds"),
        ("nan", LakeCorruptError, "not finite"),
        ("no rows", MissingDataError, "no rows"),
        ("one row", MissingDataError, "size of its bars"),
        ("nothing", MissingDataError, "--data"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path, kind, error, words):
    damaged(kind, tmp_path)
    with pytest.raises(error, match=words):
        RecordedMarket(tmp_path)


def test_arguments_that_cannot_be_used(tmp_path):
    def attempt(**arguments):
        open_market(**{"market": "synthetic", "data": None, "start": None, "clock": "real", "seed": 1, **arguments})

    for arguments, words in (
        ({"market": "recorded"}, "--data"),
        ({"market": "recorded", "data": tmp_path / "no"}, "--data"),
        ({"data": tmp_path}, "--market recorded"),
        ({"market": "real"}, "synthetic"),
        ({"start": "soon"}, "--start"),
        ({"clock": "x"}, "stepped"),
        ({"start": "1969-01-01"}, "later --start"),
    ):
        with pytest.raises(ConfigError, match=words):
            attempt(**arguments)


def test_synthetic_starts():
    market, clock = open_market("synthetic", data=None, start=None, clock="stepped", seed=1)
    assert clock.now_ms() == 1_767_225_600_000
    assert market.start_ms < clock.now_ms() < market.end_ms
    market, clock = open_market("synthetic", data=None, start=None, clock="real", seed=1)
    assert clock.follows_wall
    assert market.start_ms < clock.now_ms() < market.end_ms


@pytest.mark.parametrize("place", ["1m_20250318", "."])
def test_contracts_travel_with_the_recording(folder, place):
    (folder / place / "contracts.csv").write_text(
        "instrument,ct_val,lot_sz,min_sz,tick_sz,max_leverage,max_market_sz,max_stop_sz\n"
        "BTC,0.001,0.1,0.2,0.05,20,70,30\nLATE,5,1,1,0.5,3,,\n"
    )
    market = RecordedMarket(folder)
    plain = RecordedMarket(folder / "1h").instruments
    with serving(market, VirtualClock("stepped", T0 + 5 * HOUR_MS)) as url:
        shown = {row["instId"]: row for row in get(url, "public/instruments", instType="SWAP")["data"]}
    names = ("ctVal", "lotSz", "minSz", "tickSz", "lever", "maxMktSz", "maxStopSz")
    assert [shown[BTC][name] for name in names] == ["0.001", "0.1", "0.2", "0.05", "20", "70", "30"]
    assert [shown[LATE][name] for name in names[:5]] == ["5", "1", "1", "0.5", "3"]
    assert shown[ETH]["ctVal"] == "0.1"  # not in the file: as everywhere
    assert set(plain) == {BTC, ABC, LATE}


def test_contracts_that_cannot_be_right_are_refused_with_the_line(folder):
    (folder / "contracts.csv").write_text("instrument,ct_val,lot_sz,min_sz,tick_sz,max_leverage\nBTC,0,1,1,1,1\n")
    with pytest.raises(ConfigError, match="line 2: ct_val is 0"):
        RecordedMarket(folder)


@pytest.mark.recorded
def test_okx_swap_as_ccxt_reads_it():
    root = os.environ.get("PAIRITY_RECORDED_DATA")
    if not root:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded candles to play")
    start_ms = T0 + 200 * HOUR_MS
    source = pl.read_parquet(Path(root) / "okx_swap/1m_20250318_20250417/ETH-USDT.parquet")
    with serving(RecordedMarket(Path(root) / "okx_swap"), VirtualClock("stepped", start_ms)) as url:
        okx = client(url)
        assert {"BTC/USDT:USDT", "TRX/USDT:USDT", "DOT/USDT:USDT"} <= set(okx.load_markets())
        since = start_ms - 150 * HOUR_MS
        got = okx.fetch_ohlcv("ETH/USDT:USDT", "1m", since=since, limit=100)
        want = source.filter(pl.col("ts").is_between(since, since + 99 * MINUTE_MS)).sort("ts").rows()
        assert got == [list(row) for row in want]
        settled = pl.read_parquet(Path(root) / "okx_swap/funding/ETH-USDT.parquet").sort("ts")
        settled = settled.filter(pl.col("ts").is_between(int(source["ts"].min()), start_ms))
        history = okx.fetch_funding_rate_history("ETH/USDT:USDT")
        assert [(h["timestamp"], h["fundingRate"]) for h in history] == settled.rows()
        hourly = okx.fetch_ohlcv("DOT/USDT:USDT", "1h", limit=5)
        assert len(hourly) == 5
