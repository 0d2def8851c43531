"""An archive of Binance on a local server: what tests put there, and a collection from it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta

from ingestion.sources.binance_archive import BinanceArchive
from ingestion.sources.http import Http
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.ingestion.sources.collecting import collect

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
NOW = datetime(2024, 4, 3, 12, tzinfo=UTC)
HEADER = (
    b"open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,"
    b"ignore\n"
)
FOLDER = "/data/futures/um/{span}/klines/BTCUSDT/1h/BTCUSDT-1h-{period}.zip"


def kline_rows(first, hours, micro=False):
    lines = []
    for hour in range(hours):
        at = int((first + timedelta(hours=hour)).timestamp()) * (1_000_000 if micro else 1_000)
        price = 100 + hour % 50
        lines.append(f"{at},{price},{price + 2},{price - 2},{price + 1},10.5,{at},1060.5,42,4.5,450.5,0")
    return ("\n".join(lines) + "\n").encode()


def zipped(csv, name="rows.csv"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, csv)
    return buffer.getvalue()


def put(web, path, archive, checksum=None):
    web.files[path] = archive
    web.files[f"{path}.CHECKSUM"] = f"{checksum or hashlib.sha256(archive).hexdigest()}  name.zip\n".encode()


def source_of(web, market="um", retries=2, waits=None, **more):
    sleep = (lambda _: None) if waits is None else waits.append
    return BinanceArchive(Http(retries, 5.0, sleep=sleep), web.url, market, **more)


def settings_for(home):
    return Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")))


def run(web, home, *, assets=("BTC",), datasets=("candles_1h",), since=MARCH, until=NOW, source=None, **more):
    return collect(
        settings_for(home), source or source_of(web), assets, datasets, since, until, NOW, SilentProgress(), **more
    )
