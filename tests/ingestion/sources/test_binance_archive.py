"""Binance's archives from a local server: the real source code, the recorded originals, and every fault."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ingestion.lake import Lake
from ingestion.sources import binance_files
from ingestion.sources.binance_archive import BinanceArchive
from ingestion.sources.http import Http
from pairity.errors import (
    CredentialsError,
    UnknownNameError,
    VenueAnswerError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.ingestion.sources.archive_server import (
    FOLDER,
    HEADER,
    MARCH,
    NOW,
    kline_rows,
    put,
    run,
    settings_for,
    source_of,
    zipped,
)
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.web import serving

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")


@pytest.fixture
def web():
    with serving() as running:
        yield running


def march(web, header=True):
    put(
        web,
        FOLDER.format(span="monthly", period="2024-03"),
        zipped((HEADER if header else b"") + kline_rows(MARCH, 31 * 24)),
    )


def days(web, *numbers):
    for number in numbers:
        first = datetime(2024, 4, number, tzinfo=UTC)
        put(
            web,
            FOLDER.format(span="daily", period=f"2024-04-{number:02}"),
            zipped(kline_rows(first, 24, micro=number == 2)),
        )


def test_months_and_the_days_of_the_running_month(web, tmp_path):
    march(web)
    days(web, 1, 2)
    report = run(web, tmp_path)
    assert report.ok
    rows = Lake(Layout(tmp_path), venue="binance_um").scan("candles_1h", ["BTC"], MARCH, NOW).collect()
    assert rows.height == report.rows[0].rows == 33 * 24  # the third day has no archive yet
    assert rows["open_time"].diff().drop_nulls().unique().to_list() == [timedelta(hours=1)]  # ms and µs alike
    assert rows.row(0, named=True) == {
        "asset": "BTC",
        "open_time": MARCH,
        "open": 100.0,
        "high": 102.0,
        "low": 98.0,
        "close": 101.0,
        "volume": 10.5,
        "volume_quote": 1060.5,
        "trade_count": 42.0,
        "taker_buy_volume": 4.5,
        "known_at": MARCH + timedelta(hours=1, milliseconds=1),
    }
    assert Lake(Layout(tmp_path)).partitions() == ()  # another venue's rows


def test_a_second_run_asks_only_for_what_may_have_come_since_and_adds_nothing(web, tmp_path):
    march(web)
    days(web, 1, 2)
    first = run(web, tmp_path)
    web.asked.clear()
    second = run(web, tmp_path)
    assert [row.new_rows for row in second.rows] == [0]
    assert second.snapshot_id == first.snapshot_id
    assert not [path for path in web.asked if "2024-03" in path]


def test_headers_or_none_give_the_same(web, tmp_path):
    march(web)
    with_header = run(web, tmp_path / "a").snapshot_id
    march(web, header=False)
    assert run(web, tmp_path / "b").snapshot_id == with_header


@pytest.mark.parametrize("fault", [429, 500, 503, "cut"])
def test_a_passing_fault_is_waited_out(web, tmp_path, fault):
    march(web)
    path = FOLDER.format(span="monthly", period="2024-03")
    web.faults[path] = [fault, fault]
    waits = []
    report = run(web, tmp_path, until=MARCH + timedelta(days=31), source=source_of(web, waits=waits))
    assert report.ok
    assert report.rows[0].rows == 31 * 24
    assert waits == [0.5, 1.0]
    assert web.asked.count(path) == 3


def test_retry_after_is_honoured(web, tmp_path):
    march(web)
    web.faults[FOLDER.format(span="monthly", period="2024-03")] = ["retry-after"]
    waits = []
    assert run(web, tmp_path, until=MARCH + timedelta(days=31), source=source_of(web, waits=waits)).ok
    assert waits == [7.0]


ENDS = {
    "always 500": (lambda web, path: web.faults.update({path: [500] * 9}), "answered 500, 3 times"),
    "always 429": (lambda web, path: web.faults.update({path: [429] * 9}), "answered 429, 3 times"),
    "always cut": (lambda web, path: web.faults.update({path: ["cut"] * 9}), "did not answer in full"),
    "bad request": (lambda web, path: web.faults.update({path: [400]}), "answered 400"),
    "forbidden": (lambda web, path: web.faults.update({path: [403]}), "refused the key (403)"),
    "HTML": (lambda web, path: web.faults.update({path: ["html"]}), "its checksum file says"),
    "wrong checksum": (lambda web, path: put(web, path, web.files[path], "0" * 64), "its checksum file says 0000"),
    "no checksum": (lambda web, path: web.files.pop(f"{path}.CHECKSUM"), "has no checksum beside it"),
    "corrupted ZIP": (lambda web, path: put(web, path, web.files[path][:-60]), "is no whole ZIP"),
    "damaged ZIP": (
        lambda web, path: put(web, path, web.files[path][:300] + b"\0" * 40 + web.files[path][340:]),
        "is no whole ZIP",
    ),
    "two files": (lambda web, path: put(web, path, zipped(b"", "readme.txt")), "instead of one .csv"),
    "no table": (lambda web, path: put(web, path, zipped(b"<html>\n")), "neither a name nor a number"),
    "no numbers": (lambda web, path: put(web, path, zipped(HEADER + b"1,2,x,4,5,6,7,8,9,10,11,12\n")), "not numbers"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_fault_that_stays_stores_nothing_and_stops_nobody_else(web, tmp_path, end):
    march(web)
    path = FOLDER.format(span="monthly", period="2024-03")
    other = path.replace("BTC", "ETH")
    put(web, other, web.files[path])
    break_it, message = ENDS[end]
    break_it(web, path)
    report = run(web, tmp_path, assets=("BTC", "ETH"), until=MARCH + timedelta(days=31))
    assert [failure.asset for failure in report.failures] == ["BTC"]
    assert message in report.failures[0].reason
    assert "BTCUSDT-1h-2024-03.zip" in report.failures[0].reason
    assert [row.rows for row in report.rows] == [0, 31 * 24]
    assert not list((tmp_path / "staging").rglob("*.parquet"))
    web.faults.clear()
    march(web)
    assert run(web, tmp_path, assets=("BTC", "ETH"), until=MARCH + timedelta(days=31)).ok


def test_what_was_fetched_before_a_fault_is_kept(web, tmp_path):
    march(web)
    web.faults[FOLDER.format(span="daily", period="2024-04-01")] = [500] * 9
    report = run(web, tmp_path)
    assert not report.ok
    assert report.rows[0].rows == 31 * 24
    web.faults.clear()
    days(web, 1, 2)
    web.asked.clear()
    assert run(web, tmp_path).rows[0].rows == 33 * 24
    assert not [asked for asked in web.asked if "2024-03" in asked]


def test_funding_and_unknown_instruments(web, tmp_path):
    at = int(MARCH.timestamp() * 1000)
    lines = "".join(f"{at + k * 28_800_000 + 3},8,0.0001\n" for k in range(93))
    path = "/data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-03.zip"
    put(web, path, zipped(f"calc_time,funding_interval_hours,last_funding_rate\n{lines}".encode()))
    report = run(web, tmp_path, assets=("BTC", "ETH"), datasets=("funding",), until=MARCH + timedelta(days=31))
    assert [(row.asset, row.rows) for row in report.rows] == [("BTC", 93), ("ETH", 0)]
    assert [failure.asset for failure in report.failures] == ["ETH"]
    rows = Lake(Layout(tmp_path), venue="binance_um").scan("funding", ["BTC"], MARCH, NOW).collect()
    assert rows["funding_time"][0] == MARCH  # three milliseconds late is on time
    with pytest.raises(UnknownNameError, match="dataset of binance-archive"):
        run(web, tmp_path, datasets=("funding",), source=source_of(web, "spot"))


def test_nothing_listening_is_said(tmp_path):
    with serving() as gone:
        url = gone.url
    archive = BinanceArchive(Http(0, 1.0, sleep=lambda _: None), url)
    with pytest.raises(VenueUnreachableError, match="did not answer in full"):
        archive.read("candles_1h", "BTC", MARCH, MARCH + timedelta(days=1))


def test_errors_are_of_their_kind(web):
    http = Http(0, 5.0, sleep=lambda _: None)
    web.files["/x"] = b"{}"
    for fault, kind in ((401, CredentialsError), (404, None), (418, VenueRejectedError), (502, VenueUnreachableError)):
        web.faults["/x"] = [fault]
        if kind is None:
            assert http.get(f"{web.url}/x") is None
        else:
            with pytest.raises(kind) as caught:
                http.get(f"{web.url}/x", {"token": "secret"})
            assert "secret" not in str(caught.value)
    web.faults["/x"] = ["html"]
    with pytest.raises(VenueAnswerError, match="is not JSON"):
        http.json(f"{web.url}/x")


@pytest.mark.recorded
def test_recorded_archives_are_read_as_they_are():
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded archives")
    folder = Path(RECORDED) / "raw_archives" / "binance"
    hours = []
    for name in (
        "freqtrade__futures-um-klines-BTCUSDT-1h-2024-10-28.zip",
        "freqtrade__spot-klines-BTCUSDT-1h-2024-10-28.zip",
    ):
        csv = binance_files.unzip_csv((folder / name).read_bytes(), name)
        hours.append(binance_files.read_klines(csv, "candles_1h", name))
    assert [rows.height for rows in hours] == [24, 24]  # with a header, and without one
    assert hours[0]["open_time"].to_list() == hours[1]["open_time"].to_list()
    csv = binance_files.unzip_csv((folder / "BTCUSDT-1m-2026-03.zip").read_bytes(), "")
    minutes = binance_files.read_klines(csv, "candles_1m", "")  # microseconds
    assert (minutes.height, minutes["open_time"][0]) == (44_640, datetime(2026, 3, 1, tzinfo=UTC))
    assert minutes["open_time"].diff().drop_nulls().unique().to_list() == [timedelta(minutes=1)]
    csv = binance_files.unzip_csv((folder / "freqtrade__futures-APEUSDT-aggTrades-2024-10-18.zip").read_bytes(), "")
    bars = binance_files.read_trade_bars(csv, "", [].append)
    assert (
        bars["open_time"]
        .is_between(datetime(2024, 10, 18, tzinfo=UTC), datetime(2024, 10, 18, 23, 59, tzinfo=UTC))
        .all()
    )
    assert (bars["taker_buy_volume"] <= bars["volume"] + 1e-6).all()
    total = (
        pl.read_csv(csv)
        .select(
            (pl.col("last_trade_id") - pl.col("first_trade_id") + 1).sum().alias("n"),
            pl.col("quantity").sum().alias("q"),
        )
        .row(0)
    )
    assert bars["trade_count"].sum() == total[0]
    assert bars["volume"].sum() == pytest.approx(total[1])
    csv = binance_files.unzip_csv((folder / "freqtrade__spot-PEPEUSDT-aggTrades-2024-10-27.zip").read_bytes(), "")
    assert binance_files.read_trade_bars(csv, "", [].append).height > 1000


@pytest.mark.recorded
def test_recorded_archives_are_ingested_from_a_server(web, tmp_path):
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded archives")
    archive = (Path(RECORDED) / "raw_archives" / "binance" / "BTCUSDT-1m-2026-04.zip").read_bytes()
    put(web, "/data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2026-04.zip", archive)
    since, until = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    report = collect(
        settings_for(tmp_path),
        source_of(web, "spot"),
        ("BTC",),
        ("candles_1m",),
        since,
        until,
        until + timedelta(days=5),
        SilentProgress(),
    )
    assert report.ok, report
    assert report.rows[0].rows == 30 * 1440


@pytest.mark.parametrize(
    ("factor", "says"), [(1, "in s it would be"), (1_000_000_000, "in ns it would be"), (7, "lies in no unit")]
)
def test_instants_in_another_unit_are_told_by_it(factor, says):
    rows = f"{int(MARCH.timestamp()) * factor},100,102,98,101,10.5,1,1060.5,42,4.5,450.5,0\n".encode()
    with pytest.raises(
        VenueAnswerError, match=rf"x\.zip has 1 rows whose open_time is no instant in ms or us: .*{says}"
    ):
        binance_files.read_klines(rows, "candles_1h", "x.zip")
    ahead = int((datetime.now(UTC) + timedelta(days=2)).timestamp()) * 1000
    with pytest.raises(VenueAnswerError, match="is no instant"):
        binance_files.read_klines(rows.replace(rows.split(b",")[0], str(ahead).encode()), "candles_1h", "x.zip")


@pytest.mark.parametrize("off", [3, 999, 40_000, -2_000])
def test_a_settlement_beside_its_hour_belongs_to_it_and_is_known_from_the_later(off):
    hour = MARCH + timedelta(hours=8)
    stamp = hour + timedelta(milliseconds=off)
    rows = binance_files.read_funding(f"{int(stamp.timestamp() * 1000)},8,0.0001\n".encode(), "x.zip")
    assert rows["funding_time"].to_list() == [hour]
    assert rows["known_at"][0] == max(hour, stamp.replace(microsecond=0)) + timedelta(milliseconds=1)
