"""Files that were made to break their reader: each is refused with its name, and nothing raw comes out."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources import binance_files
from ingestion.sources.binance_archive import BinanceArchive
from ingestion.sources.bounded_archives import gunzip, unzip_one
from ingestion.sources.bounded_csv import _longest_line, read_texts
from ingestion.sources.folders import MinuteCsv, ParquetFolder
from ingestion.sources.http import Http
from ingestion.sources.inflow_sheet import InflowCsv
from pairity.bounded_numbers import OutOfBoundsError
from pairity.bounded_parquet import TableLimits, read_table
from pairity.errors import DataError, PairityError, VenueAnswerError
from paper_exchange.market.recordings import survey
from tests.examples import examples
from tests.ingestion.sources.hostile_files import CSVS, GZIPS, PARQUETS, ZIPS, candles, kline_csv, parquet, zipped
from tests.ingestion.sources.web import serving

MARCH, APRIL = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
ARCHIVE = "/data/futures/um/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-03.zip"
MINUTES_HEADER = b"origin_time,received_time,symbol,open,high,low,close,volume,trades\n"


@pytest.fixture(scope="module")
def web():
    with serving() as running:
        yield running


def read_month(web, archive):
    web.files[ARCHIVE] = archive
    web.files[f"{ARCHIVE}.CHECKSUM"] = f"{hashlib.sha256(archive).hexdigest()}  name.zip\n".encode()
    return BinanceArchive(Http(0, 5.0), web.url).read("candles_1h", "BTC", MARCH, APRIL)


@pytest.mark.parametrize("trick", ZIPS)
def test_an_archive_that_is_not_one_csv_is_refused(web, trick):
    make, says = ZIPS[trick]
    with pytest.raises(VenueAnswerError, match=says) as caught:
        read_month(web, make())
    assert ARCHIVE in str(caught.value)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable() or "\n  → " in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("trick", CSVS)
def test_a_table_that_is_no_month_of_candles_is_refused(web, trick):
    csv, says = CSVS[trick]
    with pytest.raises(VenueAnswerError, match=says) as caught:
        read_month(web, zipped(("rows.csv", csv)))
    assert len(str(caught.value)) < 600


def test_a_sound_archive_is_read(web):
    rows = read_month(web, zipped(("rows.csv", kline_csv())))
    assert rows.height == 24


def test_a_month_of_trades_beyond_the_limit_is_read_by_the_day(web, monkeypatch):
    small = binance_files.FileLimits(size=400, expanded=100_000, rows=1000)
    monkeypatch.setattr(binance_files, "OF_TRADES", small)
    day = b"1,100,1,1,1,1709251200000,true\n2,101,1,2,2,1709251260000,false\n"
    folder = "/data/futures/um/{}/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{}.zip"
    for path, content in (
        (folder.format("monthly", "2024-03"), os.urandom(500)),
        (folder.format("daily", "2024-03-01"), zipped(("rows.csv", day))),
    ):
        web.files[path] = content
        web.files[f"{path}.CHECKSUM"] = hashlib.sha256(content).hexdigest().encode()
    source = BinanceArchive(Http(0, 5.0), web.url)
    answer = source.read("trade_bars_1m", "BTC", MARCH, MARCH + timedelta(days=2))
    assert answer.rows["close"].to_list() == [100.0, 101.0]
    assert answer.proven == ((MARCH, MARCH + timedelta(days=1)),)  # the second day has no archive


@pytest.mark.parametrize("trick", GZIPS)
def test_a_gzip_file_that_is_no_table_is_refused(tmp_path, trick):
    make, says = GZIPS[trick]
    (tmp_path / "BTCUSDT.csv.gz").write_bytes(make())
    with pytest.raises(DataError, match=says) as caught:
        MinuteCsv(tmp_path).read("candles_1m", "BTC", MARCH, APRIL)
    assert "BTCUSDT.csv.gz" in str(caught.value)


@pytest.mark.parametrize("trick", PARQUETS)
def test_a_recorded_file_that_is_none_is_refused(tmp_path, trick):
    make, says = PARQUETS[trick]
    (tmp_path / "BTC-USDT.parquet").write_bytes(make())
    with pytest.raises(DataError, match=says) as caught:
        read_folder(tmp_path)
    assert "BTC-USDT.parquet" in str(caught.value)
    assert len(str(caught.value)) < 600


def read_folder(folder):
    return ParquetFolder(folder).read("candles_1h", "BTC", MARCH, APRIL)


def test_links_that_lead_out_and_files_that_are_none_are_refused(tmp_path):
    folder, outside = tmp_path / "data", tmp_path / "outside.parquet"
    folder.mkdir()
    outside.write_bytes(parquet(candles()))
    place = folder / "BTC-USDT.parquet"
    place.symlink_to(outside)
    with pytest.raises(DataError, match="is a link that leads out"):
        read_folder(folder)
    place.unlink()
    (folder / "own").write_bytes(parquet(candles()))
    place.symlink_to("own")
    assert read_folder(folder).height == 48
    for make in (os.mkfifo, os.mkdir):
        place.unlink()
        make(place)
        with pytest.raises(DataError, match="a folder, a pipe or a device"):
            read_folder(folder)
        place = folder / "ETH-USDT.parquet" if make is os.mkdir else place


@pytest.mark.parametrize("link", ["sub", "deep/sub"])
def test_folders_that_lead_out_are_refused(tmp_path, link):
    folder, outside = tmp_path / "data", tmp_path / "outside"
    for place in (folder / "1h", outside, outside / "sub"):
        place.mkdir(parents=True)
        (place / "BTC-USDT.parquet").write_bytes(parquet(candles()))
    survey(folder)
    assert ParquetFolder(folder).read("candles_1h", "BTC", MARCH, APRIL).height == 48
    (folder / "1m_x").symlink_to(outside if link == "sub" else outside / "sub")
    with pytest.raises(PairityError, match="is a link that leads out"):
        survey(folder)
    beside = ParquetFolder(folder).read("candles_1h", "BTC", MARCH, APRIL)
    assert "is a link that leads out" in beside.left_out[0]
    assert (beside.rows.height, beside.proven) == (48, ())
    (folder / "1h" / "BTC-USDT.parquet").unlink()
    with pytest.raises(PairityError, match="is a link that leads out"):
        ParquetFolder(folder).read("candles_1h", "BTC", MARCH, APRIL)


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "BTC-USDT.parquet").symlink_to("BTC-USDT.parquet")
    for read in (read_folder, survey):
        with pytest.raises(PairityError, match=r"is a link that leads out|cannot be opened"):
            read(tmp_path)


@pytest.mark.parametrize(
    "name", ["ſol-USDT", "ıcp-USDT", "ﬁl-USDT", "ß-usdt", "btc\u200b-usdt", "ＢＴＣ-USDT"], ids=ascii
)
def test_letters_that_become_latin_ones_in_capitals_are_no_names(tmp_path, name):
    (tmp_path / f"{name}.parquet").write_bytes(parquet(candles()))
    (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(MINUTES_HEADER))
    for source in (ParquetFolder(tmp_path), MinuteCsv(tmp_path)):
        with pytest.raises(DataError, match="is no name of an asset") as caught:
            source.list_assets()
        assert caught.value.what.isascii()


@pytest.mark.parametrize(
    "make", [lambda: gzip.compress(b"") * 200_000, lambda: bytes(10_000_000)], ids=["ends", "zeros"]
)
def test_a_gzip_of_many_small_things_takes_little_time(make):
    content = make()
    began = time.thread_time()
    with pytest.raises(OutOfBoundsError):
        gunzip(content, 1 << 30)
    assert time.thread_time() - began < 3.0


@given(st.binary(max_size=200), st.integers(0, 40_000), st.integers(0, 40_000))
def test_padding_between_members_is_stepped_over(content, between, behind):
    packed = gzip.compress(content)
    assert gunzip(packed + bytes(between) + packed + bytes(behind), 400) == 2 * content


def test_values_count_as_what_they_become():
    """A run of equal values takes some bytes in its page, and eight for each in its column."""
    rows = 10_000
    whole = parquet(candles(rows), compression="zstd")
    assert read_table(whole, TableLimits(expanded=8 * 6 * rows + 200_000)).height == rows
    with pytest.raises(OutOfBoundsError, match="expands to more bytes than the limit of 479999"):
        read_table(whole, TableLimits(expanded=8 * 6 * rows - 1))


def test_pages_are_counted():
    whole = parquet(candles(), use_dictionary=False)
    assert read_table(whole, TableLimits(pages=6)).height == 48
    with pytest.raises(OutOfBoundsError, match="has more pages than the limit of 5"):
        read_table(whole, TableLimits(pages=5))


def test_a_name_that_is_a_pattern_is_refused(tmp_path):
    for name in ("[AB]*-USDT.parquet", "A-USDT.parquet", "B-USDT.parquet"):
        (tmp_path / name).write_bytes(parquet(candles()))
    with pytest.raises(DataError, match="no name of an asset"):
        ParquetFolder(tmp_path).read("candles_1h", "[AB]*", MARCH, APRIL)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"date,asset,inflow\n2024-03-01,BTC,1e400\n", "inflow of line 2 is '1e400'"),
        (b"date,asset,inflow\n2024-03-01,BTC,x\n", "is not a number: inflow of line 2 is 'x'"),
        (b"date,asset,inflow\nyesterday,BTC,1\n", "cannot be read"),
        (b"date,asset,inflow\n99999-03-01,BTC,1\n", "cannot be read"),
        (b"date,asset\n", "lacks the columns inflow"),
        (b"\xff\xfe\n", "UTF-8"),
        (b'date,asset,inflow\n"2024-03-01,BTC,1\n' + b"x,y,z\n" * 10, "holds no table|cannot be read|not numbers"),
    ],
)
def test_inflows_that_are_none_are_refused(tmp_path, content, says):
    (tmp_path / "inflow.csv").write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        InflowCsv(tmp_path / "inflow.csv").read("inflow", "BTC", MARCH, APRIL)
    assert "inflow.csv" in str(caught.value)


SOUND_ZIP = zipped(("rows.csv", kline_csv()))
SOUND_GZIP = gzip.compress(MINUTES_HEADER + b"2024-03-01T00:00:00Z,2024-03-01T00:01:00Z,BTC,1,2,1,2,3,4\n" * 3, mtime=0)
SOUND_PARQUET = parquet(candles())
DAMAGE = st.lists(
    st.tuples(st.sampled_from(["set", "cut", "insert", "repeat"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=4,
)


def damaged(content, damage):
    out = bytearray(content)
    for kind, where, data in damage:
        at = int(where * max(len(out) - 1, 0))
        if kind == "set":
            out[at : at + len(data)] = data
        elif kind == "cut":
            del out[at : at + len(data) * 8]
        elif kind == "insert":
            out[at:at] = data
        else:
            out[at:at] = out[at : at + 64] * data[0]
    return bytes(out)


@settings(max_examples=150, deadline=None)
@given(DAMAGE)
def test_any_damage_of_an_archive_is_a_table_or_a_refusal(damage):
    with suppress(PairityError):
        csv = binance_files.unzip_csv(damaged(SOUND_ZIP, damage), "x")
        binance_files.read_klines(csv, "candles_1h", "x")


@settings(max_examples=examples(300), deadline=None)
@given(DAMAGE)
def test_any_damage_of_a_table_is_a_table_or_a_refusal(damage):
    csv = damaged(kline_csv(), damage)
    for read in (
        lambda: binance_files.read_klines(csv, "candles_1h", "x"),
        lambda: binance_files.read_funding(csv, "x"),
        lambda: binance_files.read_trade_bars(csv, "x", [].append),
    ):
        with suppress(VenueAnswerError):
            read()


@settings(max_examples=examples(200), deadline=None)
@given(DAMAGE)
def test_any_damage_of_a_recorded_file_is_rows_or_a_refusal(tmp_path_factory, damage):
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "BTC-USDT.parquet").write_bytes(damaged(SOUND_PARQUET, damage))
    (folder / "BTCUSDT.csv.gz").write_bytes(damaged(SOUND_GZIP, damage))
    with suppress(DataError):
        read_folder(folder)
    with suppress(DataError):
        MinuteCsv(folder).read("candles_1m", "BTC", MARCH, APRIL)


@given(st.binary(max_size=300), st.integers(1, 64))
def test_a_gzip_of_several_members_is_their_content(content, cut):
    whole = b"".join(gzip.compress(content[at : at + cut]) for at in range(0, len(content), cut))
    assert gunzip(whole, len(content)) == content
    if content:
        with pytest.raises(OutOfBoundsError):
            gunzip(whole, len(content) - 1)


@given(st.binary(max_size=2000))
def test_a_zip_member_is_its_content(content):
    assert unzip_one(zipped(("rows.csv", content)), ".csv", len(content)) == content


@given(st.text("a\n", max_size=60))
def test_the_longest_line_is_that_of_split(text):
    assert _longest_line(text.encode()) == max(map(len, text.split("\n")))


@given(st.lists(st.lists(st.from_regex(r"[a-z0-9.]{1,8}", fullmatch=True), min_size=3, max_size=3), min_size=1))
def test_texts_are_those_of_split(rows):
    csv = "".join(",".join(row) + "\n" for row in rows).encode()
    assert read_texts(csv, len(rows), has_header=False).rows() == [tuple(row) for row in rows]


_CHILD = """
import json, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from ingestion.sources.folders import MinuteCsv, ParquetFolder
from ingestion.sources import binance_files
from pairity.errors import PairityError
import polars, pyarrow.parquet

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def attempt(read):
    try:
        return str(read())[:80]
    except PairityError as error:
        return type(error).__name__

