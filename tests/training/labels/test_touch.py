from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.settings import LabelSettings
from tests.examples import examples
from tests.oracles.touch_loop import touch
from training.labels.touch import label_touch

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORT = LabelSettings(horizon_bars=10)


def frame(rows):
    """{pair_id: {time: (spread, z)}} as feature rows."""
    schema = {
        "pair_id": pl.String,
        "event_timestamp": pl.Datetime("us", "UTC"),
        "spread": pl.Float64,
        "z_score": pl.Float64,
    }
    flat = [(pair, time, *values) for pair, path in rows.items() for time, values in path.items()]
    return pl.DataFrame(flat, schema=schema, orient="row")


def path(spreads, z):
    """{time: (spread, z)} on the hours from START; None is a missing bar; `z` at the first bar, 0 elsewhere."""
    return {
        START + step * HOUR: (spread, z if step == 0 else 0.0)
        for step, spread in enumerate(spreads)
        if spread is not None
    }


def first_label(spreads, z, config=SHORT):
    return label_touch(frame({"A__B": path(spreads, z)}), config)["label"][0]


SPREADS = st.sampled_from([0.98, 0.995, 1.0, 1.0049, 1.005, 1.01])
SCORES = st.sampled_from([None, -2.0, -1.0, 0.0, 1.0, 1.5])
ROWS = st.lists(st.tuples(SPREADS, SCORES, st.integers(0, 11)), max_size=60)


def random_path(rows, seed):
    return {
        START + step * HOUR: (spread, z)
        for step, (spread, z, kept) in enumerate(rows)
        if kept != 11 or step % 3 == seed
    }


@settings(deadline=None, max_examples=examples(160))
@given(first=ROWS, second=ROWS, seed=st.integers(0, 2), target=st.sampled_from([0.005, 0.01]))
def test_equals_plain_loops(first, second, seed, target):
    config = LabelSettings(horizon_bars=10, target=target)
    market = {"A__B": random_path(first, seed), "A__C": random_path(second, seed)}
    result = label_touch(frame(market), config)
    assert result.columns == ["pair_id", "event_timestamp", "label", "t0", "t1"]
    assert result.schema["label"] == pl.Int8
    expected = [
        (pair, time, label) for pair, rows in market.items() for time, label in touch(rows, 10, 1.0, target).items()
    ]
    assert result.select("pair_id", "event_timestamp", "label").rows() == expected
    assert (result["t0"] == result["event_timestamp"]).all()
    assert (result["t1"] - result["t0"] == 10 * HOUR).all()


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, seed=st.integers(0, 2), at=st.integers(0, 59), factor=st.sampled_from([0.0, 1e6, -1.0]))
def test_nothing_after_t1_changes_a_label(rows, seed, at, factor):
    market = random_path(rows, seed)
    now = START + at * HOUR
    if now not in market:
        return
    end = now + 10 * HOUR
    poisoned = {time: (spread * (factor if time > end else 1.0), z) for time, (spread, z) in market.items()}
    cut = {time: values for time, values in market.items() if time <= end}
    found = {
        label_touch(frame({"A__B": version}), SHORT).filter(pl.col("t0") == now)["label"].item()
        for version in (market, poisoned, cut)
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("z", "extreme", "label"),
    [
        (1.5, 0.99, 1),
        (1.5, 1.01, 0),
        (-1.5, 1.01, 1),
        (-1.5, 0.99, 0),
        (1.0, 0.99, 0),
        (-1.0, 1.01, 0),
        (0.0, 0.9, 0),  # not beyond the entry: no trade, no touch
        (1.5, 0.995, 0),
        (1.5, 0.99499, 1),  # strictly below the target
    ],
)
def test_touch_by_side_and_target(z, extreme, label):
    assert first_label([1.0, *[1.0] * 6, extreme, *[1.0] * 3], z) == label


def test_the_bar_itself_does_not_count_and_the_horizons_last_bar_does():
    assert first_label([1.0] * 10 + [0.9], 2.0) == 1
    assert first_label([1.0] * 11 + [0.9], 2.0) == 0


def test_null_where_the_future_is_shorter_than_the_horizon():
    labels = label_touch(frame({"A__B": path([1.0] * 25, 2.0)}), SHORT)["label"]
    assert labels.is_null().to_list() == [False] * 15 + [True] * 10


def test_null_without_a_z_score():
    assert first_label([1.0] * 11, None) is None


def test_a_hole_inside_the_horizon_is_passed_over_two_are_not():
    hit = [1.0, 1.0, None, 0.9, *[1.0] * 7]
    assert first_label(hit, 2.0) == 1
    hit[5] = None
    assert first_label(hit, 2.0) is None


def test_null_where_the_horizons_last_hour_is_missing():
    assert first_label([1.0] * 10 + [None, 0.9, 0.9], 2.0) is None


def test_trap_4_a_label_says_until_when_it_looked():
    labels = label_touch(frame({"A__B": path([1.0] * 110, 2.0)}), LabelSettings())
    assert (labels["t1"] - labels["t0"]).unique().to_list() == [102 * HOUR]
    assert labels["label"].null_count() == 102


def test_pairs_do_not_see_each_other():
    calm, falling = path([1.0] * 30, 2.0), path([1.0 - 0.01 * step for step in range(30)], 2.0)
    both = label_touch(frame({"A__B": calm, "A__C": falling}), SHORT)
    alone = [label_touch(frame({name: rows}), SHORT) for name, rows in (("A__B", calm), ("A__C", falling))]
    assert both.equals(pl.concat(alone))


@pytest.mark.parametrize("length", [0, 1, 2])
def test_tiny_inputs(length):
    assert label_touch(frame({"A__B": path([1.0] * length, 2.0)}), SHORT)["label"].to_list() == [None] * length
