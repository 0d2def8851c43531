"""Markets to label by three barriers, and the label of one decision in them."""

import polars as pl

from pairity.settings import Settings
from pairity.universe import pairs_of
from tests.training.generated import HOUR, START, flat_history
from training.backtest.records import PriceBar
from training.labels.triple_barrier import label_triple_barrier

UTC_US = pl.Datetime("us", "UTC")
SCHEMA = {"pair_id": pl.String, "event_timestamp": UTC_US, "z_score": pl.Float64, "hedge_ratio": pl.Float64}
FREE = {"taker_fee_bps": 0.0, "slippage_bps": 0.0}
FLAT = [100.0] * 13


def config(horizon=10, *, legs="base", costs=FREE, **strategy):
    """Without ATR: a stop 6% away, a target 5%."""
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


BOTH = config(legs="both")


def lines_of(history, scores):
    pairs = pairs_of(("BTC", "ETH", "SOL"))
    flat = [(pair.pair_id, hour) for pair in pairs for hour in history.hours]
    return rows(*[(*key, scores[i % len(scores)], (0.7, 1.6, None)[i % 3]) for i, key in enumerate(flat)])
