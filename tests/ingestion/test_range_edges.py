"""Ends of a range that lack bars, and from when the rows that fill a hole are known."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from ingestion.asked_again import repair_gaps
from ingestion.backfills import read_backfills
from ingestion.coverage import find_edges, find_gaps
from ingestion.lake import Lake
from ingestion.sources.folders import ParquetFolder
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.main import main
from tests.ingestion.test_coverage import minutes
from tests.ingestion.venue import SINCE

MINUTE = timedelta(minutes=1)
END = SINCE + 60 * MINUTE


@pytest.fixture
def lake(tmp_path):
    """BTC from minute 0 to 60; ETH from 10 to 40, asked for until 50; SOL without any row."""
    own = Lake(Layout(tmp_path), venue="folder")
    with own.writing():
        own.write("candles_1m", "BTC", minutes(SINCE, 60), covered=[(SINCE, END)])
        later = minutes(SINCE + 10 * MINUTE, 30)
        own.write("candles_1m", "ETH", later, covered=[(SINCE + 10 * MINUTE, SINCE + 50 * MINUTE)])
    return own


def edges(lake, **more):
    found = find_edges(lake, ("BTC", "ETH", "SOL"), ("candles_1m", "funding"), **more)
    return [(gap.asset, gap.edge, (gap.first - SINCE) / MINUTE, gap.bars, gap.requested) for gap in found]


def test_ends_that_others_have_are_shown_as_such(lake):
    assert edges(lake) == [("ETH", "before", 0, 10, False), ("ETH", "after", 40, 20, False)]
    assert find_gaps(lake, ("BTC", "ETH", "SOL"), ("candles_1m",)) == ()
    asked = edges(lake, until=SINCE + 50 * MINUTE)
    assert asked[1] == ("ETH", "after", 40, 10, True)  # asked for, and nothing there


def test_a_range_that_is_given_counts_for_all_and_nothing_lacks_before_a_listing(lake):
    whole = edges(lake, since=SINCE - 5 * MINUTE, until=SINCE + 20 * MINUTE)
    assert whole == [
        ("BTC", "before", -5, 5, False),
        ("ETH", "before", -5, 15, False),
        ("SOL", "before", -5, 25, False),
    ]
    assert edges(lake, listed={"ETH": SINCE + 10 * MINUTE}) == [("ETH", "after", 40, 20, False)]
    assert edges(lake, since=SINCE + 20 * MINUTE, until=SINCE + 30 * MINUTE) == [("SOL", "before", 20, 10, False)]
    assert find_edges(lake, ("SOL",), ("candles_1m",)) == ()


@pytest.mark.parametrize("known_from", ["now", "then"])
def test_rows_that_fill_a_hole_are_known_from_now_or_by_choice_from_then(tmp_path, known_from):
    whole = minutes(SINCE, 60)
    (tmp_path / "in").mkdir()
    recorded = whole.select(pl.col("open_time").dt.epoch("ms").alias("ts"), "open", "high", "low", "close", "volume")
    recorded.write_parquet(tmp_path / "in" / "BTC-USDT.parquet")
    settings, now = Settings(home=tmp_path / "home"), END + timedelta(days=9)
    own = Lake(Layout.of(settings), venue="folder")
    with own.writing():
        own.write("candles_1m", "BTC", minutes(SINCE, 60, skip=(10, 11)))
    holes = find_gaps(own, ("BTC",), ("candles_1m",))
    source = ParquetFolder(tmp_path / "in")
    report = asyncio.run(repair_gaps(settings, source, holes, now, SilentProgress(), known_from=known_from))
    assert (report.ok, report.new_rows) == (True, 2)
    rows = own.scan("candles_1m", ["BTC"], SINCE, END).collect()
    filled = rows["known_at"].to_list()[10:12]
    then = [SINCE + at * MINUTE + timedelta(milliseconds=1) for at in (11, 12)]
    assert filled == ([now, now] if known_from == "now" else then)
    assert rows["known_at"].to_list()[9] == SINCE + 10 * MINUTE  # what was stored keeps its own
    (entry,) = read_backfills(Layout.of(settings), "folder")
    assert (entry.at, entry.known_from, dict(entry.rows)) == (now, known_from, {("candles_1m", "BTC"): 2})
    assert asyncio.run(repair_gaps(settings, source, holes, now, SilentProgress())).new_rows == 0
    assert len(read_backfills(Layout.of(settings), "folder")) == 1


def test_the_command_shows_ends_and_what_was_filled(lake, tmp_path):
    env = {
        "PAIRITY_HOME": str(tmp_path),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH"]),
        "PAIRITY_FEATURES__VENUE": "folder",
    }
    shown = CliRunner().invoke(main, ["gaps", "--datasets", "candles_1m"], env=env)
    assert shown.exit_code == 0, shown.output  # no range was given: an instrument may have come later
    assert "before its first bar" in shown.output
    ranged = ["gaps", "--datasets", "candles_1m", "--since", SINCE.isoformat(), "--until", END.isoformat()]
    assert CliRunner().invoke(main, ranged, env=env).exit_code == 4
    path = tmp_path / "reference" / "backfills-folder.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("{")
    with pytest.raises(LakeCorruptError, match="move it aside"):
        read_backfills(Layout(tmp_path), "folder")
