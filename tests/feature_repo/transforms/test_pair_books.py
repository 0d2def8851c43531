"""Slow features of pairs: against loops over plain dicts, in every step, and by the kernel that books use."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import EVENT_TIME, PAIR_BOOKS
from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.chunks import Chunk, compute_views
from feature_repo.transforms.book_kernels import pair_scores
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
from tests.oracles.pair_books import describe
from validation.lookahead import prove

NAMES = ("A", "B", "C")
MAY, UNTIL = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 16, tzinfo=UTC)
START = MAY - LONG_LOOKBACK
HOURS = int((UNTIL - START) / HOUR)


@pytest.fixture(scope="module")
def hours():
    """Hours with holes; C begins forty days before the month."""
    rows = candles(NAMES, HOURS, start=START, seed=7, gaps=0.02)
    return rows.filter(~((pl.col("asset") == "C") & (pl.col("open_time") < MAY - 40 * DAY)))


@pytest.fixture(scope="module")
def read(hours):
    return reader(hours.clear(), hours, funding_of())


@pytest.fixture(scope="module")
def whole(read):
    return compute_views(read, MAY, UNTIL, settings(NAMES), [PAIR_BOOKS.name])[PAIR_BOOKS.name]


def plain(hours, name):
    own = hours.filter(asset=name).select("open_time", "close")
    return {int((t - START) / HOUR) + 1: close for t, close in own.iter_rows()}


def test_every_column_is_that_of_loops(hours, whole):
    assert whole.columns == list(PAIR_BOOKS.columns)
    prices = {name: plain(hours, name) for name in NAMES}
    expected_rows = []
    measured = dict.fromkeys(PAIR_BOOKS.feature_names, 0)
    empty = 0
    stored = {(pair, at): values for pair, at, _, *values in whole.iter_rows()}
    for pair in sorted(pairs_of(NAMES), key=lambda pair: pair.pair_id):
        a, b = (prices[name] for name in pair.assets)
        for at in range(int((MAY - START) / HOUR) + 8, HOURS + 1, 8):
            if at not in a or at not in b:
                continue
            expected_rows.append((pair.pair_id, START + at * HOUR))
            values = dict(zip(PAIR_BOOKS.feature_names, stored[expected_rows[-1]], strict=True))
            for column, value in describe(a, b, at).items():
                if value is None:
                    assert values[column] is None
                    empty += 1
                else:
                    assert values[column] == pytest.approx(value, rel=1e-8, abs=1e-9), (expected_rows[-1], column)
                    measured[column] += 1
    assert whole.select("pair_id", EVENT_TIME).rows() == expected_rows
    assert min(measured.values()) > 40
    assert empty > 10  # C is too young for 1,080 hours at first
    assert (whole["created_timestamp"] - whole[EVENT_TIME] == LAG).all()


def test_books_score_pairs_by_the_same_kernel(hours, whole):
    prices = {name: plain(hours, name) for name in NAMES}
    at = int((MAY + 8 * DAY - START) / HOUR)
    window = np.array([[prices[name].get(hour, np.nan) for name in NAMES] for hour in range(at - 719, at + 1)])
    pairs = [(0, 1), (0, 2), (1, 2)]
    theirs = dict(zip(("A__B", "A__C", "B__C"), pair_scores(window, np.array(pairs)).tolist(), strict=True))
    rows = whole.filter(pl.col(EVENT_TIME) == START + at * HOUR)
    assert rows.height > 0
    for pair, score in rows.select("pair_id", "z_720h").iter_rows():
        assert score == theirs[pair]
    # The other way round it is the same number with the other sign: books name pairs by the alphabet.
    assert pair_scores(window, np.array(pairs)[:, ::-1].copy()).tolist() == [-score for score in theirs.values()]


def test_prices_that_move_together_have_no_score():
    path = np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, 720)))
    assert np.isnan(pair_scores(np.column_stack([path, 3.0 * path]), np.array([[0, 1]]))).all()


def test_hour_by_hour_and_block_by_block_give_the_bits_of_the_whole(read, whole):
    chunk = Chunk(MAY, settings(NAMES), [PAIR_BOOKS.name])
    parts = [chunk.advance(read, MAY + step * HOUR)[PAIR_BOOKS.name] for step in (0, 1, 7, 8, 9, 24, 200, 201, 360)]
    assert [part.height > 0 for part in parts[:5]] == [False, False, False, True, False]
    assert_same_bits(pl.concat(parts).sort("pair_id", EVENT_TIME), whole)
    chunk = Chunk(MAY, settings(NAMES), [PAIR_BOOKS.name])
    assert PAIR_BOOKS.name not in chunk.advance(read, UNTIL, with_pairs=False)
    blocks = [chunk.compute_pairs([pair])[PAIR_BOOKS.name] for pair in pairs_of(NAMES)]
    assert_same_bits(pl.concat(blocks).sort("pair_id", EVENT_TIME), whole)


def test_no_column_looks_ahead(read):
    report = prove(
        read, MAY, MAY + 6 * DAY, settings(NAMES), [MAY + 2 * DAY, MAY + 4 * DAY + HOUR], views=[PAIR_BOOKS.name]
    )
    assert report.leaks == ()
    assert report.unproven == ()
