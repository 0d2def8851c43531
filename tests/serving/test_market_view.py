from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl

from feature_repo.catalog import MARKET_STATE, PAIR_FOREST_FEATURES
from pairity.universe import ContractSpec, Pair
from serving.market_view import make_asset_views, make_market_view
from serving.models.scoring import Scorer
from tests.serving.model_reference import REFERENCE, T

SPEC = ContractSpec("BTC-USDT-SWAP", Decimal(1), Decimal(1), Decimal(1), Decimal(1), Decimal(1))


def asset_rows(**times):
    rows = [{"asset": a, "event_timestamp": t, **dict.fromkeys(MARKET_STATE.features, 1.5)} for a, t in times.items()]
    return pl.DataFrame(rows, schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")})


def pair_rows(*rows):
    frames = [
        {"pair_id": p, "event_timestamp": t, **dict.fromkeys(PAIR_FOREST_FEATURES.features, v)} for p, t, v in rows
    ]
    return pl.DataFrame(frames, schema_overrides={"event_timestamp": pl.Datetime("us", "UTC")})


def test_an_asset_is_known_only_by_the_bar_that_has_just_closed():
    rows = asset_rows(BTC=T, ETH=T - timedelta(hours=1), SOL=None)
    views = make_asset_views(rows, ("BTC", "ETH", "SOL", "XRP"), {"BTC": SPEC}, T)
    assert list(views) == ["BTC", "ETH", "SOL", "XRP"]
    assert (views["BTC"].close, views["BTC"].atr, views["BTC"].spec) == (1.5, 1.5, SPEC)
    for name in ("ETH", "SOL", "XRP"):
        assert (views[name].close, views[name].funding_rate, views[name].spec) == (None, None, None)


def test_stale_correlations_are_left_out():
    rows = pair_rows(("BTC__ETH", T, 0.5), ("BTC__SOL", T - timedelta(hours=1), 0.7))
    seen = make_market_view(rows, {}, T + timedelta(seconds=30), T)
    assert seen.correlations == {"BTC__ETH": 0.5}


class Constant:
    """A model that answers with the number of rows that it was asked about."""

    classes_ = (0, 1)

    def predict_proba(self, matrix):
        import numpy as np

        share = len(matrix) / 10
        return np.tile([1 - share, share], (len(matrix), 1))


def test_only_fresh_pairs_are_scored_and_the_others_say_why():
    rows = pair_rows(("A__B", T, 1.25), ("A__C", T - timedelta(hours=3), 9.0), ("B__C", None, None))
    pairs = [Pair("A", "B"), Pair("A", "C"), Pair("B", "C"), Pair("C", "D")]
    scores = Scorer(REFERENCE, Constant()).score(rows, pairs, T)
    assert [score.pair for score in scores] == pairs
    assert (scores[0].z, scores[0].probability, scores[0].unusable) == (1.25, 0.1, None)
    assert scores[0].hedge_ratio == rows["hedge_ratio"][0]
    assert [score.unusable for score in scores[1:]] == ["stale: features are 3 h old", *["no features online"] * 2]
    assert [score.probability for score in scores[1:]] == [None, None, None]


def test_an_infinite_feature_is_the_matter_of_its_pair_alone():
    rows = pair_rows(("A__B", T, 1.25), ("A__C", T, 1.0)).with_columns(
        vol_ratio=pl.when(pl.col("pair_id") == "A__C").then(float("-inf")).otherwise(pl.col("vol_ratio"))
    )
    scores = Scorer(REFERENCE, Constant()).score(rows, [Pair("A", "B"), Pair("A", "C")], T)
    assert (scores[0].probability, scores[0].unusable) == (0.1, None)
    assert (scores[1].probability, scores[1].unusable) == (None, "infinite: vol_ratio")
