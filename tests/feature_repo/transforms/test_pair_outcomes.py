"""Signed outcomes of pairs: against loops over plain dicts, in every step, and as the models of books learn them."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import EVENT_TIME, PAIR_OUTCOMES
from feature_repo.catalog.pair_outcomes import FEE_BPS, SLIPPAGE_BPS, WAITED
from feature_repo.catalog.policies import LONG_LOOKBACK
from feature_repo.chunks import Chunk, compute_views
from pairity.books.outcomes import HORIZONS
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
    settlements,
)
from tests.oracles.pair_outcomes import describe
from training.backtest.records import Settlement
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.pair_outcomes import measure_outcomes
from training.books.panel import build_panel
from validation.lookahead import prove

NAMES = ("A", "B", "C")
MAY, UNTIL = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 12, tzinfo=UTC)
START = MAY - LONG_LOOKBACK
HOURS = int((UNTIL - START) / HOUR)


@pytest.fixture(scope="module")
def hours():
    """Hours with holes; C begins fifty days before the month."""
    rows = candles(NAMES, HOURS, start=START, seed=7, gaps=0.02)
    return rows.filter(~((pl.col("asset") == "C") & (pl.col("open_time") < MAY - 50 * DAY)))


@pytest.fixture(scope="module")
def funding():
    """Settlements of A every hour, of B and C every eight; B lacks one in fifty, and C a whole day."""
    rows = pl.concat(
        [
            settlements(["A"], HOURS, start=START, every=1, seed=1),
            settlements(["B"], HOURS, start=START, seed=2, missing=0.02),
            settlements(["C"], HOURS, start=START, seed=3),
        ]
    )
    gone = pl.col("funding_time").is_between(MAY - 4 * DAY, MAY - 3 * DAY)
    return rows.filter(~((pl.col("asset") == "C") & gone)).sort("asset", "funding_time")


@pytest.fixture(scope="module")
def read(hours, funding):
    return reader(hours.clear(), hours, funding)


@pytest.fixture(scope="module")
def whole(read):
    return compute_views(read, MAY, UNTIL, settings(NAMES), [PAIR_OUTCOMES.name])[PAIR_OUTCOMES.name]


def plain(hours, funding, name):
    own = hours.filter(asset=name).select("open_time", "open", "close").rows()
    opens = {int((t - START) / HOUR) + 1: price for t, price, _ in own}
    closes = {int((t - START) / HOUR) + 1: price for t, _, price in own}
    paid, before = {}, None
    for t, rate in funding.filter(asset=name).select("funding_time", "funding_rate").iter_rows():
        gap = None if before is None else (t - before) / HOUR
        paid[int((t - START) / HOUR)] = rate, gap if gap in {1, 2, 4, 8} else 0
        before = t
    return opens, closes, paid


def test_every_label_is_that_of_loops(hours, funding, whole):
    assert whole.columns == list(PAIR_OUTCOMES.columns)
    market = {name: plain(hours, funding, name) for name in NAMES}
    stored = {(pair, at): values for pair, at, _, *values in whole.iter_rows()}
    due, empty, measured = [], 0, dict.fromkeys(PAIR_OUTCOMES.feature_names, 0)
    for pair in sorted(pairs_of(NAMES), key=lambda pair: pair.pair_id):
        a, b = (market[name] for name in pair.assets)
        for at in range(int((MAY - START) / HOUR) + 8, HOURS + 1, 8):
            if at not in a[1] or at not in b[1]:
                continue
            due.append((pair.pair_id, START + at * HOUR))
            values = dict(zip(PAIR_OUTCOMES.feature_names, stored[due[-1]], strict=True))
            for column, value in describe(a, b, at).items():
                if value is None:
                    assert values[column] is None, (due[-1], column)
                    empty += 1
                else:
                    assert values[column] == pytest.approx(value, rel=1e-9, abs=1e-12), (due[-1], column)
                    measured[column] += 1
    assert whole.select("pair_id", EVENT_TIME).rows() == due
    assert min(measured.values()) >= 25
    assert empty > 50  # C has no volatility a month before, nor funding of a day
    assert (whole["created_timestamp"] - whole[EVENT_TIME] == LAG).all()


def test_a_label_is_what_models_of_outcomes_learn_at_its_decision(hours, funding, whole):
    bars = hours.select(
        "asset",
        (pl.col("open_time") + HOUR).alias(EVENT_TIME),
        (pl.col("open_time") + HOUR).alias("first_known"),
        "open",
        "high",
        "low",
        "close",
        pl.col("volume").alias("volume_base"),
    )
    settled = funding.select("funding_time", "funding_rate", "asset").rows()
    paid = {name: [Settlement(at, rate) for at, rate, of in settled if of == name] for name in NAMES}
    panel = build_panel(bars, paid, 0.0)
    history = FeatureHistory(panel)
    costs = BookCosts(FEE_BPS, SLIPPAGE_BPS)
    pairs = {"A__B": 0, "A__C": 1, "B__C": 2}
    seen = 0
    for pair, at, _, *values in whole.iter_rows():
        labels = dict(zip(PAIR_OUTCOMES.feature_names, values, strict=True))
        for held in HORIZONS:
            decided = int((at - panel.start) / HOUR) - held - WAITED
            names = history.name_features(decided)
            risks = [names[name].volatility if name in names else None for name in NAMES]
            learnt = measure_outcomes(panel, decided, NAMES, np.array(risks, dtype=float), held, costs)
            assert np.all(learnt.known < decided + held + WAITED)
            for side, row in (("long", pairs[pair]), ("short", 3 + pairs[pair])):
                label = labels[f"{side}_{held}h"]
                # Features of a name need a bar at the decision, which its own volatility can do without.
                if not np.isnan(learnt.net[row]):
                    assert label == learnt.net[row]
                    seen += 1
    assert seen > 250


def test_both_ways_of_a_pair_lose_two_round_trips_together(whole):
    for held in HORIZONS:
        both = whole.drop_nulls([f"long_{held}h", f"short_{held}h"])
        lost = both[f"long_{held}h"] + both[f"short_{held}h"]
        assert ((lost + 24e-4).abs() < 6e-4).all(), held


def test_hour_by_hour_and_block_by_block_give_the_bits_of_the_whole(read, whole):
    chunk = Chunk(MAY, settings(NAMES), [PAIR_OUTCOMES.name])
    parts = [chunk.advance(read, MAY + step * HOUR)[PAIR_OUTCOMES.name] for step in (0, 7, 8, 9, 24, 200, 201, 264)]
    assert [part.height > 0 for part in parts[:4]] == [False, False, True, False]
    assert_same_bits(pl.concat(parts).sort("pair_id", EVENT_TIME), whole)
    chunk = Chunk(MAY, settings(NAMES), [PAIR_OUTCOMES.name])
    assert PAIR_OUTCOMES.name not in chunk.advance(read, UNTIL, with_pairs=False)
    blocks = [chunk.compute_pairs([pair])[PAIR_OUTCOMES.name] for pair in pairs_of(NAMES)]
    assert_same_bits(pl.concat(blocks).sort("pair_id", EVENT_TIME), whole)


def test_no_label_looks_ahead(read):
    report = prove(read, MAY, UNTIL, settings(NAMES), [MAY + 6 * DAY, MAY + 9 * DAY + HOUR], views=[PAIR_OUTCOMES.name])
    assert report.leaks == ()
    assert report.unproven == ()


def test_a_label_waits_for_the_settlement_that_came_last(hours, funding, read, whole):
    at = MAY + 2 * DAY
    late = pl.when((pl.col("asset") == "B") & (pl.col("funding_time") == at - 8 * HOUR))
    rows = funding.with_columns(late.then(pl.lit(at + 5 * HOUR)).otherwise("known_at").alias("known_at"))
    got = compute_views(reader(hours.clear(), hours, rows), MAY, UNTIL, settings(NAMES), [PAIR_OUTCOMES.name])
    own = got[PAIR_OUTCOMES.name].filter(pl.col(EVENT_TIME) == at)
    waits = dict(own.select("pair_id", pl.col("created_timestamp") - at).iter_rows())
    assert waits == {"A__B": 5 * HOUR, "A__C": LAG, "B__C": 5 * HOUR}


def test_without_funding_there_is_no_label(hours):
    got = compute_views(
        reader(hours.clear(), hours, funding_of()), MAY, MAY + DAY, settings(NAMES), [PAIR_OUTCOMES.name]
    )
    rows = got[PAIR_OUTCOMES.name]
    assert rows.height > 0
    assert all(rows[name].null_count() == rows.height for name in PAIR_OUTCOMES.feature_names)
