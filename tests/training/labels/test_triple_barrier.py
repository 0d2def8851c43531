from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import DataError
from pairity.settings import Settings
from pairity.universe import pairs_of
from tests.oracles.barrier_loop import outcome
from tests.training.generated import HOUR, START, flat_history, random_market, spec
from training.backtest.records import PriceBar, Settlement
from training.data.folds import split_combinatorial_purged, split_purged_kfold, split_walk_forward
from training.data.splits import split_chronologically
from training.labels.triple_barrier import label_triple_barrier
from training.labels.weights import compute_average_uniqueness

UTC_US = pl.Datetime("us", "UTC")
SCHEMA = {"pair_id": pl.String, "event_timestamp": UTC_US, "z_score": pl.Float64, "hedge_ratio": pl.Float64}
FREE = {"taker_fee_bps": 0.0, "slippage_bps": 0.0}
FLAT = [100.0] * 13


def config(horizon=10, *, legs="base", costs=FREE, **strategy):
    """Without ATR: a stop 6 % away, a target 5 %."""
    return Settings(
        label={"kind": "triple_barrier", "horizon_bars": horizon}, strategy={"legs": legs, **strategy}, costs=costs
    )


def rows(*lines):
    return pl.DataFrame(lines, schema=SCHEMA, orient="row")


def one(history, z, chosen=None, ratio=1.0, at=START):
    """Label of BTC__ETH at one close, as a dictionary."""
    return label_triple_barrier(rows(("BTC__ETH", at, z, ratio)), history, chosen or config()).row(0, named=True)


def market(btc, eth=None, **more):
    return flat_history({"BTC": btc, "ETH": eth or [50.0] * len(btc)}, **more)


def with_bar(history, step, bar, asset="BTC"):
    history.bars[asset][START + step * HOUR] = PriceBar(*bar)
    return history


# one leg: barriers


def test_a_long_that_meets_its_target():
    found = one(market([100.0, 100.0, 102.0, 106.0, *FLAT]), -2.0)
    assert (found["label"], found["t0"], found["t1"]) == (1, START, START + 3 * HOUR)
    assert found["net_return"] == pytest.approx(0.05)


def test_a_short_loses_what_a_long_earns():
    found = one(market([100.0, 100.0, 102.0, 106.0, *FLAT]), 2.0)
    assert (found["label"], found["t1"]) == (0, START + 3 * HOUR)
    assert found["net_return"] == pytest.approx(-0.06)


def test_after_the_horizon_it_goes_at_that_bars_close():
    found = one(market([100.0, 100.0, *[101.0] * 9, 99.0, 98.0]), -2.0)
    assert (found["label"], found["t1"]) == (1, START + 10 * HOUR)
    assert found["net_return"] == pytest.approx(0.01)


@pytest.mark.parametrize(("z", "net"), [(-2.0, -0.06), (2.0, -0.06)])
def test_the_adverse_extreme_comes_first(z, net):
    found = one(with_bar(market(FLAT), 2, (100.0, 110.0, 90.0, 100.0)), z)
    assert (found["label"], found["t1"]) == (0, START + 2 * HOUR)
    assert found["net_return"] == pytest.approx(net)


def test_touching_a_level_is_enough_and_a_tick_less_is_not():
    assert one(with_bar(market(FLAT), 2, (100.0, 105.0, 100.0, 100.0)), -2.0)["net_return"] == pytest.approx(0.05)
    assert one(with_bar(market(FLAT), 2, (100.0, 104.99, 100.0, 100.0)), -2.0)["t1"] == START + 10 * HOUR


@pytest.mark.parametrize(("opened", "net"), [(90.0, -0.10), (108.0, 0.08)])
def test_a_gap_is_filled_at_the_open_and_known_at_that_bars_close(opened, net):
    found = one(with_bar(market(FLAT), 3, (opened, 112.0, 85.0, 100.0)), -2.0)
    assert found["net_return"] == pytest.approx(net)
    assert found["t1"] == START + 3 * HOUR


