"""What an archive lacks or cannot be used for is named, filled from its days where they have it, and asked again."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.lake import Lake
from ingestion.lake.spans import subtract, union
from pairity.layout import Layout
from tests.ingestion.sources.archive_server import FOLDER, HEADER, MARCH, kline_rows, put, run, zipped
from tests.ingestion.sources.web import serving

DAY, APRIL = timedelta(days=1), datetime(2024, 4, 1, tzinfo=UTC)
MONTH = FOLDER.format(span="monthly", period="2024-03")


@pytest.fixture
def web():
    with serving() as running:
        yield running


def day_of(number, month=3):
    return FOLDER.format(span="daily", period=f"2024-{month:02}-{number:02}")


def put_days(web, *numbers):
    for number in numbers:
        put(web, day_of(number), zipped(HEADER + kline_rows(MARCH + (number - 1) * DAY, 24)))


def put_month(web, *lacking):
    days = [kline_rows(MARCH + (number - 1) * DAY, 24) for number in range(1, 32) if number not in lacking]
    put(web, MONTH, zipped(HEADER + b"".join(days)))


def stored(home, since=MARCH, until=APRIL):
    lake = Lake(Layout(home), venue="binance_um")
    times = lake.scan("candles_1h", ["BTC"], since, until).collect()["open_time"].to_list()
    return times, subtract((since, until), union(lake.coverage("candles_1h", "BTC", since, until)))


@pytest.mark.parametrize(
    "lacking", [(5,), (1, 2, 3), (31,), pytest.param(tuple(range(2, 32)), marks=pytest.mark.slow)], ids=str
)
def test_days_that_a_month_lacks_are_filled_from_theirs(web, tmp_path, lacking):
    put_month(web, *lacking)
    put_days(web, *lacking)
    report = run(web, tmp_path, until=APRIL)
    assert report.ok, report.failures
    assert stored(tmp_path) == ([MARCH + k * timedelta(hours=1) for k in range(31 * 24)], ())
    assert [path for path in web.asked if "daily" in path and path.endswith("zip")] == [day_of(day) for day in lacking]


def test_a_day_that_neither_has_is_a_hole_of_the_archive(web, tmp_path):
    put_month(web, 5)
    assert run(web, tmp_path, until=APRIL).ok
    times, missing = stored(tmp_path)
    assert (len(times), missing) == (30 * 24, ())


def two_files(csv):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", csv)
        archive.writestr("b.csv", csv)
    return buffer.getvalue()


SOUND = HEADER + kline_rows(MARCH, 31 * 24)
TWICE = HEADER + kline_rows(MARCH, 24) + HEADER + kline_rows(MARCH + DAY, 24)
BAD = {
    "no checksum": (zipped(SOUND), None, "has no checksum beside it"),
    "another checksum": (zipped(SOUND), "0" * 64, "its checksum file says 0000"),
    "two files": (two_files(SOUND), "", "holds 2 files instead of one .csv"),
    "a header in mid-file": (zipped(TWICE), "", "open_time of row 25 is 'open_time'"),
    "a cut file": (zipped(SOUND)[:-50], "", "is no whole ZIP"),
    "seconds": (zipped(SOUND.replace(b"000,", b",")), "", "in s it would be 2024-03-"),
    "nanoseconds": (zipped(SOUND.replace(b"00000,", b"00000000000,")), "", "in ns it would be 2024-03-"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_month_that_cannot_be_used_is_named_and_its_days_are_read(web, tmp_path, fault):
    archive, checksum, says = BAD[fault]
    put(web, MONTH, archive, checksum)
    if checksum is None:
        del web.files[f"{MONTH}.CHECKSUM"]
    put_days(web, 1, 2, 4)
    report = run(web, tmp_path, until=APRIL)
    assert [failure.asset for failure in report.failures] == ["BTC"]
    assert says in report.failures[0].reason
    assert "BTCUSDT-1h-2024-03.zip" in report.failures[0].reason
    times, missing = stored(tmp_path)
    assert len(times) == 3 * 24
    assert missing == ((MARCH + 2 * DAY, MARCH + 3 * DAY), (MARCH + 4 * DAY, APRIL))
    put_month(web)
    assert run(web, tmp_path, until=APRIL).ok
    assert (len(stored(tmp_path)[0]), stored(tmp_path)[1]) == (31 * 24, ())


@pytest.mark.parametrize(
    "fault", ["no checksum", pytest.param("two files", marks=pytest.mark.slow), "a header in mid-file"]
)
def test_one_bad_day_or_month_keeps_nothing_else_out(web, tmp_path, fault):
    archive, checksum, says = BAD[fault]
    february = datetime(2024, 2, 1, tzinfo=UTC)
    put(web, FOLDER.format(span="monthly", period="2024-02"), archive, checksum)
    if checksum is None:
        del web.files[FOLDER.format(span="monthly", period="2024-02") + ".CHECKSUM"]
    put_month(web, 7, 8)
    put_days(web, 8)
    put(web, day_of(7), zipped(b"no table\n"))
    january = datetime(2024, 1, 1, tzinfo=UTC)
    put(web, FOLDER.format(span="monthly", period="2024-01"), zipped(kline_rows(january, 31 * 24)))
    report = run(web, tmp_path, since=january, until=APRIL)
    reasons = "\n".join(failure.reason for failure in report.failures)
    assert says in reasons
    assert "BTCUSDT-1h-2024-03-07.zip" in reasons
    times, missing = stored(tmp_path, january)
    assert len(times) == (31 + 30) * 24
    assert missing == ((february, MARCH), (MARCH + 6 * DAY, MARCH + 7 * DAY))


def test_rows_of_another_month_are_counted_and_named(web, tmp_path):
    put(web, MONTH, zipped(HEADER + kline_rows(MARCH, 32 * 24)))
    report = run(web, tmp_path, until=APRIL)
    assert "has 24 rows outside of 2024-03, such as one of 2024-04-01 00:00" in report.failures[0].reason
    assert len(stored(tmp_path)[0]) == 31 * 24


def test_recheck_finds_late_and_corrected_publications(web, tmp_path):
    put_month(web, 5)
    assert run(web, tmp_path, until=APRIL).ok
    put(web, MONTH, zipped(HEADER + kline_rows(MARCH, 31 * 24).replace(b",101,10.5,", b",101.5,10.5,")))
    web.asked.clear()
    assert run(web, tmp_path, until=APRIL).rows[0].new_rows == 0
    assert web.asked == []
    report = run(web, tmp_path, until=APRIL, recheck=True)
    assert report.rows[0].new_rows > 24
    rows = Lake(Layout(tmp_path), venue="binance_um").scan("candles_1h", ["BTC"], MARCH, APRIL).collect()
    assert (rows.height, rows["close"][0]) == (31 * 24, 101.5)
    again = run(web, tmp_path, until=APRIL, recheck=True)
    assert (again.rows[0].new_rows, again.snapshot_id) == (0, report.snapshot_id)


def test_an_archive_without_rows_proves_nothing_and_its_days_are_read(web, tmp_path):
    put(web, MONTH, zipped(HEADER))
    put_days(web, 2, 3)
    report = run(web, tmp_path, until=APRIL)
    assert "has no rows" in report.failures[0].reason
    assert report.rows[0].rows == 48
    lake = Lake(Layout(tmp_path), venue="binance_um")
    assert union(lake.coverage("candles_1h", "BTC", MARCH, APRIL)) == ((MARCH + DAY, MARCH + 3 * DAY),)
    put_month(web)
    assert run(web, tmp_path, until=APRIL).rows[0].rows == 744


def test_a_month_and_its_days_without_rows_are_asked_for_again(web, tmp_path):
    put(web, MONTH, zipped(HEADER))
    put(web, day_of(5), zipped(HEADER))
    report = run(web, tmp_path, until=APRIL)
    assert report.failures[0].reason.count("has no rows") == 2
    assert Lake(Layout(tmp_path), venue="binance_um").coverage("candles_1h", "BTC", MARCH, APRIL) == ()
