"""Folding of small feature files: no row, version or bit is lost, whenever it is killed, and readers need not know."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo import feature_compaction
from feature_repo.catalog import ASSET_HOURLY, CREATED_TIME, EVENT_TIME, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_compaction import compact_features
from feature_repo.feature_store import apply_definitions, open_store, read_historical
from feature_repo.offline_files import (
    locate_view,
    publish,
    read_latest_view,
    read_newest,
    scan_files,
    scan_since,
    scan_view,
)
from feature_repo.view_files import RETIRED, list_month
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.settings import Settings
from tests.feature_repo.rows import HOUR, START, as_bits, make_rows
from tests.kept_homes import fill_home

KEY = ["asset", EVENT_TIME, CREATED_TIME]
HOURS = 60
"""From 2025-02-27 into March: two month folders."""


def publish_by_hour(layout, view=ASSET_HOURLY, hours=HOURS):
    rows = make_rows(view, hours=range(hours))

    def publish_hours():
        for hour in range(hours):
            publish(layout, view, rows.filter(pl.col(EVENT_TIME) == START + hour * HOUR))

    fill_home(layout.root, ("compaction", view.name, hours), publish_hours)
    return rows


def correct(layout, hour, value, later):
    rows = make_rows(ASSET_HOURLY, hours=range(hour, hour + 1))
    changed = rows.with_columns(close=pl.lit(value), created_timestamp=pl.col(CREATED_TIME) + later)
    publish(layout, ASSET_HOURLY, changed)


def everything(layout, view=ASSET_HOURLY):
    return as_bits(scan_view(layout, view).collect().sort(view.entity, EVENT_TIME, CREATED_TIME))


def count_files(layout):
    return sum(len(list_month(folder)) for folder in locate_view(layout, ASSET_HOURLY).glob("month=*"))


def test_small_files_become_one_a_month_with_every_row_and_version(layout):
    publish_by_hour(layout)
    correct(layout, 3, -0.0, timedelta(minutes=5))
    correct(layout, 3, float("nan"), timedelta(minutes=9))
    before, newest = everything(layout), as_bits(read_newest(layout, ASSET_HOURLY))
    latest = as_bits(read_latest_view(layout, ASSET_HOURLY, START, START + HOURS * HOUR))
    since = as_bits(scan_since(layout, ASSET_HOURLY, START + 50 * HOUR).collect().sort(KEY))
    done = compact_features(layout)
    assert (done.folded, done.written, done.deleted) == (HOURS + 2, 2, 0)
    assert count_files(layout) == 2
    assert everything(layout).equals(before)
    assert as_bits(read_newest(layout, ASSET_HOURLY)).equals(newest)
    assert as_bits(read_latest_view(layout, ASSET_HOURLY, START, START + HOURS * HOUR)).equals(latest)
    assert as_bits(scan_since(layout, ASSET_HOURLY, START + 50 * HOUR).collect().sort(KEY)).equals(since)


def test_whoever_listed_the_old_files_can_read_them_until_the_next_time(layout):
    publish_by_hour(layout)
    before = everything(layout)
    listed = sorted(locate_view(layout, ASSET_HOURLY).glob("month=*/*.parquet"))
    compact_features(layout)
    assert as_bits(scan_files(listed, ASSET_HOURLY).collect().sort(KEY)).equals(before)
    early = compact_features(layout)
    assert (early.folded, early.deleted) == (0, 0)
    late = compact_features(layout, grace_s=0.0)
    assert (late.folded, late.deleted) == (0, HOURS)
    assert not any(path.exists() for path in listed)
    assert not list(layout.features.rglob(RETIRED))
    assert everything(layout).equals(before)


def test_hours_that_follow_are_appended_and_folded_in_their_turn(layout):
    rows = make_rows(ASSET_HOURLY, hours=range(HOURS + 20))
    for hour in range(HOURS + 20):
        if hour == HOURS:
            compact_features(layout)
        publish(layout, ASSET_HOURLY, rows.filter(pl.col(EVENT_TIME) == START + hour * HOUR))
    assert publish(layout, ASSET_HOURLY, rows).unchanged_rows == rows.height
    before = everything(layout)
    assert before.equals(as_bits(rows.sort(KEY)))
    compact_features(layout, grace_s=0.0)
    assert everything(layout).equals(before)
    assert count_files(layout) == 2


def test_few_files_and_large_ones_are_left_alone(layout, monkeypatch):
    publish_by_hour(layout, hours=11)
    assert compact_features(layout).folded == 0
    monkeypatch.setattr(feature_compaction, "SMALL", 10)
    assert compact_features(layout, fewest=2).folded == 0


def test_as_many_bytes_at_once_as_fit(layout, monkeypatch):
    publish_by_hour(layout)
    before = everything(layout)
    size = next(locate_view(layout, ASSET_HOURLY).glob("month=*/*.parquet")).stat().st_size
    monkeypatch.setattr(feature_compaction, "_AT_ONCE", 10 * size)
    assert compact_features(layout).written > 4
    assert everything(layout).equals(before)


def test_the_join_of_feast_returns_the_same_bits(tmp_path):
    settings_ = Settings(home=tmp_path / "home")
    layout = Layout.of(settings_)
    rows = publish_by_hour(layout, PAIR_HOURLY, hours=40)
    apply_definitions(settings_, open_store(settings_))
    asked = rows.select("pair_id", (pl.col(EVENT_TIME) + timedelta(minutes=7)).alias(EVENT_TIME))
    before = read_historical(open_store(settings_), PAIR_FOREST_FEATURES.name, asked)
    assert compact_features(layout).folded == 40
    after = read_historical(open_store(settings_), PAIR_FOREST_FEATURES.name, asked)
    assert as_bits(after).equals(as_bits(before))


class Killed(BaseException):
    pass


KILLED = {(0.0, 0), (0.0, 3), (3600.0, 1), (3600.0, 5)}
"""Grace and step of the quick tests; every other step is tried before a release."""


@pytest.mark.parametrize(
    ("first_grace", "step"),
    [
        (grace, step) if (grace, step) in KILLED else pytest.param(grace, step, marks=pytest.mark.slow)
        for grace in (0.0, 3600.0)
        for step in range(7)
    ],
)
def test_killed_at_any_step_nothing_is_lost_or_doubled(layout, monkeypatch, step, first_grace):
    """Writes, renames and deletions are counted; the process dies before the one numbered `step`."""
    publish_by_hour(layout)
    before = everything(layout)
    compact_features(layout, fewest=40)  # one month already has replaced files
    left = [step]

    def counting(call):
        def wrapped(*arguments, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return call(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patched:
        for module, name in (
            (feature_compaction, "replace_file"),
            (feature_compaction, "write_replacements"),
            (feature_compaction, "remove_flushed"),
        ):
            patched.setattr(module, name, counting(getattr(module, name)))
        try:
            compact_features(layout, fewest=2, grace_s=first_grace)
        except Killed:
            assert everything(layout).equals(before)
    assert everything(layout).equals(before)
    for _ in range(2):
        compact_features(layout, fewest=2, grace_s=0.0)
        assert everything(layout).equals(before)
    assert count_files(layout) <= 3


@given(data=st.data())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_of_writes_and_compactions(tmp_path_factory, data):
    layout = Layout(tmp_path_factory.mktemp("store"))
    plain = []
    hour = 0
    for _ in range(data.draw(st.integers(1, 8))):
        act = data.draw(st.sampled_from(["publish", "publish", "correct", "compact", "delete"]))
        if act == "publish":
            count = data.draw(st.integers(1, 4))
            for each in range(hour, hour + count):
                rows = make_rows(ASSET_HOURLY, hours=range(each, each + 1))
                publish(layout, ASSET_HOURLY, rows)
                plain.append(rows)
            hour += count
        elif act == "correct" and hour:
            which, value = data.draw(st.integers(0, hour - 1)), data.draw(st.floats(width=32))
            rows = make_rows(ASSET_HOURLY, hours=range(which, which + 1)).with_columns(close=pl.lit(value, pl.Float64))
            later = timedelta(minutes=len(plain) + 1)
            rows = rows.with_columns(created_timestamp=pl.col(CREATED_TIME) + later)
            if publish(layout, ASSET_HOURLY, rows).corrected_rows:
                plain.append(rows)
        else:
            compact_features(layout, fewest=2, grace_s=0.0 if act == "delete" else 3600.0)
        if plain:
            expected = as_bits(pl.concat(plain).sort(KEY)).unique(maintain_order=True)
            assert everything(layout).unique(maintain_order=True).equals(expected)
            assert everything(layout).height == expected.height


@pytest.mark.parametrize("content", [b"", b"[]", b'{"replacements": [{"by": 1}]}', b'{"replacements": 3}'])
def test_a_damaged_note_is_named_and_nothing_is_read_twice(layout, content):
    publish_by_hour(layout, hours=20)
    compact_features(layout)
    next(layout.features.rglob(RETIRED)).write_bytes(content)
    with pytest.raises(LakeCorruptError, match=RETIRED):
        scan_view(layout, ASSET_HOURLY)
