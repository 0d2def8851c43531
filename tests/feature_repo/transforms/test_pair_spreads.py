"""Spreads of pairs: against loops over plain dicts, in every step, and by the kernels that books use."""

import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import EVENT_TIME, PAIR_SPREADS
from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.chunks import Chunk, compute_views
from feature_repo.transforms.book_kernels import pair_changes, pair_scores
from pairity.universe import pairs_of
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    LAG,
    assert_same_bits,
    candles,
    funding_of,
    reader,
    settings,
)
from tests.oracles.pair_spreads import describe
from validation.lookahead import prove

NAMES = ("A", "B", "C")
MAY, UNTIL = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 16, tzinfo=UTC)
START = MAY - LONG_LOOKBACK
HOURS = int((UNTIL - START) / HOUR)


@pytest.fixture(scope="module")
def hours():
    """Hours with holes; C begins 25 days before the month."""
    rows = candles(NAMES, HOURS, start=START, seed=7, gaps=0.01)
    return rows.filter(~((pl.col("asset") == "C") & (pl.col("open_time") < MAY - 25 * DAY)))


@pytest.fixture(scope="module")
def read(hours):
    return reader(hours.clear(), hours, funding_of())


@pytest.fixture(scope="module")
def whole(read):
    return compute_views(read, MAY, UNTIL, settings(NAMES), [PAIR_SPREADS.name])[PAIR_SPREADS.name]


def plain(hours, name):
    own = hours.filter(asset=name).select("open_time", "close")
    return {int((t - START) / HOUR) + 1: close for t, close in own.iter_rows()}


def test_every_column_is_that_of_loops(hours, whole):
    assert whole.columns == list(PAIR_SPREADS.columns)
    prices = {name: plain(hours, name) for name in NAMES}
    expected_rows = []
    measured = dict.fromkeys(PAIR_SPREADS.feature_names, 0)
    empty = 0
    stored = {(pair, at): values for pair, at, _, *values in whole.iter_rows()}
    for pair in sorted(pairs_of(NAMES), key=lambda pair: pair.pair_id):
        a, b = (prices[name] for name in pair.assets)
        for at in range(int((MAY - START) / HOUR) + 8, HOURS + 1, 8):
            if at not in a or at not in b:
                continue
            expected_rows.append((pair.pair_id, START + at * HOUR))
            values = dict(zip(PAIR_SPREADS.feature_names, stored[expected_rows[-1]], strict=True))
            for column, value in describe(a, b, at).items():
                if value is None:
                    assert values[column] is None
                    empty += 1
                else:
                    assert values[column] == pytest.approx(value, rel=1e-8, abs=1e-9), (expected_rows[-1], column)
                    measured[column] += 1
    assert whole.select("pair_id", EVENT_TIME).rows() == expected_rows
    assert min(measured.values()) > 40
    assert empty > 0  # C is too young for a month of changes at first
    assert (whole["created_timestamp"] - whole[EVENT_TIME] == LAG).all()


def test_books_measure_pairs_by_kernels_with_the_same_bits(hours, whole):
    prices = {name: plain(hours, name) for name in NAMES}
    at = int((MAY + 8 * DAY - START) / HOUR)
    window = np.array([[prices[name].get(hour, np.nan) for name in NAMES] for hour in range(at - 720, at + 1)])
    pairs = np.array([(0, 1), (0, 2), (1, 2)])
    scores, deviations = pair_scores(window[-336:].copy(), pairs), pair_changes(window, pairs)
    theirs = dict(zip(("A__B", "A__C", "B__C"), zip(scores.tolist(), deviations.tolist(), strict=True), strict=True))
    rows = whole.filter(pl.col(EVENT_TIME) == START + at * HOUR)
    assert rows.height > 0
    for pair, *values in rows.select("pair_id", *PAIR_SPREADS.feature_names).iter_rows():
        known = [math.nan if value is None else value for value in values]
        np.testing.assert_array_equal(known, theirs[pair])
    # The other way round the deviation is the same number: books name pairs by the alphabet.
    assert pair_changes(window, pairs[:, ::-1].copy()).tolist() == deviations.tolist()


def test_hour_by_hour_and_block_by_block_give_the_bits_of_the_whole(read, whole):
    chunk = Chunk(MAY, settings(NAMES), [PAIR_SPREADS.name])
    parts = [chunk.advance(read, MAY + step * HOUR)[PAIR_SPREADS.name] for step in (0, 1, 7, 8, 9, 24, 200, 201, 360)]
    assert [part.height > 0 for part in parts[:5]] == [False, False, False, True, False]
    assert_same_bits(pl.concat(parts).sort("pair_id", EVENT_TIME), whole)
    chunk = Chunk(MAY, settings(NAMES), [PAIR_SPREADS.name])
    assert PAIR_SPREADS.name not in chunk.advance(read, UNTIL, with_pairs=False)
    blocks = [chunk.compute_pairs([pair])[PAIR_SPREADS.name] for pair in pairs_of(NAMES)]
    assert_same_bits(pl.concat(blocks).sort("pair_id", EVENT_TIME), whole)


def test_no_column_looks_ahead(read):
    report = prove(
        read, MAY, MAY + 6 * DAY, settings(NAMES), [MAY + 2 * DAY, MAY + 4 * DAY + HOUR], views=[PAIR_SPREADS.name]
    )
    assert report.leaks == ()
    assert report.unproven == ()
