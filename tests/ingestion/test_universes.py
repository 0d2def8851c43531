"""Dynamic universes from a lake, against loops over plain rows; nothing that was not known at a date matters to it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS
from ingestion.hour_versions import make_hour_versions, select_known
from ingestion.lake import Lake
from ingestion.universes import TrailingRule, build_trailing_universe
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from tests.examples import examples
from tests.oracles import trailing_universe

START = datetime(2025, 1, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LAG = timedelta(seconds=30)
RULE = TrailingRule(top=3, window_hours=30, min_bars=20)


def history(seed=3, days=6):
    """(asset, open_time, known_at, close, volume): staggered listings, one delisted, gaps; known after 1 ms."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, (asset, first, last) in enumerate(
        [("OLD", 0, 60), ("BTC", 0, 24 * days), ("ETH", 5, 24 * days), ("NEW", 70, 24 * days), ("DOT", 0, 24 * days)]
    ):
        for hour in range(first, last):
            if rng.random() < 0.9:
                opened = START + hour * HOUR
                close, volume = float(rng.uniform(1, 9)), float(rng.exponential(10 + 5 * number))
                rows.append((asset, opened, opened + HOUR + timedelta(milliseconds=1), close, volume))
    return rows


def write(home, native, minutes=()):
    lake = Lake(Layout(home), durable=False)
    with lake.writing():
        for name, rows in (("candles_1h", native), ("candles_1m", minutes)):
            for version in sorted({row[2] for row in rows if row[2] > row[1] + 2 * DAY} | {None}, key=str):
                for asset in sorted({row[0] for row in rows}):
                    own = [
                        row
                        for row in rows
                        if row[0] == asset and (row[2] if row[2] > row[1] + 2 * DAY else None) == version
                    ]
                    if own:
                        lake.write(name, asset, frame(name, own))
    return lake


def frame(name, rows):
    made = [
        {
            "open_time": opened,
            "known_at": known,
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": volume,
        }
        for _, opened, known, close, volume in rows
    ]
    types = {"open_time": pl.Datetime("us", "UTC"), "known_at": pl.Datetime("us", "UTC")}
    return DATASETS[name].conform(pl.DataFrame(made, schema_overrides=types).sort("open_time"))


def built(lake, rule=RULE, until=START + 6 * DAY, since=None):
    return build_trailing_universe(lake, since, until, rule, LAG, SilentProgress())


def members(rows, at):
    own = rows.filter(pl.col("since") == at, pl.col("asset").is_not_null())
    return own.select("asset", "mean_notional", "age_bars").rows()


def test_members_are_those_of_the_loops_at_every_date(tmp_path):
    native = history()
    rows = built(write(tmp_path, native))
    assert rows["since"].unique().sort().to_list() == [START + day * DAY for day in range(1, 7)]
    for day in range(1, 7):
        at = START + day * DAY
        expected = trailing_universe.members(at, LAG, [], native, top=3, window_hours=30, min_bars=20)
        found = members(rows, at)
        assert [(asset, age) for asset, _, age in found] == [(asset, age) for asset, _, age in expected]
        assert [mean for _, mean, _ in found] == pytest.approx([mean for _, mean, _ in expected], rel=1e-12)


