"""Archives and tables as somebody would make them who wants their reader to fall over: name → bytes."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

HOUR_MS = 3_600_000
FIRST_MS = 1_709_251_200_000  # 2024-03-01
MIB = 1 << 20


def kline_csv(hours: int = 24) -> bytes:
    """Rows of Binance's klines, hour by hour from 2024-03-01."""
    lines = (f"{FIRST_MS + hour * HOUR_MS},100,102,98,101,10.5,1,1060.5,42,4.5,450.5,0\n" for hour in range(hours))
    return "".join(lines).encode()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def _bomb(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("rows.csv", "w") as file:
        for _ in range(size // MIB):
            file.write(b"0" * MIB)
    return buffer.getvalue()


def _link() -> bytes:
    info = zipfile.ZipInfo("rows.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped((info, b"/etc/passwd"))


def _patched(archive: bytes, local: tuple[int, bytes], central: tuple[int, bytes]) -> bytes:
    """Overwrite fields of the local header and of the directory's entry of the only member."""
    out = bytearray(archive)
    for start, (offset, value) in ((0, local), (archive.rfind(b"PK\x01\x02"), central)):
        out[start + offset : start + offset + len(value)] = value
    return bytes(out)


def _overlapping(count: int) -> bytes:
    """Directory entries that all point at one member: each expands the same bytes again."""
    archive = zipped(("rows.csv", b"0" * MIB))
    directory = archive.rfind(b"PK\x01\x02")
    end = archive.rfind(b"PK\x05\x06")
    entries = archive[directory:end] * count
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), directory, 0)
    return archive[:directory] + entries + tail


def _lying_size() -> bytes:
    """A directory that says 100 bytes, and a member that expands to 64 MiB."""
    small = struct.pack("<L", 100)
    return _patched(_bomb(64 * MIB), (22, small), (24, small))


ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no whole ZIP"),
    "a page": (lambda: b"<html>no such key</html>", "no whole ZIP"),
    "empty": (zipped, "holds 0 files"),
    "bomb": (lambda: _bomb(96 * MIB), "expands to 100663296 bytes, more than the limit"),
    "bomb with a small claim": (_lying_size, "ZIP"),
    "overlapping members": (lambda: _overlapping(3), "holds 3 files instead of one .csv"),
    "thousands of entries": (lambda: _overlapping(5_000), "holds more than 8 files"),
    "many members": (lambda: zipped(*((f"{n}.csv", b"1") for n in range(1000))), "holds more than 8 files"),
    "two members": (lambda: zipped(("a.csv", kline_csv()), ("b.csv", kline_csv())), "holds 2 files"),
    "a second name": (lambda: zipped(("a.csv", kline_csv()), ("readme.txt", b"hi")), "holds 2 files"),
    "nested": (lambda: zipped(("rows.csv", _bomb(8 * MIB))), "more than the limit of 4096|begins with|NUL|UTF-8"),
    "nested under its name": (lambda: zipped(("rows.zip", _bomb(MIB))), "instead of one .csv"),
    "path upwards": (lambda: zipped(("../../rows.csv", kline_csv())), "instead of one .csv"),
    "absolute path": (lambda: zipped(("/etc/cron.d/rows.csv", kline_csv())), "instead of one .csv"),
    "backslashes": (lambda: zipped(("..\\rows.csv", kline_csv())), "instead of one .csv"),
    "drive": (lambda: zipped(("C:rows.csv", kline_csv())), "instead of one .csv"),
    "escape sequence": (lambda: zipped(("\x1b[2J.csv", kline_csv())), "instead of one .csv"),
    "hidden": (lambda: zipped((".csv", kline_csv())), "instead of one .csv"),
    "folder": (lambda: zipped(("rows.csv/", b"")), "instead of one .csv"),
    "link": (_link, "which is a link"),
    "encrypted": (
        lambda: _patched(zipped(("rows.csv", kline_csv())), (6, b"\x01\x00"), (8, b"\x01\x00")),
        "which is encrypted",
    ),
    "bzip2": (lambda: zipped(("rows.csv", kline_csv()), method=zipfile.ZIP_BZIP2), "not deflate"),
    "LZMA": (lambda: zipped(("rows.csv", kline_csv()), method=zipfile.ZIP_LZMA), "not deflate"),
    "unknown method": (
        lambda: _patched(zipped(("rows.csv", kline_csv())), (8, b"\x61\x00"), (10, b"\x61\x00")),
        "compressed by method 97",
    ),
    "wrong checksum": (
        lambda: _patched(zipped(("rows.csv", kline_csv())), (14, b"\0\0\0\0"), (16, b"\0\0\0\0")),
        "CRC",
    ),
    "other name in the member": (
        lambda: _patched(zipped(("rows.csv", kline_csv())), (30, b"evil"), (46, b"rows")),
        "ZIP",
    ),
    "cut": (lambda: zipped(("rows.csv", kline_csv()))[:-40], "no whole ZIP"),
    "directory outside": (
        lambda: zipped(("rows.csv", kline_csv()))[:-6] + struct.pack("<LH", 0x7FFFFFFF, 0),
        "ZIP",
    ),
}
"""Archives in place of a month of candles, and what is said about each."""

