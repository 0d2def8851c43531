"""Folders of CSV and Parquet, and inflows from files and from CryptoQuant."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ingestion.lake import Lake
from ingestion.sources.catalog import OFFERS, open_source
from ingestion.sources.http import Http
from ingestion.sources.onchain import CryptoQuant
from ingestion.sources.protocol import NotServedError
from pairity.errors import ConfigError, DataError, UnknownNameError, VenueAnswerError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.web import serving

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
T0 = datetime(2024, 5, 1, tzinfo=UTC)
NOW = T0 + timedelta(days=30)
MINUTE = timedelta(minutes=1)


def settings_for(home, assets=("BTC", "ETH")):
    return Settings(home=home, universe=UniverseSettings(assets=assets))


def write_csv(path, rows, header="origin_time,received_time,symbol,open,high,low,close,volume,trades"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write("\n".join([header, *rows]) + "\n")


def csv_rows(count, late=timedelta(seconds=2), stamp=lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f")):
    return [
        f"{stamp(T0 + k * MINUTE)},{stamp(T0 + (k + 1) * MINUTE + late)},BTC-USDT,1,3,0.5,{1 + k % 9 / 10},10,7"
        for k in range(count)
    ]


def test_minute_csv_knows_a_bar_when_it_was_received(tmp_path):
    write_csv(tmp_path / "in" / "BTC-USDT.csv.gz", csv_rows(120))
    source = open_source("minute-csv", settings_for(tmp_path), tmp_path / "in", "crypto_lake")
    assert source.list_assets() == ("BTC",)
    report = collect(settings_for(tmp_path), source, ("BTC",), ("candles_1m",), T0, NOW, NOW, SilentProgress())
    assert report.ok, report
    rows = Lake(Layout(tmp_path), venue="crypto_lake").scan("candles_1m", ["BTC"], T0, NOW).collect()
    assert rows.height == 120
    assert (rows["known_at"] - rows["open_time"]).unique().to_list() == [timedelta(minutes=1, seconds=2)]
    assert rows["trade_count"].unique().to_list() == [7.0]
    again = collect(settings_for(tmp_path), source, ("BTC",), ("candles_1m",), T0, NOW, NOW, SilentProgress())
    assert [row.new_rows for row in again.rows] == [0]


@pytest.mark.parametrize(
    "stamp",
    [lambda t: t.isoformat(), lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"), lambda t: str(int(t.timestamp()) * 10**9)],
)
def test_times_may_be_iso_or_nanoseconds_and_a_bar_is_not_known_before_its_close(tmp_path, stamp):
    plain = (lambda t: stamp(t).replace("+00:00", "")) if "+" in stamp(T0) else stamp
    write_csv(tmp_path / "BTCUSDT.csv.gz", csv_rows(3, late=timedelta(seconds=-30), stamp=plain))
    rows = open_source("minute-csv", settings_for(tmp_path), tmp_path).read("candles_1m", "BTC", T0, NOW)
    assert rows["open_time"].to_list() == [T0, T0 + MINUTE, T0 + 2 * MINUTE]
    assert rows["known_at"][0] == T0 + MINUTE + timedelta(milliseconds=1)


def test_files_that_are_not_what_they_should_be_are_named(tmp_path):
    write_csv(tmp_path / "BTCUSDT.csv.gz", ["1,2"], header="a,b")
    source = open_source("minute-csv", settings_for(tmp_path), tmp_path)
    with pytest.raises(DataError, match=r"BTCUSDT\.csv\.gz lacks the columns time"):
        source.read("candles_1m", "BTC", T0, NOW)
    (tmp_path / "ETHUSDT.csv.gz").write_bytes(b"no gzip \x00\xff")
    with pytest.raises(DataError, match=r"ETHUSDT\.csv\.gz"):
        source.read("candles_1m", "ETH", T0, NOW)
    write_csv(tmp_path / "SOLUSDT.csv.gz", ["2024-05-01 00:00:00,2024-05-01 00:01:00,SOL,1,x,1,1,1,1"])
    with pytest.raises(DataError, match=r"SOLUSDT\.csv\.gz has 1 row whose high .* of line 2 is 'x'"):
        source.read("candles_1m", "SOL", T0, NOW)
    assert source.read("candles_1m", "XRP", T0, NOW) is None


def write_parquet(path, every, count, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [int((T0 + k * every).timestamp() * 1000) for k in range(count)]
    pl.DataFrame(
        {
            "ts": times,
            "open": 1.0,
            "high": 3.0,
            "low": 0.5,
            "close": [1 + k % 9 / 10 for k in range(count)],
            "volume": 5.0,
            **more,
        }
    ).write_parquet(path)


def test_a_parquet_folder_is_read_for_what_its_files_hold(tmp_path):
    write_parquet(tmp_path / "in" / "1h" / "BTC-USDT.parquet", timedelta(hours=1), 48)
    write_parquet(
        tmp_path / "in" / "1m_x" / "BTC-USDT.parquet", MINUTE, 90, quote_volume=9.0, trades=4, taker_buy_volume=2.0
    )
    write_parquet(tmp_path / "in" / "mark_1h" / "BTC-USDT.parquet", timedelta(hours=1), 48, low=0.9, high=2.0)
    (tmp_path / "in" / "funding").mkdir()
    rates = pl.DataFrame({"ts": [int(T0.timestamp() * 1000)], "funding_rate": [1e-4]})
    rates.write_parquet(tmp_path / "in" / "funding" / "BTC-USDT.parquet")
    source = open_source("parquet-folder", settings_for(tmp_path), tmp_path / "in", "binance_um")
    report = collect(settings_for(tmp_path), source, ("BTC",), source.datasets, T0, NOW, NOW, SilentProgress())
    assert report.ok, report
    given = {row.dataset: row.rows for row in report.rows if row.rows}
    assert given == {"candles_1m": 90, "candles_1h": 48, "funding": 1, "mark_1h": 48}
    assert {failure.dataset for failure in report.failures} == set(source.datasets) - set(given)
    assert not any(failure.served for failure in report.failures)  # what a folder lacks is no failure
    minute = Lake(Layout(tmp_path), venue="binance_um").scan("candles_1m", ["BTC"], T0, NOW).collect()
    assert minute.select("volume_quote", "trade_count", "taker_buy_volume").row(0) == (9.0, 4.0, 2.0)


def test_inflow_from_a_csv(tmp_path):
    (tmp_path / "in.csv").write_text("date,asset,inflow\n2024-05-01,btc,120.5\n2024-05-02,BTC,99\n2024-05-01,ETH,7\n")
    source = open_source("inflow-csv", settings_for(tmp_path), tmp_path / "in.csv")
    assert source.list_assets() == ("BTC", "ETH")
    assert collect(settings_for(tmp_path), source, ("BTC", "ETH"), ("inflow",), T0, NOW, NOW, SilentProgress()).ok
    rows = Lake(Layout(tmp_path)).scan("inflow", ["BTC"], T0, NOW).collect()
    assert rows["inflow"].to_list() == [120.5, 99.0]
    assert rows["known_at"][0] == T0 + timedelta(days=1, milliseconds=1)


def test_inflow_from_cryptoquant():
    with serving() as web:
        days = [{"date": "2024-05-01", "inflow_total": 12.5}, {"date": "2024-05-02", "inflow_total": "13"}]
        web.files["/v1/btc/exchange-flows/inflow"] = json.dumps({"result": {"data": days}}).encode()
        source = CryptoQuant(Http(0, 5.0, headers={"Authorization": "Bearer k"}), web.url)
        assert source.read("inflow", "BTC", T0, NOW)["inflow"].to_list() == [12.5, 13.0]
        with pytest.raises(NotServedError, match="inflow of BTC and ETH only"):  # which is no failure of the coin
            source.read("inflow", "SOL", T0, NOW)
        web.files["/v1/eth/exchange-flows/inflow"] = b'{"result": {"data": []}}'
        assert source.read("inflow", "ETH", T0, NOW) is None
        web.files["/v1/eth/exchange-flows/inflow"] = b'{"status": "denied"}'
        with pytest.raises(VenueAnswerError, match="denied"):
            source.read("inflow", "ETH", T0, NOW)


def test_a_source_that_does_not_exist_or_lacks_its_folder_is_refused(tmp_path):
    settings = settings_for(tmp_path)
    with pytest.raises(UnknownNameError, match="binance-archive"):
        open_source("binance", settings)
    with pytest.raises(ConfigError, match="no --folder"):
        open_source("minute-csv", settings)
    with pytest.raises(ConfigError, match="no folder"):
        open_source("parquet-folder", settings, tmp_path / "nowhere").list_assets()
    with pytest.raises(ConfigError, match="whose rows belong to binance_um"):
        open_source("binance-archive", settings, None, "mine")
    documented = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    assert [name for name in OFFERS if f"`{name}`" not in documented] == [], "add a row to docs/sources.md"


@pytest.mark.recorded
def test_recorded_hours_of_another_venue_become_features(tmp_path):
    if not RECORDED:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded candles")
    from feature_repo.offline_files import locate_view, scan_view
    from ingestion.pipeline import publish_features

    settings = Settings(
        home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH", "SOL")), features={"venue": "binance_um"}
    )
    folder = Path(RECORDED) / "binance_um"
    since, until = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    for part, name in (("1h", "candles_1h"), ("funding", "funding")):
        source = open_source("parquet-folder", settings, folder / part, "binance_um")
        report = collect(
            settings, source, ("BTC", "ETH", "SOL"), (name,), since, until, until + timedelta(days=5), SilentProgress()
        )
        assert report.ok, report
    published = publish_features(settings, until, until + timedelta(days=5), SilentProgress())
    assert not published.quarantined
    from feature_repo.catalog import PAIR_HOURLY

    rows = scan_view(Layout(tmp_path), PAIR_HOURLY).collect()
    assert rows.height == 3 * (31 * 24 - 199)
    assert rows["base_funding"].null_count() == 0
    assert locate_view(Layout(tmp_path), PAIR_HOURLY).is_dir()
