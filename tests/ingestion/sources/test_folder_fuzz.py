"""Whatever a folder holds: the exact bars come out, or a refusal that names file, value and remedy."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.folders import CsvFolder, ParquetFolder
from ingestion.sources.inflow_sheet import InflowCsv
from ingestion.sources.protocol import NotServedError
from pairity.errors import DataError, PairityError
from tests.examples import examples
from tests.ingestion.sources.folder_files import HOUR, MINUTE, NAMES, T0, T1, bars, micro
from tests.ingestion.sources.folder_files import given as candles_of
from tests.oracles.sheet_rows import read_sheet

FIRST = datetime(2009, 1, 1, tzinfo=UTC)
TIMES = {
    "ISO": lambda at: at.isoformat(),
    "naive": lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
    "slashes": lambda at: at.strftime("%Y/%m/%d %H:%M"),
    "east": lambda at: (at + 5.5 * HOUR).strftime("%Y-%m-%dT%H:%M:%S+05:30"),
    "s": lambda at: str(micro(at) // 1_000_000),
    "ms": lambda at: str(micro(at) // 1000),
    "us": lambda at: str(micro(at)),
    "ns": lambda at: str(micro(at) * 1000),
}
GROUPS = {".": ("", ",", " ", "'"), ",": ("", ".", "\u00a0")}


@st.composite
def sheets(draw):
    """A sound sheet: step, separator, decimal sign, cells."""
    separator, sign = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.sampled_from(".,"))
    group, form = draw(st.sampled_from(GROUPS[sign])), TIMES[draw(st.sampled_from(sorted(TIMES)))]
    step, count = draw(st.sampled_from([MINUTE, HOUR])), draw(st.integers(3, 12))
    rows = bars(count, step)
    order = draw(st.permutations(rows)) + draw(st.lists(st.sampled_from(rows), max_size=2))

    def write(value):
        return f"{value:,.3f}".replace(",", "G").replace(".", sign).replace("G", group)

    lines = [[form(row[0]), *(write(value) for value in row[1:])] for row in order]
    return step, separator, sign, [["ts", *NAMES], *lines]


def text_of(separator, cells, bom=""):
    lines = (separator.join(f'"{cell}"' if set(cell) & set(",;\t|") else cell for cell in line) for line in cells)
    return bom + "\n".join(lines) + "\n"


def attempt(read, *arguments):
    """Rows, None or the refusal that came of reading."""
    try:
        return read(*arguments)
    except PairityError as error:
        return error


def require_named(error, name):
    assert isinstance(error, DataError)
    assert name in error.what
    assert error.remedy
    assert len(str(error)) < 700


def read(step, text):
    dataset, length = ("candles_1m", "1m") if step == MINUTE else ("candles_1h", "1h")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / length / "BTC-USDT.csv"
        path.parent.mkdir()
        path.write_bytes(text.encode())
        source = CsvFolder(Path(folder))
        return attempt(source.read, dataset, "BTC", FIRST, T1), source.remarks.list()


@given(sheets(), st.sampled_from(["", "\ufeff"]))
@settings(max_examples=examples(40), deadline=None)
def test_a_sound_sheet_is_its_bars(sheet, bom):
    step, separator, sign, cells = sheet
    text = text_of(separator, cells, bom)
    rows, _ = read(step, text)
    assert candles_of(rows) == read_sheet(text, separator, sign)


ODD_CELLS = st.one_of(
    st.text("0123456789.,-+eE:TZ/ '", max_size=14),
    st.sampled_from(["", "-", "NaN", "1e5", "12,5", "1.234", "1,234", "inf", "=1+1", "١٢", "½", "\u202e1", "x" * 60]),
    st.sampled_from(["01/05/2024", "2024-05-01", "2024-02-30", "2024-05-01 00:00:60", "2024-05-01T02:00:00Z"]),
    st.sampled_from(["1714521600", "1714521600000", "9" * 20, "2024-05-01T00:00:00+25:00", "0x1F", "1_0", "1 2"]),
)


@given(sheets(), st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5), ODD_CELLS), min_size=1, max_size=3))
@settings(max_examples=examples(80), deadline=None)
def test_a_sheet_with_odd_cells_is_its_exact_bars_or_a_refusal(sheet, odd):
    step, separator, sign, cells = sheet
    for line, place, cell in odd:
        cells[min(line, len(cells) - 1)][place] = cell
    text = text_of(separator, cells)
    rows, remarks = read(step, text)
    if isinstance(rows, pl.DataFrame):
        assert sorted(candles_of(rows)) == [row for row in read_sheet(text, separator, sign) if row[0] < T1]
    elif rows is None:
        assert remarks
    else:
        require_named(rows, "BTC-USDT.csv")


def require_answers(source, name):
    """Every dataset is rows, a refusal, or told in another way; not all of them are elsewhere."""
    answers = [attempt(source.read, dataset, "BTC", FIRST, T1) for dataset in source.datasets]
    for answer in answers:
        if isinstance(answer, PairityError) and not isinstance(answer, NotServedError):
            require_named(answer, name)
        assert answer is not None or source.remarks.list()
    assert not all(isinstance(answer, NotServedError) for answer in answers)


@given(st.binary(max_size=300) | st.text('ts,open;\n\t|0123456789.-" \r', max_size=200).map(str.encode))
@settings(max_examples=examples(100), deadline=None)
def test_any_bytes_are_rows_a_remark_or_a_refusal(content):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("BTC-USDT.csv", "BTC-USDT.parquet", "BTC-USDT.csv.gz"):
            (folder / file).write_bytes(content)
        for source in (CsvFolder(folder), ParquetFolder(folder)):
            require_answers(source, "BTC-USDT")
        require_named(attempt(InflowCsv(folder / "BTC-USDT.csv").read, "inflow", "BTC", T0, T1), "BTC-USDT.csv")


COLUMNS = st.sampled_from(["ts", *NAMES, "funding_rate", "price", "size", "side", "trade_id"])
KINDS = (pl.Int64, pl.Float64, pl.Float32, pl.String, pl.Datetime("ms"), pl.Date, pl.Boolean, pl.UInt32)
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**40), 2**62),
    st.floats(),
    st.sampled_from([micro(T0) // 1000, micro(T0) // 1_000_000, 100]),
)


@given(st.data(), st.integers(1, 6))
@settings(max_examples=examples(100), deadline=None)
def test_any_table_is_rows_a_remark_or_a_refusal(data, height):
    columns = {}
    for name in data.draw(st.sets(COLUMNS, min_size=1)):
        values = data.draw(st.lists(VALUES, min_size=height, max_size=height), name)
        own = pl.Series(name, values, strict=False)
        columns[name] = own.cast(data.draw(st.sampled_from(KINDS), name), strict=False)
    with tempfile.TemporaryDirectory() as name:
        pl.DataFrame(columns).write_parquet(Path(name) / "BTC-USDT.parquet")
        require_answers(ParquetFolder(Path(name)), "BTC-USDT.parquet")