CSVS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "holds no table"),
    "a page": (b"<html>", "begins with '<html>'"),
    "too many rows": (b"1\n" * 60_000, "has 60000 lines, more than the limit of 50000"),
    "huge line": (b"1" * 5_000_000 + b"\n", "a line of 5000000 bytes, more than the limit of 4096"),
    "huge line at the end": (kline_csv() + b"1" * 10_000, "a line of 10000 bytes"),
    "huge number": (kline_csv().replace(b"102", b"9" * 3_000, 1), "not numbers"),
    "large exponent": (kline_csv().replace(b"102", b"1e1000000", 1), "high of row 1 is '1e1000000'"),
    "infinity": (kline_csv().replace(b"102", b"inf", 1), "high of row 1 is 'inf'"),
    "NaN": (kline_csv().replace(b"102", b"nan", 1), "high of row 1 is 'nan'"),
    "empty field": (kline_csv().replace(b"102", b"", 1), "high of row 1 is empty"),
    "underscores": (kline_csv().replace(b"102", b"1_02", 1), "not numbers"),
    "NUL": (kline_csv().replace(b"102", b"1\x0002", 1), "NUL bytes"),
    "invalid UTF-8": (kline_csv().replace(b"102", b"\xff\xfe", 1), "is not UTF-8"),
    "other digits": (kline_csv().replace(b"102", "١٠٢".encode(), 1), "not numbers"),
    "quotes": (kline_csv().replace(b"102", b'"102', 1), "not numbers"),
    "formula": (kline_csv().replace(b"102", b"=cmd|calc", 1), "not numbers"),
    "too few columns": (b"1,2,3\n", "3 columns instead of 12"),
    "thousand columns": (b"1" + b",1" * 1_000 + b"\n", "1001 columns, more than the limit of 64"),
    "ragged": (kline_csv() + b"1,2\n1," + b"2," * 14 + b"\n", "holds no table"),
    "year 300000": (kline_csv().replace(str(FIRST_MS).encode(), b"9223372036854775807", 1), "is no instant"),
    "before 1970": (kline_csv().replace(str(FIRST_MS).encode(), b"-5", 1), "begins with '-5,100"),
    "fraction of a ms": (kline_csv().replace(str(FIRST_MS).encode(), b"1.5", 1), "is no instant"),
}
"""Tables in place of a month of candles, and what is said about each."""

GZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no table"),
    "no gzip": (lambda: b"origin_time\n", "no whole gzip"),
    "bomb": (lambda: gzip.compress(bytes(MIB)) * 65, "expands more than 100 times"),
    "cut": (lambda: gzip.compress(b"a,b\n" * 1000)[:-9], "is cut"),
    "wrong checksum": (lambda: gzip.compress(b"a,b\n")[:-8] + bytes(8), "no whole gzip"),
    "nested": (lambda: gzip.compress(gzip.compress(b"a,b\n")), "NUL bytes|UTF-8|lacks the columns"),
    "text behind it": (lambda: gzip.compress(b"a,b\n") + b"more", "no whole gzip"),
    "huge line": (lambda: gzip.compress(b"a" * 100_000), "more than the limit of 4096"),
    "other columns": (lambda: gzip.compress(b"a,b\n1,2\n"), "lacks the columns time"),
}


