"""Triple-barrier labels over random markets: a plain loop in decimals, no future, splits that purge."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.oracles.barrier_loop import outcome
from tests.training.generated import HOUR, START, random_market, spec
from tests.training.labels.barrier_market import config, lines_of
from training.backtest.records import PriceBar, Settlement
from training.data.folds import split_purged_kfold, split_walk_forward
from training.data.splits import split_chronologically
from training.labels.triple_barrier import label_triple_barrier
from training.labels.weights import compute_average_uniqueness, measure_likeness

SCORES = st.sampled_from([-2.5, -1.5, 0.5, 1.5, 2.5, None])


@settings(max_examples=examples(80), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    horizon=st.integers(1, 25),
    stop=st.sampled_from([0.0043, 0.0117, 0.0331]),
    tick=st.sampled_from([None, "0.01", "0.25"]),
    slippage=st.sampled_from([0.0, 1.7]),
)
def test_one_leg_equals_a_plain_loop_in_exact_decimals(seed, horizon, stop, tick, slippage):
    history, _ = random_market(seed, 50)
    known = {
        hour: {
            name: replace(view, spec=None if tick is None else spec(name, tick=tick), close=1.0, funding_rate=0.0)
            for name, view in seen.items()
        }
        for hour, seen in history.views.items()
    }
    history = replace(history, views=known)
    rules = [(10.0, (stop, 2 * stop), stop), (8.0, (stop, 3 * stop), stop)]
    chosen = config(
        horizon,
        costs={"taker_fee_bps": 5.0, "slippage_bps": slippage},
        stop_bounds=rules[0][1],
        target_bounds=rules[1][1],
        stop_default=stop,
        target_default=stop,
    )
    lines = lines_of(history, [-2.0, 2.0, 1.01, -1.01])
    for row, found in zip(
        lines.iter_rows(named=True), label_triple_barrier(lines, history, chosen).to_dicts(), strict=True
    ):
        asset, t0 = row["pair_id"].split("__")[0], row["event_timestamp"]
        expected = outcome(
            history.bars[asset],
            dict(history.settlements[asset]),
            t0,
            -1 if row["z_score"] > 0 else 1,
            atr=known[t0][asset].atr,
            tick=None if tick is None else float(tick),
            rules=rules,
            horizon=horizon,
            fee_bps=5.0,
            slippage_bps=slippage,
        )
        holes = (
            0
            if expected is None
            else sum(t0 + step * HOUR not in history.bars[asset] for step in range(1, (expected[0] - t0) // HOUR + 1))
        )
        if expected is None or 10 * (horizon - holes) < 9 * horizon:
            assert (found["label"], found["t1"], found["net_return"]) == (None, t0 + horizon * HOUR, None)
        else:
            assert (found["label"], found["t1"]) == (int(expected[1] > 0), expected[0])
            assert found["net_return"] == pytest.approx(float(expected[1]), abs=1e-12)


@settings(max_examples=examples(80), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scores=st.lists(SCORES, min_size=1, max_size=7),
    legs=st.sampled_from(["base", "both"]),
    cut=st.integers(1, 48),
    factor=st.sampled_from([None, 1e-3, 1e3]),
)
def test_nothing_after_t1_changes_a_label(seed, scores, legs, cut, factor):
    """History is cut off after an instant, or poisoned: bars, funding, and what was known. Labels up to it stay."""
    history, _ = random_market(seed, 50)
    chosen = config(
        12, legs=legs, stop_bounds=(0.01, 0.02), target_bounds=(0.01, 0.02), stop_default=0.01, target_default=0.01
    )
    lines, now = lines_of(history, scores), START + cut * HOUR
    before = label_triple_barrier(lines, history, chosen)
    bars = {
        asset: {
            hour: PriceBar(*(price * factor for price in bar)) if hour > now and factor else bar
            for hour, bar in path.items()
            if hour <= now or factor
        }
        for asset, path in history.bars.items()
    }
    settlements = {
        asset: [Settlement(time, rate if time <= now else 5.0) for time, rate in path]
        for asset, path in history.settlements.items()
    }
    views = {hour: seen for hour, seen in history.views.items() if hour <= now}
    changed = replace(history, bars=bars, settlements=settlements, views=views)
    after = label_triple_barrier(lines, changed, chosen)
    settled = pl.col("label").is_not_null() & (pl.col("t1") <= now)
    before, after = (labels.drop("watched") for labels in (before, after))  # that looks at the whole horizon
    assert before.filter(settled).equals(after.filter(settled))
    # and what is not settled by then has no label that could be known by then
    assert (before.filter(~settled & pl.col("label").is_not_null())["t1"] > now).all()


def test_splits_purge_by_the_horizon_whatever_ended_each_position():
    history, _ = random_market(4, 400)
    chosen = config(24, stop_bounds=(0.01, 0.02), target_bounds=(0.01, 0.02), stop_default=0.01, target_default=0.01)
    lines = lines_of(history, [-2.5, 1.5, 0.5, 2.5])
    labelled = label_triple_barrier(lines, history, chosen).drop_nulls("label").sort("event_timestamp", "pair_id")
    lengths = (labelled["t1"] - labelled["t0"]).dt.total_hours()
    assert lengths.min() == 1
    assert lengths.max() == 24
    assert lengths.n_unique() > 10
    split = split_chronologically(labelled, 0.3, horizon_bars=24)
    before = labelled.filter(pl.col("event_timestamp") < split.test_start)
    assert split.train.equals(before.filter(pl.col("t0") + 24 * HOUR < split.test_start))
    assert split.purged == before.filter(pl.col("t0") >= split.test_start - 24 * HOUR).height > 0
    folds = split_walk_forward(labelled, test_bars=60, train_bars=150, horizon_bars=24)
    folds += split_purged_kfold(labelled, folds=4, horizon_bars=24)
    for fold in folds:
        spans = fold.test.select("t0", "t1").unique()
        met = (
            fold.train.select("t0", "t1")
            .unique()
            .join_where(spans, pl.col("t0") <= pl.col("t1_right"), pl.col("t1") >= pl.col("t0_right"))
        )
        assert met.is_empty()
    weights = compute_average_uniqueness(labelled, measure_likeness(lines))
    assert 0 < weights.min() < weights.max() <= 1
