"""The first and the last minute of a recording of trades may be a part of a minute: they make no bar."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from ingestion.sources.folders import ParquetFolder
from ingestion.sources.recording_edges import find_partial_minutes
from pairity.timeline import DAY
from tests.ingestion.sources.folder_files import MINUTE, T0, T1
from tests.ingestion.sources.test_file_ticks import write_trades

SECOND = timedelta(seconds=1)


def trades(first, last, *, step=20 * SECOND, ids=None, leap=1):
    """A trade every `step` of [first, last], with ids from `ids` on, `leap` apart."""
    count = (last - first) // step + 1
    start = ids if ids is not None else (first - T0) // step
    return [(first + k * step, start + leap * k, 100.0, 1.0, "buy") for k in range(count)]


def frame(rows):
    return pl.DataFrame(
        {"time": [row[0] for row in rows], "trade_id": [row[1] for row in rows]},
        schema={"time": pl.Datetime("us", "UTC"), "trade_id": pl.Int64()},
    )


def minutes(*parts):
    return [(at - T0) / MINUTE for at in find_partial_minutes([frame(part) for part in parts])]


A, B = T0 + 10 * SECOND, T0 + 5 * MINUTE + 30 * SECOND


def test_both_ends_of_a_recording_make_no_bar_and_it_is_said(tmp_path):
    write_trades(tmp_path / "BTC-USDT.parquet", trades(A, B), edges=[])
    source = ParquetFolder(tmp_path)
    rows = source.read("trade_bars_1m", "BTC", T0, T1)
    assert [(at - T0) / MINUTE for at in rows["open_time"]] == [1, 2, 3, 4]
    (remark,) = source.remarks.list()
    assert "2 minutes in which the recording begins or ends, the first at 2024-05-01 00:00" in remark.what


def test_files_that_continue_each_other_have_two_ends_together():
    whole = trades(A, B)
    for cut in (1, 4, 9, len(whole) - 1):
        assert minutes(whole[:cut], whole[cut:]) == minutes(whole[cut:], whole[:cut]) == [0, 5]
    assert minutes(whole[:9], whole[5:]) == [0, 5]  # overlapping
    quiet = trades(A, A, ids=1) + trades(A + 3 * MINUTE, A + 3 * MINUTE, ids=2)
    assert minutes(quiet[:1], quiet[1:]) == [0, 3]  # nothing was traded between, as the ids say


def test_a_hole_between_files_has_two_more_ends():
    early, late = trades(A, T0 + 70 * SECOND), trades(T0 + 200 * SECOND, B)
    assert minutes(early, late) == [0, 1, 3, 5]
    # Restarted within a minute: the ids say that trades are missing.
    restarted = trades(T0 + 80 * SECOND, B, ids=50)
    assert minutes(trades(A, T0 + 70 * SECOND, ids=1), restarted) == [0, 1, 5]
    # Ids of a venue that counts all instruments together say nothing: within a minute they go together.
    assert minutes(trades(A, T0 + 70 * SECOND, ids=1, leap=7), trades(T0 + 80 * SECOND, B, ids=900, leap=7)) == [0, 5]


def test_days_that_were_cut_at_midnight_are_whole_only_with_both_ends():
    begin, end = T0 + SECOND, T0 + DAY - SECOND
    day = [(begin, 1, 100.0, 1.0, "buy"), (end, 2, 100.0, 1.0, "buy")]
    assert minutes(day) == []
    assert minutes([day[0], (end - MINUTE, 2, 100.0, 1.0, "buy")]) == [0, 1438]
    assert minutes([(begin + MINUTE, 1, 100.0, 1.0, "buy"), day[1]]) == [1, 1439]


@pytest.mark.parametrize("rows", [[], trades(A, A)])
def test_a_recording_of_one_minute_or_none_is_no_bar(tmp_path, rows):
    assert minutes(rows) == [0] * bool(rows)
    write_trades(tmp_path / "BTC-USDT.parquet", rows or trades(A, A), edges=[])
    assert ParquetFolder(tmp_path).read("trade_bars_1m", "BTC", T0, T1).is_empty()


def test_ids_that_are_missing_say_nothing():
    nothing = frame(trades(A, B)).with_columns(trade_id=pl.lit(None, pl.Int64))
    assert [(at - T0) / MINUTE for at in find_partial_minutes([nothing])] == [0, 5]