def test_the_bar_of_the_decision_does_not_count_and_entry_is_at_the_next_open():
    history = with_bar(market(FLAT), 0, (100.0, 200.0, 1.0, 100.0))
    history = with_bar(history, 1, (103.0, 103.0, 100.0, 100.0))
    found = one(history, -2.0)
    assert found["t1"] == START + 10 * HOUR
    assert found["net_return"] == pytest.approx(100 / 103 - 1)


def test_stops_follow_atr_and_the_fill_and_lie_on_the_tick():
    """ATR 0.3: 3 % for the stop, 2.4 % for the target, of the fill at 100.01 rounded to 0.05."""
    history = market(FLAT, atr=0.3, specs={name: spec(name, tick="0.05") for name in ("BTC", "ETH")})
    costs = {"taker_fee_bps": 5.0, "slippage_bps": 1.0}
    found = one(with_bar(history, 2, (100.0, 100.0, 97.0, 97.0)), -2.0, config(costs=costs))
    paid, got = 100.01, 97.0 * 0.9999
    assert found["net_return"] == pytest.approx((got - paid - 5e-4 * (paid + got)) / paid, abs=1e-12)
    assert one(with_bar(history, 2, (100.0, 100.0, 97.01, 97.01)), -2.0, config(costs=costs))["t1"] > START + 2 * HOUR


def test_fees_alone_make_a_flat_market_a_loss():
    costs = {"taker_fee_bps": 5.0, "slippage_bps": 0.0}
    found = one(market(FLAT), -2.0, config(costs=costs))
    assert found["label"] == 0
    assert found["net_return"] == pytest.approx(-0.001)
    assert one(market(FLAT), -2.0)["label"] == 0  # nothing is not a gain


# funding


@pytest.mark.parametrize(("z", "sign"), [(-2.0, -1), (2.0, 1)])
def test_longs_pay_a_positive_rate_and_shorts_receive_it(z, sign):
    funding = {"BTC": [Settlement(START + 4 * HOUR, 0.002)], "ETH": [Settlement(START + 4 * HOUR, 0.1)]}
    found = one(market(FLAT, funding=funding), z)
    assert found["net_return"] == pytest.approx(sign * 0.002)
    assert found["label"] == int(sign > 0)


@pytest.mark.parametrize(
    ("at", "hit"),
    [
        (START, False),  # before the entry
        (START + timedelta(minutes=1), True),
        (START + 2 * HOUR, True),  # held into the last close
        (START + 2 * HOUR + timedelta(minutes=1), False),
    ],
)
def test_settlements_hit_what_is_held_into_them(at, hit):
    found = one(market(FLAT, funding={"BTC": [Settlement(at, 0.002)]}), 2.0, config(horizon=2))
    assert found["net_return"] == pytest.approx(0.002 if hit else 0.0)


def test_settlements_of_one_hour_add_up():
    times = [START + 2 * HOUR, START + 2 * HOUR + timedelta(minutes=20), START + 3 * HOUR]
    found = one(market(FLAT, funding={"BTC": [Settlement(time, 0.001) for time in times]}), 2.0)
    assert found["net_return"] == pytest.approx(0.003)


def test_a_settlement_is_on_the_marked_notional_and_misses_what_was_stopped_in_its_bar():
    funding = {"BTC": [Settlement(START + 2 * HOUR, 0.01)]}
    assert one(market([100.0, 100.0, *[102.0] * 11], funding=funding), -2.0)["net_return"] == pytest.approx(
        0.02 - 0.0102
    )
    assert one(market([100.0, 100.0, *[80.0] * 11], funding=funding), -2.0)["net_return"] == pytest.approx(-0.06)


# two legs

BOTH = config(legs="both")


def test_two_legs_share_what_was_entered_in_the_hedge_ratio():
    """Base +1 %, quote (short, half as much) +2 %: together nothing."""
    history = market([100.0, 100.0, *[101.0] * 11], [50.0, 50.0, *[51.0] * 11])
    assert one(history, -2.0, BOTH, ratio=0.5)["net_return"] == pytest.approx(0.0, abs=1e-12)
    assert one(history, -2.0, BOTH, ratio=0.25)["net_return"] == pytest.approx((0.01 - 0.005) / 1.25)
    assert one(history, 2.0, BOTH, ratio=0.25)["net_return"] == pytest.approx(-(0.01 - 0.005) / 1.25)


