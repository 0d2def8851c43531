"""Times of files: every form that people have is the same instant, and what could be another one is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from ingestion.sources.file_times import read_instants
from ingestion.sources.folders import CsvFolder, ParquetFolder
from ingestion.sources.reading import PLAIN, Reading, RefusedFileError, call_row
from pairity.errors import DataError
from tests.ingestion.sources.folder_files import HOUR, T0, T1, bars, given, micro, write_csv, write_parquet

ROWS = bars(30)
AT = [row[0] for row in ROWS]
NEW_YORK = ZoneInfo("America/New_York")
INDIA = timedelta(hours=5, minutes=30)


def stamps(unit, zone=None):
    times = pl.Series([at.replace(tzinfo=None) for at in AT], dtype=pl.Datetime(unit)).dt.replace_time_zone("UTC")
    return times.dt.replace_time_zone(None) if zone is None else times.dt.convert_time_zone(zone)


IN_TABLES = {
    "ms": pl.Series([micro(at) // 1000 for at in AT]),
    "s": pl.Series([micro(at) // 1_000_000 for at in AT]),
    "us": pl.Series([micro(at) for at in AT]),
    "ns": pl.Series([micro(at) * 1000 for at in AT]),
    "s as float": pl.Series([micro(at) / 1e6 for at in AT]),
    "ns as float": pl.Series([micro(at) * 1e3 for at in AT]),
    "unsigned ms": pl.Series([micro(at) // 1000 for at in AT], dtype=pl.UInt64),
    "timestamps without a zone": stamps("ns"),
    "timestamps in UTC": stamps("us", "UTC"),
    "timestamps in New York": stamps("ms", "America/New_York"),
    "ISO": pl.Series([at.isoformat() for at in AT]),
    "ISO of India": pl.Series([(at + INDIA).strftime("%Y-%m-%dT%H:%M:%S+05:30") for at in AT]),
}


@pytest.mark.parametrize("form", IN_TABLES)
def test_a_table_may_have_any_form_of_time(tmp_path, form):
    write_parquet(tmp_path / "BTC-USDT.parquet", ROWS, IN_TABLES[form])
    assert given(ParquetFolder(tmp_path).read("candles_1h", "BTC", T0, T1)) == ROWS


IN_SHEETS = {
    "Z": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "no zone": lambda at: at.strftime("%Y-%m-%d %H:%M"),
    "slashes": lambda at: at.strftime("%Y/%m/%d %H:%M:%S"),
    "points": lambda at: at.strftime("%Y.%m.%d %H:%M"),
    "fractions": lambda at: at.strftime("%Y-%m-%d %H:%M:%S.000000000"),
    "UTC behind it": lambda at: at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "New York": lambda at: at.astimezone(NEW_YORK).isoformat(),
    "short offset": lambda at: (at - 3 * HOUR).strftime("%Y-%m-%dT%H:%M-03"),
    "offset without colon": lambda at: (at + 9 * HOUR).strftime("%Y-%m-%d %H:%M:%S +0900"),
    "s": lambda at: str(micro(at) // 1_000_000),
    "ms": lambda at: str(micro(at) // 1000),
    "us": lambda at: str(micro(at)),
    "ns": lambda at: str(micro(at) * 1000),
    "s with a fraction": lambda at: f"{micro(at) // 1_000_000}.000",
}


@pytest.mark.parametrize("form", IN_SHEETS)
@pytest.mark.parametrize("order", ["sorted", "newest first", "mixed"])
def test_a_sheet_may_have_any_form_of_time_in_any_order(tmp_path, form, order):
    rows = {"sorted": ROWS, "newest first": ROWS[::-1], "mixed": ROWS[1::2] + ROWS[::2] + ROWS[:3]}[order]
    cells = [(IN_SHEETS[form](row[0]), *(str(value) for value in row[1:])) for row in rows]
    write_csv(tmp_path / "BTC-USDT.csv", cells)
    assert given(CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)) == ROWS


REFUSED = {
    "01/05/2024 00:00": "day and month cannot be told apart",
    "5-1-24": "day and month cannot be told apart",
    "01.05.2024": "day and month cannot be told apart",
    "1.71452E+12": "a spreadsheet has rounded its digits away",
    "2024-02-30": "cannot be read",
    "2024-05-01T25:00": "cannot be read",
    "2024-05-01T00:00+15:00": "cannot be read",
    "2024-05-01T00:00:00-04:00[America/New_York]": "cannot be read",
    "yesterday": "cannot be read",
    "20240501": "looks like a date: give --time-format %Y%m%d",
    "17145216000": "no Unix time in s, ms, us or ns",
    "1970-01-20 20:15": "outside 2009",
    "2008-12-31T23:59:59Z": "outside 2009",
    "2124-05-01": "outside 2009",
}


@pytest.mark.parametrize("cell", REFUSED)
def test_a_time_that_could_be_another_one_is_refused_by_line_and_value(tmp_path, cell):
    write_csv(tmp_path / "BTC-USDT.csv", [(cell, "1.5", "2", "1", "1", "1")] * 2)
    with pytest.raises(DataError, match=REFUSED[cell]) as caught:
        CsvFolder(tmp_path).read("candles_1h", "BTC", T0, T1)
    assert "BTC-USDT.csv" in caught.value.what
    assert f"of line 2 is {cell[:40]}" in caught.value.what.replace(chr(39), "")
    assert caught.value.remedy


def read(values, reading=PLAIN):
    return read_instants(pl.Series("ts", values), reading, call_row).to_list()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            [1714521600000, 1714525200, 1714528800000],
            "1 row not in milliseconds .* row 2 is 1714525200, .* like seconds",
        ),
        ([1714521600, 1714525200, 1714528800000000], "not in seconds .* of row 3 .* looks like microseconds"),
        ([1714521600000000000, 1714521600000], "looks like"),
        ([1714521600000, 5], "of row 2 is 5, which is no instant since 2009"),
        (["2024-05-01T00:00Z", "2024-05-01T01:00"], "1 times with an offset or Z and others without: ts of row 2"),
        (["1714521600000", "99999999999999999999"], "of row 2"),
        ([float("inf"), 1.0], "as inf"),
        ([True, False], "as Boolean, which is no time"),
    ],
)
def test_one_column_has_one_unit(values, says):
    with pytest.raises(RefusedFileError, match=says):
        read(values)


@pytest.mark.parametrize(
    ("taken", "given_in", "says"),
    [("ms", 1, "seconds taken for milliseconds"), ("us", 1000, "milliseconds taken for microseconds")],
)
def test_a_timestamp_of_the_wrong_unit_is_told_by_it(taken, given_in, says):
    wrong = pl.Series("ts", [1714521600 * given_in]).cast(pl.Datetime(taken))
    with pytest.raises(RefusedFileError, match=f"outside 2009 .* looks like {says}"):
        read_instants(wrong, PLAIN, call_row)


def test_a_day_ahead_is_the_most():
    now = datetime(2024, 5, 1, tzinfo=UTC)
    reading = Reading(now=lambda: now)
    assert read(["2024-05-02T00:00Z"], reading) == [now + timedelta(days=1)]
    for values in (["2024-05-02T00:00:01Z"], [1714608001], [1714608001000]):
        with pytest.raises(RefusedFileError):
            read(values, reading)


def test_a_format_and_a_zone_may_be_given():
    german = Reading(time_format="%d.%m.%Y %H:%M", time_zone="Europe/Berlin")
    assert read(["01.05.2024 02:00", None], german) == [T0, None]
    with pytest.raises(
        RefusedFileError, match=r"1 row that the time format '%d.%m.%Y %H:%M' does not fit: ts of row 1"
    ):
        read(["2024-05-01 00:00"], german)
    for wall in ("2024-03-10 02:30", "2024-11-03 01:30"):
        with pytest.raises(RefusedFileError, match="which the change of clocks in America/New_York skips or repeats"):
            read([wall], Reading(time_zone="America/New_York"))
    assert read(["2024-11-03T01:30-05:00"], Reading(time_zone="America/New_York")) == [
        datetime(2024, 11, 3, 6, 30, tzinfo=UTC)
    ]


@over(
    st.lists(st.datetimes(datetime(2009, 1, 1), datetime(2024, 1, 1), timezones=st.just(UTC)), min_size=1, max_size=5),
    st.integers(-14 * 4, 14 * 4),
)
def test_any_instant_in_any_offset_and_unit_is_itself(times, quarters):
    shift = timedelta(minutes=15 * quarters)
    side, away = "-" if quarters < 0 else "+", abs(shift)
    offset = f"{side}{away // HOUR:02}:{away % HOUR // timedelta(minutes=1):02}"
    assert read([f"{(at + shift).replace(tzinfo=None).isoformat()}{offset}" for at in times]) == times
    assert read([micro(at) for at in times]) == times
    assert read([f"{micro(at) // 1_000_000}.{micro(at) % 1_000_000:06}" for at in times]) == times
    assert read([micro(at) / 1e6 for at in times]) == times
