"""Sheets of daily inflow: a day is over where its offset says, and known no earlier."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingestion.lake import Lake
from ingestion.sources.inflow_sheet import InflowCsv
from ingestion.sources.reading import PLAIN, Reading
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.ingestion.sources.collecting import collect
from tests.ingestion.sources.folder_files import T0, T1

LAG = timedelta(milliseconds=1)
JANUARY = datetime(2024, 1, 10, tzinfo=UTC)


def sheet(tmp_path, *lines, header="date,asset,inflow", reading=PLAIN):
    (tmp_path / "in.csv").write_text("\n".join([header, *lines]) + "\n")
    return InflowCsv(tmp_path / "in.csv", reading=reading)


def read(tmp_path, *lines, **more):
    rows = sheet(tmp_path, *lines, **more).read("inflow", "BTC", JANUARY - timedelta(days=30), T1)
    return [(time, inflow, known - LAG) for time, inflow, known in rows.rows()]


def day(month, number, hour=0, minute=0):
    return datetime(2024, month, number, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "over"),
    [
        ("2024-01-10", day(1, 11)),
        ("2024-01-10T00:00:00Z", day(1, 11)),
        ("2024-01-10T00:00:00-05:00", day(1, 11, 5)),  # New York in winter
        ("2024-01-10 00:00-0800", day(1, 11, 8)),
        ("2024-01-10-03:30", day(1, 11, 3, 30)),
        ("2024-01-10T00:00:00+09:00", day(1, 11)),  # over in Tokyo at 15:00; the UTC day of that name is not
        ("1704844800", day(1, 11)),
        ("2024/01/10", day(1, 11)),
    ],
)
def test_a_day_is_known_when_it_is_over_in_its_own_zone(tmp_path, date, over):
    assert read(tmp_path, f"{date},BTC,5") == [(JANUARY, 5.0, over)]


@pytest.mark.parametrize(
    ("zone", "date", "over"),
    [
        ("America/New_York", "2024-01-10", day(1, 11, 5)),
        ("America/New_York", "2024-03-10", day(3, 11, 4)),  # 23 hours
        ("America/New_York", "1704862800", day(1, 11, 5)),
        ("Asia/Kolkata", "2024-01-10", day(1, 11)),
        ("Pacific/Honolulu", "2024-01-10", day(1, 11, 10)),
    ],
)
def test_a_zone_may_be_given(tmp_path, zone, date, over):
    ((time, _, known),) = read(tmp_path, f"{date},BTC,5", reading=Reading(time_zone=zone))
    assert known == over
    assert time == over.replace(hour=0) - timedelta(days=1)


def test_a_day_of_new_york_enters_the_lake_with_its_own_end(tmp_path):
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    source = sheet(tmp_path, *(f"2024-05-{number:02}T00:00:00-04:00,BTC,{number}" for number in range(1, 9)))
    report = collect(settings, source, ("BTC",), ("inflow",), T0, T1, T1, SilentProgress())
    assert report.ok, report
    rows = Lake(Layout(tmp_path / "home")).scan("inflow", ["BTC"], T0, T1).collect()
    assert rows["known_at"].to_list() == [T0 + timedelta(days=k + 1, hours=4) + LAG for k in range(8)]


def test_a_coin_that_the_sheet_does_not_have_is_lacking_and_no_failure(tmp_path):
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    source = sheet(tmp_path, *(f"2024-05-{number:02},BTC,{number}" for number in range(1, 9)))
    report = collect(settings, source, ("BTC", "ETH"), ("inflow",), T0, T1, T1, SilentProgress())
    assert report.ok, report
    assert Lake(Layout(tmp_path / "home")).scan("inflow", ["ETH"], T0, T1).collect().is_empty()


@pytest.mark.parametrize("lines", [(), (",,",)])
def test_a_sheet_without_any_day_is_a_failure(tmp_path, lines):
    settings = Settings(home=tmp_path / "home", universe=UniverseSettings(assets=("BTC", "ETH")))
    report = collect(settings, sheet(tmp_path, *lines), ("BTC",), ("inflow",), T0, T1, T1, SilentProgress())
    assert not report.ok


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("-0.5", "has 1 row with a negative inflow: inflow of line 3 is '-0.5'"),
        ("-1e3", "negative inflow"),
        ("-1 234,5", "negative inflow|decimal"),
        ("many", "is not a number: inflow of line 3 is 'many'"),
        ("inf", "is not a number"),
    ],
)
def test_an_inflow_that_is_none_is_refused_by_line_and_value(tmp_path, cell, says):
    source = sheet(tmp_path, "2024-01-10,BTC,1.25", f'2024-01-11,BTC,"{cell}"', "2024-01-12,BTC,2")
    with pytest.raises(DataError, match=says) as caught:
        source.read("inflow", "BTC", T0, T1)
    assert "in.csv" in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("date", "says"),
    [
        ("10/01/2024", "day and month cannot be told apart"),
        ("10.1.24", "day and month cannot be told apart"),
        ("2024-01-10T05:00:00Z", "which is no midnight"),
        ("1704862800", "which is no midnight"),
        ("2008-01-10", "outside 2009"),
        ("2200-01-10", "outside 2009"),
        ("", "has no date in line 2"),
        ("-", "has no date in line 2"),
        ("2024-13-10", "cannot be read"),
    ],
)
def test_a_date_that_could_be_another_day_is_refused(tmp_path, date, says):
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path, f"{date},BTC,5")
    assert "in.csv" in caught.value.what
    assert "line 2" in caught.value.what


def test_a_format_says_what_a_date_is(tmp_path):
    assert read(tmp_path, "10/01/2024,BTC,5", reading=Reading(time_format="%d/%m/%Y")) == [(JANUARY, 5.0, day(1, 11))]


def test_spellings_of_one_asset_are_one_asset(tmp_path):
    lines = ("2024-01-10,btc,1.5", "2024-01-11, BTC ,2", "2024-01-12,BTC-USDT-SWAP,3", "2024-01-13,BTCUSDT,4")
    assert [row[1] for row in read(tmp_path, *lines)] == [1.5, 2.0, 3.0, 4.0]
    assert sheet(tmp_path, *lines).list_assets() == ("BTC",)
    for name in ("", "B T C", "btс", "$BTC"):
        with pytest.raises(DataError, match=r"asset of line 2 as .*, which is no asset"):
            read(tmp_path, f"2024-01-10,{name},1.5")


def test_a_sheet_of_a_spreadsheet(tmp_path):
    lines = ("2024-01-11;BTC;1.234,5", "2024-01-10;BTC;0,25", "2024-01-11;BTC;1.234,5", "2024-01-12;BTC;-", ";;", "")
    source = sheet(tmp_path, *lines, header="\ufeffDate;Asset;Inflow")
    rows = source.read("inflow", "BTC", JANUARY, T1)
    assert rows["inflow"].to_list() == [0.25, 1234.5]
    assert ["has 1 row without inflow, the first in line 5" in remark.what for remark in source.remarks.list()] == [
        True
    ]


def test_a_day_that_is_not_over_in_its_zone_is_left_out_and_told(tmp_path):
    """The UTC day is over; in New York two hours are missing in the sum."""
    now = datetime(2024, 5, 3, 2, tzinfo=UTC)
    lines = ("2024-05-01T00:00-04:00,BTC,1.5", "2024-05-02T00:00-04:00,BTC,2")
    source = sheet(tmp_path, *lines, reading=Reading(now=lambda: now))
    assert source.read("inflow", "BTC", T0, T1)["inflow"].to_list() == [1.5]
    assert ["has 1 day not over yet, the first in line 3" in remark.what for remark in source.remarks.list()] == [True]