def candles(rows: int = 48, **columns: pa.Array) -> pa.Table:
    """Candles as a recorded file has them, with columns replaced or added."""
    own = {"ts": pa.array(range(FIRST_MS, FIRST_MS + rows * HOUR_MS, HOUR_MS), pa.int64())}
    own |= {name: pa.array([100.0] * rows) for name in ("open", "high", "low", "close", "volume")}
    return pa.table({**own, **columns})


def parquet(table: pa.Table, **options: object) -> bytes:
    """The table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def _runs(groups: int) -> bytes:
    """Millions of equal rows in some kilobytes."""
    schema = pa.schema([("ts", pa.int64()), *((name, pa.float64()) for name in ("open", "high", "low", "close"))])
    rows = 1_000_000
    same = pa.repeat(pa.scalar(1.0), rows)
    batch = pa.table([pa.repeat(pa.scalar(FIRST_MS), rows), same, same, same, same], schema=schema)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(batch, row_group_size=rows)
    return buffer.getvalue()


def _footer_of(size: int) -> bytes:
    whole = parquet(candles())
    return whole[:-8] + struct.pack("<L", size) + b"PAR1"


def _with(**columns: list[object]) -> bytes:
    rows = len(next(iter(columns.values())))
    return parquet(candles(rows, **{name: pa.array(values) for name, values in columns.items()}))


PARQUETS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no Parquet file"),
    "text": (lambda: b"ts,open\n" * 100, "no Parquet file"),
    "cut": (lambda: parquet(candles())[:-20], "no Parquet file"),
    "beginning lost": (lambda: parquet(candles())[30:], "no Parquet file"),
    "footer larger than the file": (lambda: _footer_of(1 << 31), "metadata of 2147483648 bytes"),
    "footer of nothing": (lambda: _footer_of(0), "cannot be read as Parquet|rows"),
    "millions of equal rows": (lambda: _runs(11), "has 11000000 rows, more than the limit of 10000000"),
    "nested": (lambda: _with(open=[[1.0], [2.0]]), "nested column 'open.list.element'"),
    "deep": (lambda: _with(open=[[[[[1.0]]]], [[[[2.0]]]]]), "nested column"),
    "structure": (lambda: _with(open=[{"a": 1.0}, {"a": 2.0}]), "nested column 'open.a'"),
    "texts for prices": (lambda: _with(open=["1", "2"]), "'open' as BYTE_ARRAY, which is no number"),
    "words for times": (
        lambda: _with(ts=["yesterday", "2024-03-02"]),
        "time cannot be read: ts of row 1 is 'yesterday'",
    ),
    "hundreds of columns": (
        lambda: parquet(candles(2, **{f"c{n}": pa.array([1, 2]) for n in range(300)})),
        "has 306 columns, more than the limit of 256",
    ),
    "no times": (lambda: _with(ts=[None, None]), "has no times"),
    "mixed units": (
        lambda: _with(ts=[FIRST_MS, 1_709_254_800, FIRST_MS + 2 * HOUR_MS]),
        "1 row not in milliseconds like the others: ts of row 2 is 1709254800, which looks like seconds",
    ),
    "extreme times": (
        lambda: _with(ts=[FIRST_MS, 2**63 - 1]),
        "ts of row 2 is 9223372036854775807, which is no instant",
    ),
    "negative times": (
        lambda: _with(ts=[-(2**63), FIRST_MS]),
        "ts of row 1 is -9223372036854775808, which is no instant",
    ),
    "broken times": (lambda: _with(ts=[float("nan"), float(FIRST_MS)]), "ts of row 1 as nan, which is no time"),
    "no prices": (lambda: parquet(candles().drop_columns(["close"])), "lacks the columns close"),
    "names twice": (lambda: parquet(_twice()), "has the column 'open' twice|no Parquet"),
}
"""Files in place of recorded candles, and what is said about each."""


def _twice() -> pa.Table:
    table = candles(2)
    return table.append_column("open", pa.array([1.0, 2.0]))
