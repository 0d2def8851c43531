"""Each cell of the picture holds what a loop over every grid point finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.data_page.coverage_picture import MOST_CELLS, draw_coverage, draw_picture
from ingestion.lake import Lake
from pairity.layout import Layout
from tests.ingestion.test_coverage import minutes
from tests.oracles.coverage_cells import shares_of_cells

BEGIN = datetime(2025, 1, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTHING = pl.DataFrame(schema={"asset": pl.String, "time": pl.Datetime("us", "UTC")})


def picture_of(times_by_asset, every, withheld=NOTHING):
    rows = [(asset, at) for asset, times in times_by_asset.items() for at in times]
    frame = pl.DataFrame(rows, schema={"entity": pl.String, "at": pl.Datetime("us", "UTC")}, orient="row")
    return draw_picture("candles_1h", frame.lazy(), every, withheld)


def cells_of(row):
    return [stretch.share for stretch in row.stretches for _ in range(stretch.cells)]


@given(
    st.dictionaries(
        st.sampled_from(["BTC", "ETH", "SOL"]), st.sets(st.integers(0, 500), min_size=1, max_size=60), min_size=1
    ),
    st.sampled_from([MINUTE, HOUR, 6 * HOUR, DAY]),
    st.integers(0, 59),
)
def test_cells_hold_what_a_loop_over_the_grid_finds(steps, every, late):
    times = {asset: {BEGIN + late * MINUTE + step * every for step in own} for asset, own in steps.items()}
    picture = picture_of(times, every)
    assert len(picture.edges) <= MOST_CELLS + 1
    for row in picture.rows:
        assert cells_of(row) == pytest.approx(shares_of_cells(times[row.entity], picture.edges, every))
        assert row.stretches[0].start == 0
        assert row.stretches[-1].start + row.stretches[-1].cells == len(picture.edges) - 1


def test_regular_rows_without_a_grid_show_a_missing_week():
    every = [BEGIN + 8 * HOUR * step for step in range(300) if not 150 <= step < 171]
    picture = picture_of({"BTC": every}, None)
    assert picture.usual == 8 * HOUR
    assert {share for share in cells_of(picture.rows[0]) if share != 1.0} == {0.0}


def test_irregular_rows_count_as_whole_where_there_is_one():
    times = {BEGIN + timedelta(minutes=step**3 % 9000) for step in range(40)}
    picture = picture_of({"BTC": times}, None)
    assert picture.usual is None
    assert set(cells_of(picture.rows[0])) <= {0.0, 1.0, None}


def test_withheld_rows_mark_their_cells():
    times = {"BTC": [BEGIN + step * HOUR for step in range(48)]}
    held = pl.DataFrame({"asset": ["BTC"], "time": [BEGIN + 5 * HOUR]}, schema=NOTHING.schema)
    (row,) = picture_of(times, HOUR, held).rows
    assert row.withheld == (5,)
    assert not row.is_whole


def test_one_row_and_no_row():
    (row,) = picture_of({"BTC": [BEGIN]}, HOUR).rows
    assert (cells_of(row), row.share, row.is_whole) == ([1.0], 1.0, True)
    assert picture_of({}, HOUR) is None


def test_of_a_lake(tmp_path):
    layout = Layout(tmp_path)
    lake = Lake(layout)
    with lake.writing():
        lake.write("candles_1m", "BTC", minutes(BEGIN, 180, skip=range(60, 120)))
        lake.write("candles_1m", "ETH", minutes(BEGIN, 180))
    (picture,) = draw_coverage(layout, lake, NOTHING.with_columns(dataset=pl.lit("candles_1m")))
    assert [(row.entity, cells_of(row)) for row in picture.rows] == [("BTC", [1, 0, 1]), ("ETH", [1, 1, 1])]
