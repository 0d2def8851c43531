"""Holes and coverage of lakes whose holes are known; the commands over a real exchange."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from ingestion.coverage import find_gaps, summarize
from ingestion.lake import Lake
from ingestion.pipeline import ingest
from pairity.layout import Layout
from pairity_cli.main import main
from tests.ingestion.venue import ASSETS, HOUR, NOW, SINCE, UNTIL, venue

MINUTE = timedelta(minutes=1)


def minutes(first, count, skip=()):
    times = [first + k * MINUTE for k in range(count) if k not in skip]
    frame = pl.DataFrame({"open_time": times}, schema={"open_time": pl.Datetime("us", "UTC")})
    prices = {name: pl.lit(1.0 + index / 10) for index, name in enumerate(("low", "open", "close", "high"))}
    return frame.with_columns(volume=pl.lit(1.0), known_at=pl.col("open_time") + MINUTE, **prices)


def test_holes_are_told_from_what_was_never_asked(tmp_path):
    lake = Lake(Layout(tmp_path))
    with lake.writing():
        lake.write("candles_1m", "BTC", minutes(SINCE, 60, skip=(10, 11, 30)), covered=[(SINCE, SINCE + 20 * MINUTE)])
    gaps = find_gaps(lake, ("BTC", "ETH"), ("candles_1m", "funding"))
    assert [(gap.asset, gap.first, gap.until, gap.bars, gap.requested) for gap in gaps] == [
        ("BTC", SINCE + 10 * MINUTE, SINCE + 12 * MINUTE, 2, True),
        ("BTC", SINCE + 30 * MINUTE, SINCE + 31 * MINUTE, 1, False),
    ]
    (item,) = summarize(Layout(tmp_path), lake, SINCE + 2 * HOUR)
    assert (item.name, item.entities, item.rows, item.files) == ("candles_1m", 1, 57, 1)
    assert item.complete == pytest.approx(57 / 60)
    assert item.age == HOUR
    assert summarize(Layout(tmp_path / "empty"), Lake(Layout(tmp_path / "empty")), NOW) == ()


def environment(okx, home):
    return {
        "PAIRITY_HOME": str(home),
        "PAIRITY_EXCHANGE__URL": okx.url,
        "PAIRITY_EXCHANGE__RATE_LIMIT": "false",
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
        "PAIRITY_UNIVERSE__MIN_ALIGNED_BARS": "24",
    }


@pytest.mark.slow
def test_the_commands_show_and_repair(market, tmp_path):
    with venue(market) as okx:
        settings = okx.settings(tmp_path)
        asyncio.run(ingest(settings, SINCE, UNTIL, clock=okx))
        lake = Lake(Layout(tmp_path))
        holes = find_gaps(lake, ASSETS, ("candles_1m",))
        assert holes  # the synthetic venue has some itself
        assert all(gap.requested for gap in holes)
        shown = CliRunner().invoke(main, ["data"], env=environment(okx, tmp_path))
        assert shown.exit_code == 0, shown.output
        assert all(name in shown.output for name in ("candles_1m", "funding", "pair_hourly", "asset_exposures"))
        summaries = json.loads(CliRunner().invoke(main, ["data", "--json"], env=environment(okx, tmp_path)).stdout)
        rows = {item["name"]: item for item in summaries}
        assert rows["candles_1m"]["rows"] == sum(6 * 1440 for _ in ASSETS) - sum(gap.bars for gap in holes)
        assert (
            "partitions are what" in CliRunner().invoke(main, ["data", "verify"], env=environment(okx, tmp_path)).output
        )
        # Lose an hour that was never asked for: as a run that was never made would leave it.
        other = tmp_path / "other"
        whole = lake.scan("candles_1m", ["BTC"], UNTIL - 10 * HOUR, UNTIL).drop("asset").collect()
        cut = whole.filter(~pl.col("open_time").is_between(UNTIL - 5 * HOUR, UNTIL - 4 * HOUR, closed="left"))
        holed = Lake(Layout(other))
        with holed.writing():
            holed.write("candles_1m", "BTC", cut)
        env = environment(okx, other)
        before = CliRunner().invoke(main, ["gaps", "--assets", "BTC", "--datasets", "candles_1m"], env=env)
        assert before.exit_code == 4
        assert "never asked" in before.output
        repaired = CliRunner().invoke(
            main, ["gaps", "--assets", "BTC", "--datasets", "candles_1m", "--repair"], env=env
        )
        assert "missing bars were filled" in repaired.output
        there = holed.scan("candles_1m", ["BTC"], UNTIL - 5 * HOUR, UNTIL - 4 * HOUR).collect()
        assert there.height == whole.height - cut.height


def test_names_that_do_not_exist_are_refused(tmp_path):
    for arguments, word in ((["gaps", "--datasets", "candles"], "candles_1m"), (["gaps", "--assets", "NOPE"], "NOPE")):
        result = CliRunner().invoke(main, arguments, env={"PAIRITY_HOME": str(tmp_path)})
        assert result.exit_code == 2
        assert word in result.output