def test_where_one_leg_is_stopped_the_other_goes_at_that_bars_close():
    history = market([100.0, 100.0, 93.0, *[93.0] * 11], [50.0, 50.0, 49.0, *[40.0] * 11])
    found = one(history, -2.0, BOTH)
    assert found["t1"] == START + 2 * HOUR
    assert found["net_return"] == pytest.approx((-0.06 + 0.02) / 2)


def test_what_is_left_without_a_bar_goes_at_its_next_open_and_t1_waits_for_it():
    history = market([100.0, 100.0, 93.0, *[93.0] * 11], [50.0] * 14)
    del history.bars["ETH"][START + 2 * HOUR]
    found = one(with_bar(history, 3, (49.0, 50.0, 40.0, 42.0), "ETH"), -2.0, BOTH)
    assert found["t1"] == START + 3 * HOUR
    assert found["net_return"] == pytest.approx((-0.06 + 0.02) / 2)


def test_a_leg_that_is_gone_need_not_be_known_any_more():
    """One of 10 hours may be missing, and the leg that waits had that one."""
    history = market([100.0, 100.0, 93.0, *[93.0] * 11], [50.0] * 14)
    del history.bars["ETH"][START + 2 * HOUR]
    assert one(history, -2.0, BOTH)["label"] == 0
    del history.bars["BTC"][START + 3 * HOUR]
    assert one(history, -2.0, BOTH)["label"] == 0


@pytest.mark.parametrize("ratio", [None, 0.0, -0.5, float("inf"), float("nan")])
def test_without_a_positive_hedge_ratio_nothing_is_opened(ratio):
    found = one(market([100.0, 100.0, *[110.0] * 11]), -2.0, BOTH, ratio=ratio)
    assert (found["label"], found["net_return"], found["t1"]) == (0, None, START + 10 * HOUR)
    assert one(market([100.0, 100.0, *[110.0] * 11]), -2.0, ratio=ratio)["label"] == 1  # one leg asks for none


# what is not known


@pytest.mark.parametrize("z", [1.0, -1.0, 0.0])
def test_inside_the_entry_level_the_label_is_0_once_the_horizon_is_there(z):
    found = one(market([100.0, 100.0, *[110.0] * 9]), z)
    assert (found["label"], found["net_return"], found["t1"]) == (0, None, START + 10 * HOUR)
    assert one(market([100.0, 100.0, *[110.0] * 8]), z)["label"] is None


@pytest.mark.parametrize("z", [None, float("nan"), float("inf")])
def test_null_without_a_z_score(z):
    found = one(market(FLAT), z)
    assert (found["label"], found["net_return"], found["t1"]) == (None, None, START + 10 * HOUR)


def test_at_the_end_of_history_only_what_has_ended_is_known():
    assert one(market([100.0, 100.0, 102.0, 106.0]), -2.0)["label"] == 1
    for length in (1, 2, 5, 10):
        found = one(market([100.0] * length), -2.0)
        assert (found["label"], found["net_return"], found["t1"]) == (None, None, START + 10 * HOUR)
    assert one(market([100.0] * 11), -2.0)["label"] == 0


def test_null_where_the_entrys_or_the_horizons_bar_is_missing():
    for step in (1, 10):
        history = market(FLAT)
        del history.bars["BTC"][START + step * HOUR]
        assert one(history, -2.0)["label"] is None


def test_a_hole_is_passed_over_two_are_not_unless_the_end_was_known_before():
    history = market([100.0, 100.0, 100.0, 90.0, *[106.0] * 10])
    del history.bars["BTC"][START + 3 * HOUR]
    found = one(with_bar(history, 4, (100.0, 106.0, 100.0, 106.0)), -2.0)
    assert (found["label"], found["t1"]) == (1, START + 4 * HOUR)
    del history.bars["BTC"][START + 5 * HOUR]
    assert one(history, -2.0)["label"] == 1
    del history.bars["BTC"][START + 2 * HOUR]
    assert one(history, -2.0)["label"] is None


