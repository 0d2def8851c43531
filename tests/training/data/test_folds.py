"""Folds against skfolio (one series, fixed horizon), against brute force, and attempts to make one that leaks."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skfolio.model_selection import WalkForward

from pairity.errors import ConfigError, DataError, MissingDataError
from tests.examples import examples
from training.data.folds import (
    EVENT,
    Block,
    Fold,
    split_purged_kfold,
    split_walk_forward,
)

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)


def series(bars, horizon, pair="A__B"):
    times = [START + index * HOUR for index in range(bars)]
    return pl.DataFrame(
        {
            "pair_id": pair,
            EVENT: times,
            "t0": times,
            "t1": [time + horizon * HOUR for time in times],
            "label": [index % 2 for index in range(bars)],
            "row": range(bars),
        },
        schema_overrides=dict.fromkeys((EVENT, "t0", "t1"), pl.Datetime("us", "UTC")),
    )


@st.composite
def markets(draw):
    """Several pairs with holes and labels of uneven length."""
    count = draw(st.integers(8, 40))
    rows = []
    for pair in range(draw(st.integers(1, 3))):
        for bar in range(count):
            if draw(st.booleans()) or bar in (0, count - 1):
                time = START + bar * HOUR
                rows.append((f"P{pair}", time, time, time + draw(st.integers(0, 6)) * HOUR, bar % 2))
    schema = {
        "pair_id": pl.String,
        EVENT: pl.Datetime("us", "UTC"),
        "t0": pl.Datetime("us", "UTC"),
        "t1": pl.Datetime("us", "UTC"),
        "label": pl.Int8,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sort(EVENT, "pair_id")


def intervals_meet(train, test):
    """Every training label against every test label."""
    return any(
        a0 <= b1 and a1 >= b0
        for a0, a1 in train.select("t0", "t1").iter_rows()
        for b0, b1 in test.select("t0", "t1").iter_rows()
    )


def make(scheme, rows, embargo, horizon):
    if scheme == "kfold":
        return split_purged_kfold(rows, folds=3, horizon_bars=horizon, embargo_bars=embargo)
    return split_walk_forward(
        rows,
        test_bars=4,
        train_bars=6,
        horizon_bars=horizon,
        rolling=scheme == "rolling",
    )


@settings(deadline=None, max_examples=examples(120))
@given(markets(), st.sampled_from(["kfold", "expanding", "rolling"]), st.integers(0, 4))
def test_no_training_horizon_meets_a_test_horizon(rows, scheme, embargo):
    """Labels end early or late; however they end, the horizon decides."""
    try:
        folds = make(scheme, rows, embargo, 6)
    except MissingDataError:
        assume(False)
    for fold in folds:
        assert not intervals_meet(*(side.with_columns(t1=pl.col("t0") + 6 * HOUR) for side in (fold.train, fold.test)))
        for block in fold.blocks:
            soon = fold.train.filter((pl.col("t0") > block.known) & (pl.col("t0") <= block.known + embargo * HOUR))
            assert soon.is_empty()
        tested = set(fold.test[EVENT])
        assert not tested & set(fold.train[EVENT])
        if scheme in {"expanding", "rolling"}:
            assert fold.train["t0"].max() + 6 * HOUR < fold.test[EVENT].min()
        else:
            assert fold.train.height + fold.test.height + fold.purged + fold.embargoed == rows.height


@pytest.mark.parametrize(("folds", "embargo"), [(6, 0), (5, 3), (8, 24)])
def test_purged_folds_are_those_of_counted_hours(folds, embargo):
    bars, horizon = 240, 4
    ours = split_purged_kfold(series(bars, horizon), folds=folds, horizon_bars=horizon, embargo_bars=embargo)
    assert len(ours) == folds
    for number, fold in enumerate(ours):
        first, last = bars * number // folds, bars * (number + 1) // folds - 1
        assert fold.test["row"].to_list() == list(range(first, last + 1))
        before, behind = range(first - horizon), range(last + horizon + embargo + 1, bars)
        assert fold.train["row"].to_list() == [*before, *behind]


def test_folds_that_train_behind_a_test_leave_a_day_out():
    folds = split_purged_kfold(series(300, 4), folds=3, horizon_bars=4)
    assert [fold.embargoed for fold in folds] == [24, 24, 0]
    assert [
        fold.embargoed for fold in split_walk_forward(series(300, 4), test_bars=50, train_bars=100, horizon_bars=4)
    ] == [0] * 4


@pytest.mark.parametrize("rolling", [True, False])
def test_walk_forward_is_that_of_skfolio(rolling):
    bars, horizon, train_bars, test_bars = 200, 5, 60, 20
    theirs = WalkForward(
        test_size=test_bars, train_size=train_bars - horizon, purged_size=horizon, expand_train=not rolling
    )
    ours = split_walk_forward(
        series(bars, horizon), test_bars=test_bars, train_bars=train_bars, horizon_bars=horizon, rolling=rolling
    )
    for fold, (train, test) in zip(ours, theirs.split(np.zeros((bars, 1))), strict=True):
        assert fold.train["row"].to_list() == list(train)
        assert fold.test["row"].to_list() == list(test)


def test_the_last_walk_may_be_shorter_and_nothing_is_tested_twice():
    folds = split_walk_forward(series(130, 3), test_bars=25, train_bars=40, horizon_bars=3)
    assert [fold.test.height for fold in folds] == [25, 25, 25, 15]
    tested = [row for fold in folds for row in fold.test["row"]]
    assert tested == list(range(40, 130))
    assert all(fold.train_end < fold.test[EVENT].min() for fold in folds)


def test_a_fold_that_leaks_cannot_be_made():
    rows = series(50, 5)
    block = Block(START + 20 * HOUR, START + 29 * HOUR, START + 34 * HOUR)
    test = rows.slice(20, 10)
    Fold(
        name="clean",
        train=pl.concat([rows.slice(0, 15), rows.slice(35, 15)]),
        test=test,
        blocks=(block,),
        purged=10,
        embargoed=0,
        horizon_bars=5,
    )
    for train in (rows.slice(0, 16), rows.slice(34, 16), rows.slice(0, 25), rows):
        with pytest.raises(DataError, match="leaks"):
            Fold(name="leaking", train=train, test=test, blocks=(block,), purged=0, embargoed=0, horizon_bars=5)
    with pytest.raises(DataError, match="outside of its blocks"):
        Fold(
            name="elsewhere",
            train=rows.slice(0, 15),
            test=rows.slice(20, 11),
            blocks=(block,),
            purged=0,
            embargoed=0,
            horizon_bars=5,
        )


@settings(deadline=None, max_examples=examples(60))
@given(markets(), st.sampled_from(["kfold", "expanding", "rolling"]), st.randoms())
def test_which_rows_are_kept_does_not_depend_on_how_they_end(rows, scheme, random):
    ends = [random.randint(0, 6) for _ in range(rows.height)]
    other = rows.with_columns(t1=pl.col("t0") + pl.Series(ends) * HOUR)
    try:
        folds = make(scheme, rows, 0, 6)
    except MissingDataError:
        assume(False)
    for one, two in zip(folds, make(scheme, other, 0, 6), strict=True):
        assert one.train.drop("t1").equals(two.train.drop("t1"))
        assert one.test.drop("t1").equals(two.test.drop("t1"))


def test_another_pairs_label_of_the_same_hours_leaks_as_well():
    rows = pl.concat([series(60, 5), series(60, 5, "C__D")]).sort(EVENT, "pair_id")
    for fold in split_purged_kfold(rows, folds=3, horizon_bars=4):
        first, last = fold.blocks[0].first, fold.blocks[0].known
        assert fold.train.filter((pl.col("t1") >= first) & (pl.col("t0") <= last)).is_empty()


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda rows: split_purged_kfold(rows, folds=1, horizon_bars=4), ConfigError, "1 folds"),
        (
            lambda rows: split_purged_kfold(rows, folds=99, horizon_bars=4),
            MissingDataError,
            "cannot be divided into 99",
        ),
        (lambda rows: split_purged_kfold(rows, folds=15, horizon_bars=4, embargo_bars=0), MissingDataError, None),
        (
            lambda rows: split_walk_forward(rows, test_bars=5, train_bars=30, horizon_bars=4),
            MissingDataError,
            "leave none to test",
        ),
        (
            lambda rows: split_walk_forward(rows, test_bars=0, train_bars=10, horizon_bars=4),
            ConfigError,
            "test_bars is 0",
        ),
        (
            lambda rows: split_walk_forward(rows, test_bars=5, train_bars=3, horizon_bars=4),
            MissingDataError,
            "0 training",
        ),
        (
            lambda rows: split_purged_kfold(
                rows.with_columns(t1=pl.lit(None, pl.Datetime("us", "UTC"))), folds=3, horizon_bars=4
            ),
            DataError,
            "complete label interval",
        ),
        (
            lambda rows: split_purged_kfold(rows.with_columns(t1=pl.col("t0") - HOUR), folds=3, horizon_bars=4),
            DataError,
            "begin at",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(attempt, error, message):
    if message is None:
        attempt(series(30, 4))
        return
    with pytest.raises(error, match=message):
        attempt(series(30, 4))


def test_a_class_that_is_missing_in_a_fold_is_named():
    rows = series(60, 2).with_columns(pl.when(pl.col("row") < 30).then(0).otherwise(1).alias("label"))
    first = split_walk_forward(rows, test_bars=20, train_bars=25, horizon_bars=2)[0]
    with pytest.raises(MissingDataError, match="all 23 training labels of walk 1 are 0") as caught:
        first.require_classes()
    assert "pairity leaderboard --train-bars N --test-bars N" in caught.value.remedy
    split_purged_kfold(rows, folds=3, horizon_bars=4, embargo_bars=0)[0].require_classes()