folder, since, until = Path(sys.argv[1]), datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
before, said = peak(), {}
for path in sorted(folder.iterdir()):
    if path.suffix == ".zip":
        said[path.name] = attempt(lambda: binance_files.unzip_csv(path.read_bytes(), path.name))
    elif path.suffix == ".parquet":
        said[path.name] = attempt(lambda: ParquetFolder(folder).read("candles_1h", "ROWS", since, until))
print(json.dumps({"grown": peak() - before, "said": said}))
"""


@pytest.mark.slow
def test_bombs_take_no_memory(tmp_path):
    """Peak of a process of its own: a gigabyte in a megabyte, and a billion rows in a file of some kilobytes."""
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("rows.csv", "w") as file,
    ):
        for _ in range(1400):
            file.write(b"0" * (1 << 20))
    (tmp_path / "lying.zip").write_bytes(ZIPS["bomb with a small claim"][0]())
    (tmp_path / "rows-USDT.parquet").write_bytes(PARQUETS["millions of equal rows"][0]())
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    told = json.loads(done.stdout)
    assert set(told["said"].values()) <= {"TooLargeError", "VenueAnswerError", "DataError"}
    assert told["grown"] < 200


def test_nothing_polars_holds_is_a_surprise(tmp_path):
    """Values that are no prices are not refused here: validation withholds them, row by row."""
    table = pl.from_arrow(candles(3)).with_columns(open=pl.Series([float("nan"), float("inf"), 1.0]))
    table.write_parquet(tmp_path / "BTC-USDT.parquet")
    assert read_folder(tmp_path).height == 3
