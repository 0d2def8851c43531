from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import MissingDataError
from tests.training.generated import HOUR, START
from training.data.splits import keep_back, split_chronologically


def labelled(offsets, horizon, pairs=("A__B", "A__C")):
    rows = [
        {
            "pair_id": pair,
            "event_timestamp": START + offset * HOUR,
            "t0": START + offset * HOUR,
            "t1": START + (offset + horizon) * HOUR,
            "row": index * len(pairs) + number,
        }
        for index, offset in enumerate(offsets)
        for number, pair in enumerate(pairs)
    ]
    return pl.DataFrame(rows)


@settings(max_examples=60, deadline=None)
@given(
    offsets=st.lists(st.integers(0, 400), min_size=2, max_size=80, unique=True),
    horizon=st.integers(1, 120),
    fraction=st.floats(0.05, 0.95),
)
def test_trap_4_no_training_label_reaches_into_the_test_period(offsets, horizon, fraction):
    rows = labelled(offsets, horizon)
    try:
        split = split_chronologically(rows, fraction, horizon_bars=horizon)
    except MissingDataError:
        return
    assert split.train["t1"].max() < split.test_start
    assert split.train_end < split.test_start
    assert split.test["event_timestamp"].min() == split.test_start
    ids = [*split.train["row"], *split.test["row"]]
    assert len(ids) == len(set(ids))
    left_out = rows.filter(~pl.col("row").is_in(ids))
    assert left_out.height == split.purged
    # nothing is purged but what looks into the test period
    assert (left_out["t1"] >= split.test_start).all()
    assert (left_out["event_timestamp"] < split.test_start).all()


def test_a_label_that_ends_with_the_first_test_bar_is_purged():
    split = split_chronologically(labelled(range(100), horizon=10), 0.30, horizon_bars=10)
    assert split.test_start == START + 70 * HOUR
    assert split.train["event_timestamp"].max() == START + 59 * HOUR  # its label ends at bar 69
    assert split.purged == 2 * 10
    assert split.test.height == 2 * 30


def test_the_border_is_the_same_for_pairs_with_different_histories():
    rows = pl.concat([labelled(range(100), 5, ("A__B",)), labelled(range(80, 100), 5, ("A__C",))])
    split = split_chronologically(rows, 0.30, horizon_bars=5)
    assert split.test.group_by("pair_id").agg(pl.col("event_timestamp").min()).height == 2
    assert split.test["event_timestamp"].min() == START + 70 * HOUR
    assert split.train["pair_id"].unique().to_list() == ["A__B"]


def test_a_history_that_the_purge_eats_up_is_refused_with_numbers():
    with pytest.raises(MissingDataError, match=r"70 bars lie before the test period .* 102 hours ahead"):
        split_chronologically(labelled(range(100), horizon=1), 0.30, horizon_bars=102)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_bars_to_split(count):
    rows = labelled(range(2), horizon=1).clear() if count == 0 else labelled([0], horizon=1)
    with pytest.raises(MissingDataError, match=f"{count} bars? cannot be split"):
        split_chronologically(rows, 0.30, horizon_bars=1)


def test_rows_need_not_be_sorted():
    rows = labelled(range(60), horizon=7)
    shuffled = split_chronologically(rows.sample(fraction=1.0, shuffle=True, seed=1), 0.3, horizon_bars=7)
    split = split_chronologically(rows, 0.3, horizon_bars=7)
    assert shuffled.train.sort("row").equals(split.train.sort("row"))
    assert shuffled.test_start - split.train_end == timedelta(hours=1)


@pytest.mark.parametrize("early", [1, 40])
def test_the_rows_before_a_test_are_not_chosen_by_how_early_they_ended(early):
    """Every second position meets a near target, the others run on: by their ends, winners alone would be left."""
    rows = labelled(range(400), horizon=100).with_columns(label=(pl.col("row") // 2) % 2)
    rows = rows.with_columns(
        t1=pl.when(pl.col("label") == 1).then(pl.col("t0") + early * HOUR).otherwise(pl.col("t1")),
    )
    split = split_chronologically(rows, 0.30, horizon_bars=100)
    late = split.train.filter(pl.col("t0") >= split.train["t0"].max() - 49 * HOUR)
    assert late["label"].mean() == 0.5
    assert split.train["t0"].max() == split.test_start - 101 * HOUR
    assert split.train_end == split.test_start - HOUR


@settings(max_examples=60, deadline=None)
@given(bars=st.integers(4, 200), horizon=st.integers(1, 60), fraction=st.floats(0.1, 0.9), share=st.floats(0.05, 0.95))
def test_what_is_kept_back_is_the_end_and_nothing_before_has_seen_it(bars, horizon, fraction, share):
    rows = labelled(range(bars), horizon)
    last = START + (bars - 1 + horizon) * HOUR  # decisions go on where labels cannot
    try:
        split = split_chronologically(rows, fraction, horizon_bars=horizon)
        walk, kept = keep_back(split, rows, last, share)
    except MissingDataError:
        return
    hours = (last - split.test_start) // HOUR + 1
    assert walk.until == kept.test_start
    assert kept.until is None
    assert (last - kept.test_start) // HOUR + 1 == pytest.approx(hours * share, abs=1)
    assert walk.train.equals(split.train)
    assert walk.test.height + kept.test.height == split.test.height
    assert (walk.test["event_timestamp"] < kept.test_start).all()
    assert kept.train.is_empty() or kept.train_end < kept.test_start
    known = rows.filter(pl.col("event_timestamp") < kept.test_start)
    assert kept.train.height + kept.purged == known.height


def test_a_test_period_too_short_to_keep_anything_back_is_refused():
    rows = labelled(range(10), 1)
    split = split_chronologically(rows, 0.1, horizon_bars=1)
    with pytest.raises(MissingDataError, match="cannot be kept back"):
        keep_back(split, rows, split.test_start, 0.33)
