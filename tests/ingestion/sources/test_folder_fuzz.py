"""Whatever a folder holds: the exact bars come out, or a refusal that names file, value and remedy."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.folders import CsvFolder, ParquetFolder
from ingestion.sources.inflow_sheet import InflowCsv
from ingestion.sources.protocol import NotServedError
from pairity.errors import DataError
from tests.ingestion.sources.folder_files import HOUR, MINUTE, NAMES, T0, T1, bars, micro
from tests.ingestion.sources.folder_files import given as candles_of
from tests.oracles.sheet_rows import read_sheet

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
    """A sound sheet: its text, separator and decimal sign."""
    separator, sign = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.sampled_from(".,"))
    group, form = draw(st.sampled_from(GROUPS[sign])), TIMES[draw(st.sampled_from(sorted(TIMES)))]
    step, count = draw(st.sampled_from([MINUTE, HOUR])), draw(st.integers(3, 12))
    rows = bars(count, step)
    order = draw(st.permutations(rows)) + draw(st.lists(st.sampled_from(rows), max_size=2))

    def write(value):
        return f"{value:,.3f}".replace(",", "G").replace(".", sign).replace("G", group)

    lines = [[form(row[0]), *(write(value) for value in row[1:])] for row in order]
    return step, separator, sign, [["ts", *NAMES], *lines]


def text_of(separator, cells, bom):
    lines = (separator.join(f'"{cell}"' if set(cell) & set(",;\t|") else cell for cell in line) for line in cells)
    return bom + "\n".join(lines) + "\n"


def read(step, text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("1m" if step == MINUTE else "1h") / "BTC-USDT.csv"
        path.parent.mkdir()
        path.write_bytes(text.encode())
        source = CsvFolder(Path(folder))
        try:
            rows = source.read(
                "candles_1m" if step == MINUTE else "candles_1h", "BTC", datetime(2009, 1, 1, tzinfo=UTC), T1
            )
        except DataError as error:
            assert "BTC-USDT.csv" in error.what
            assert error.remedy
            assert len(str(error)) < 700
            return str(error), source
        return rows, source


@given(sheets(), st.sampled_from(["", "\ufeff"]))
@settings(max_examples=40, deadline=None)
def test_a_sound_sheet_is_its_bars(sheet, bom):
    step, separator, sign, cells = sheet
    text = text_of(separator, cells, bom)
    rows, _ = read(step, text)
    assert candles_of(rows) == read_sheet(text, separator, sign)


ODD_CELLS = st.one_of(
    st.text("0123456789.,-+eE:TZ/ '", max_size=14),
    st.sampled_from(
        ["", "-", "NaN", "1e5", "12,5", "1.234", "1,234", "inf", "=1+1", "١٢", "01/05/2024", "2024-05-01", "1714521600"]
        + ["1714521600000", "2024-05-01T00:00:00+25:00", "2024-02-30", "99999999999999999999", "x" * 60, "0x1F", "1_0"]
        + ["2024-05-01T02:00:00Z", "true", "½", "1 2", "--1", "1.2.3", "2024-05-01 00:00:60", "\u202e1"]
    ),
)


@given(sheets(), st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5), ODD_CELLS), min_size=1, max_size=3))
@settings(max_examples=80, deadline=None)
def test_a_sheet_with_odd_cells_is_its_exact_bars_or_a_refusal(sheet, odd):
    step, separator, sign, cells = sheet
    for line, place, cell in odd:
        cells[min(line, len(cells) - 1)][place] = cell
    text = text_of(separator, cells, "")
    rows, source = read(step, text)
    if isinstance(rows, pl.DataFrame):
        assert sorted(candles_of(rows)) == [row for row in read_sheet(text, separator, sign) if row[0] < T1]
    elif rows is None:
        assert source.remarks.list()


@given(st.binary(max_size=300) | st.text('ts,open;\n\t|0123456789.-" \r', max_size=200).map(str.encode))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_rows_a_remark_or_a_refusal(content):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("BTC-USDT.csv", "BTC-USDT.parquet", "BTC-USDT.csv.gz"):
            (folder / file).write_bytes(content)
        for source in (CsvFolder(folder), ParquetFolder(folder)):
            held = []
            for dataset in source.datasets:
                try:
                    rows = source.read(dataset, "BTC", T0, T1)
                except DataError as error:
                    assert "BTC-USDT" in error.what
                    assert error.remedy
                except NotServedError:
                    held.append(dataset)
                else:
                    assert rows is not None or source.remarks.list()
            assert len(held) < len(source.datasets)
        try:
            assert InflowCsv(folder / "BTC-USDT.csv").read("inflow", "BTC", T0, T1) is not None
        except DataError as error:
            assert "BTC-USDT.csv" in error.what


COLUMNS = st.sampled_from(
    [pl.Int64, pl.Float64, pl.Float32, pl.String, pl.Datetime("ms"), pl.Date, pl.Boolean, pl.UInt32]
)
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**40), 2**62),
    st.floats(),
    st.sampled_from([micro(T0) // 1000, micro(T0) // 1_000_000, 100]),
)


@given(st.data(), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_any_table_is_rows_a_remark_or_a_refusal(data, height):
    columns = {}
    for name in data.draw(
        st.sets(st.sampled_from(["ts", *NAMES, "funding_rate", "price", "size", "side", "trade_id"]), min_size=1)
    ):
        kind = data.draw(COLUMNS, name)
        values = data.draw(st.lists(VALUES, min_size=height, max_size=height), name)
        columns[name] = pl.Series(name, values, strict=False).cast(kind, strict=False)
    with tempfile.TemporaryDirectory() as name:
        pl.DataFrame(columns).write_parquet(Path(name) / "BTC-USDT.parquet")
        source, held = ParquetFolder(Path(name)), None
        for dataset in source.datasets:
            try:
                rows = source.read(dataset, "BTC", T0 - timedelta(days=9000), T1)
            except DataError as error:
                assert "BTC-USDT.parquet" in error.what
                assert error.remedy
            except NotServedError as error:
                held = str(error)
            else:
                assert rows is not None or source.remarks.list()
        assert held is None or any(dataset in held for dataset in source.datasets)