def test_a_settlement_in_a_hole_is_booked_at_the_last_known_close():
    history = market([100.0, 100.0, *[102.0] * 11], funding={"BTC": [Settlement(START + 3 * HOUR, 0.01)]})
    del history.bars["BTC"][START + 3 * HOUR]
    assert one(history, -2.0)["net_return"] == pytest.approx(0.02 - 0.0102)


@pytest.mark.parametrize(
    ("steps", "change", "known"),
    [
        ([0], {"funding_rate": None}, False),
        ([0], {"close": None}, False),
        ([4], {"funding_rate": None}, True),
        ([4, 5], {"funding_rate": None}, False),
        ([4, 5], {"close": None}, True),  # known too late then, but a bar now
        ([0], {"atr": None, "spec": None}, True),
    ],
)
def test_null_where_funding_is_not_known_as_where_bars_are_not(steps, change, known):
    history = market(FLAT)
    for step in steps:
        views = history.views[START + step * HOUR]
        views["BTC"] = replace(views["BTC"], **change)
    assert (one(history, -2.0)["label"] is not None) == known


def test_an_asset_of_which_nothing_is_known_has_no_labels():
    history = market(FLAT)
    lines = rows(("BTC__XRP", START, -2.0, 1.0), ("XRP__ETH", START, 2.0, 1.0), ("XRP__ETH", START, 0.0, 1.0))
    assert label_triple_barrier(lines, history, BOTH)["label"].is_null().all()
    assert label_triple_barrier(lines, history, config())["label"].to_list() == [0, None, None]


def test_decisions_outside_of_the_history_are_refused():
    with pytest.raises(DataError, match="outside of the history"):
        one(market(FLAT), -2.0, at=START - HOUR)


def test_no_rows_no_labels():
    found = label_triple_barrier(rows(), market(FLAT), config())
    assert found.columns == ["pair_id", "event_timestamp", "label", "t0", "t1", "net_return"]
    assert found.schema["label"] == pl.Int8
    assert found.schema["t1"] == UTC_US


# properties

SCORES = st.sampled_from([-2.5, -1.5, 0.5, 1.5, 2.5, None])


def lines_of(history, scores):
    pairs = pairs_of(("BTC", "ETH", "SOL"))
    flat = [(pair.pair_id, hour) for pair in pairs for hour in history.hours]
    return rows(*[(*key, scores[i % len(scores)], (0.7, 1.6, None)[i % 3]) for i, key in enumerate(flat)])


@settings(max_examples=40, deadline=None)
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


@settings(max_examples=40, deadline=None)
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
    assert before.filter(settled).equals(after.filter(settled))
    # and what is not settled by then has no label that could be known by then
    assert (before.filter(~settled & pl.col("label").is_not_null())["t1"] > now).all()


def test_splits_purge_by_the_bar_that_ended_each_position():
    history, _ = random_market(4, 400)
    chosen = config(24, stop_bounds=(0.01, 0.02), target_bounds=(0.01, 0.02), stop_default=0.01, target_default=0.01)
    lines = lines_of(history, [-2.5, 1.5, 0.5, 2.5])
    labelled = label_triple_barrier(lines, history, chosen).drop_nulls("label").sort("event_timestamp", "pair_id")
    lengths = (labelled["t1"] - labelled["t0"]).dt.total_hours()
    assert lengths.min() == 1
    assert lengths.max() == 24
    assert lengths.n_unique() > 10
    split = split_chronologically(labelled, 0.3)
    before = labelled.filter(pl.col("event_timestamp") < split.test_start)
    assert split.train.equals(before.filter(pl.col("t1") < split.test_start))
    assert 0 < split.purged < before.filter(pl.col("t0") >= split.test_start - 24 * HOUR).height
    folds = split_walk_forward(labelled, test_bars=60, train_bars=150) + split_purged_kfold(labelled, folds=4)
    for fold in folds + split_combinatorial_purged(labelled, groups=4, test_groups=2):
        spans = fold.test.select("t0", "t1").unique()
        met = (
            fold.train.select("t0", "t1")
            .unique()
            .join_where(spans, pl.col("t0") <= pl.col("t1_right"), pl.col("t1") >= pl.col("t0_right"))
        )
        assert met.is_empty()
    weights = compute_average_uniqueness(labelled)
    assert 0 < weights.min() < weights.max() <= 1