def test_a_coin_that_is_gone_stays_in_the_past_and_a_new_one_does_not_appear_early(tmp_path):
    rows = built(write(tmp_path, history()), TrailingRule(top=9, window_hours=30, min_bars=20))
    days_of = {asset: [(at - START) // DAY for at in own["since"].sort()] for (asset,), own in rows.group_by("asset")}
    assert days_of["OLD"] == [1, 2, 3]
    assert days_of["NEW"] == [4, 5, 6]
    assert days_of["BTC"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("fraction", [0, 1, 7])
def test_nothing_that_was_not_known_at_a_date_changes_its_universe(tmp_path, fraction):
    """Later bars are garbage, a later listing appears, and known bars are corrected after the date."""
    native, at = history(), START + 3 * DAY
    later = [(a, o, k, c * 50, v * 50) if o + HOUR > at else (a, o, k, c, v) for a, o, k, c, v in native]
    later += [("LATE", at + hour * HOUR, at + (hour + 1) * HOUR, 5.0, 1e6) for hour in range(60)]
    corrected = [
        (a, o, at + LAG + timedelta(microseconds=1 + fraction) + 2 * DAY, c, v * 1e4)
        for a, o, _, c, v in native
        if o + HOUR <= at and a == "DOT"
    ]
    before, after = built(write(tmp_path / "a", native)), built(write(tmp_path / "b", later + corrected))
    known = pl.col("since") <= at
    assert before.filter(known).equals(after.filter(known))
    assert not before.filter(~known).equals(after.filter(~known))


def test_bars_that_come_late_count_from_their_arrival_on(tmp_path):
    late = START + 4 * DAY + 5 * HOUR
    native = [(a, o, late if a == "BTC" and o < START + 2 * DAY else k, c, v) for a, o, k, c, v in history()]
    rows = built(write(tmp_path, native), TrailingRule(top=9, window_hours=30, min_bars=20))
    for day in range(1, 7):
        at = START + day * DAY
        expected = trailing_universe.members(at, LAG, [], native, top=9, window_hours=30, min_bars=20)
        assert [(a, age) for a, _, age in members(rows, at)] == [(a, age) for a, _, age in expected]
    assert "BTC" not in [a for a, *_ in members(rows, START + 2 * DAY)]


def test_a_date_without_any_member_is_a_snapshot_of_nobody(tmp_path):
    rows = built(write(tmp_path, [row for row in history() if row[1] < START + 3 * DAY]))
    assert members(rows, START + 5 * DAY) == []
    assert rows.filter(pl.col("since") == START + 5 * DAY)["asset"].to_list() == [None]


@pytest.mark.parametrize(("still", "member"), [(5, True), (6, False), (30, False)])
@pytest.mark.parametrize("late", [False, True])
def test_a_dead_contract_is_no_member(tmp_path, still, member, late):
    """Nobody traded and the price stood for six hours up to its newest bar, which may itself be some hours old."""
    at, native = START + 4 * DAY, [row for row in history() if row[0] != "DEAD"]
    last = at - 3 * HOUR if late else at
    for hour in range(60):
        opened = last - (hour + 1) * HOUR
        volume = 0.0 if hour < still else 1e9
        native.append(("DEAD", opened, opened + HOUR + timedelta(milliseconds=1), 5.0, volume))
    rule = TrailingRule(top=3, window_hours=60, min_bars=20, dead_after_hours=6)
    assert ("DEAD" in {asset for asset, _, _ in members(built(write(tmp_path, native), rule), at)}) is member


@pytest.mark.parametrize("oddity", ["moved", "hole"])
def test_an_outage_or_a_price_that_moves_is_no_dead_contract(tmp_path, oddity):
    at, native = START + 4 * DAY, history()
    for hour in range(60):
        opened = at - (hour + 1) * HOUR
        volume, price = 0.0 if hour < 8 else 1e9, 6.0 if oddity == "moved" and hour < 4 else 5.0
        if not (oddity == "hole" and hour == 4):
            native.append(("DEAD", opened, opened + HOUR + timedelta(milliseconds=1), price, volume))
    rule = TrailingRule(top=3, window_hours=60, min_bars=20, dead_after_hours=6)
    assert "DEAD" in {asset for asset, _, _ in members(built(write(tmp_path, native), rule), at)}


def test_nothing_qualifies(tmp_path):
    with pytest.raises(MissingDataError, match="no candles of venue 'okx'"):
        built(Lake(Layout(tmp_path / "empty")))
    with pytest.raises(MissingDataError, match="no instrument of okx has 2,160 hourly bars"):
        built(write(tmp_path, history()), TrailingRule(top=3))


VERSIONS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-61, 400), st.floats(0.5, 9), st.floats(0, 9), st.booleans()),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row[0], row[1], row[4]),
)


@settings(max_examples=examples(160), deadline=None)
@given(VERSIONS, st.integers(0, 450))
def test_versions_of_an_hour_are_known_in_turn(drawn, after):
    """Two hours of two minutes each, with versions of minutes and native bars in any order of arrival."""
    minutes, native = [], []
    for place, delay, close, volume, is_native in drawn:
        opened = START + place // 2 * HOUR + place % 2 * MINUTE
        known = opened + 61 * MINUTE + delay * MINUTE
        if is_native:
            native.append(("BTC", START + place // 2 * HOUR, known, close, volume))
        else:
            minutes.append(("BTC", opened, known, close, volume))
    native = list({(row[1], row[2]): row for row in native}.values())
    found = make_hour_versions(*(_plain(rows) for rows in (minutes, native)))
    at = START + 2 * HOUR + after * MINUTE
    known = dict(select_known(found, at).select("bar_close", "notional").iter_rows())
    for close in (START + HOUR, START + 2 * HOUR):
        expected = trailing_universe.notional_known("BTC", close, at, minutes, native)
        assert known.get(close) == (None if expected is None else pytest.approx(expected))
    assert select_known(found, at)["bar_close"].is_unique().all()


def _plain(rows):
    columns = {name: pl.Datetime("us", "UTC") for name in ("open_time", "known_at")} | {
        "close": pl.Float64,
        "volume": pl.Float64,
    }
    return pl.DataFrame([row[1:] for row in rows], schema=columns, orient="row").sort("open_time", "known_at")
