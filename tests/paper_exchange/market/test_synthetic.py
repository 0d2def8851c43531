import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import ConfigError, UnknownNameError
from pairity.universe import DEFAULT_UNIVERSE, inst_id
from paper_exchange.market.candles import DAY_MS, HOUR_MS, MINUTE_MS
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.market.synthetic_assets import MODELS, make_models

START = 1_767_225_600_000
IDS = [inst_id(asset) for asset in DEFAULT_UNIVERSE]


def fresh(seed=7, **days):
    return SyntheticMarket(seed, START, **{"history_days": 4, "future_days": 1, **days})


WHOLE = {
    (name, kind): list(fresh().bars(name, 0, START + DAY_MS, kind))
    for name in IDS
    for kind in ("last", "mark", "index")
}
RATES = {name: fresh().funding(name, 0, START + DAY_MS) for name in IDS}

question = st.tuples(
    st.sampled_from(IDS),
    st.sampled_from(["last", "mark", "index"]),
    st.integers(START - 5 * DAY_MS, START + 2 * DAY_MS),
    st.integers(0, 2 * DAY_MS),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(question, min_size=1, max_size=6))
def test_answers_do_not_depend_on_the_order_of_questions(questions):
    market = fresh()
    for name, kind, since, length in questions:
        want = [bar for bar in WHOLE[name, kind] if since <= bar.open_ms < since + length]
        assert list(market.bars(name, since, since + length, kind)) == want
        at = next((bar for bar in reversed(WHOLE[name, kind]) if bar.open_ms <= since), None)
        assert market.bar_at(name, since, kind) == at
        assert market.funding(name, since, since + length) == [
            f for f in RATES[name] if since <= f.settle_ms < since + length
        ]
        interest = market.open_interest(name, since)
        assert (interest is None) == (since < market.start_ms)


def test_another_seed_is_another_market():
    assert list(fresh(8).bars(IDS[0], 0, START)) != list(fresh().bars(IDS[0], 0, START))
    assert fresh(8).label == "synthetic (seed 8)"


@pytest.mark.parametrize("name", IDS)
def test_bars_are_consistent_and_on_the_grid(name):
    market = fresh()
    instrument, tick = market.instruments[name], float(market.instruments[name].tick_sz)
    table = market.bars(name, 0, START).arrays
    assert (table.high >= np.maximum(table.open, table.close)).all()
    assert (table.low <= np.minimum(table.open, table.close)).all()
    assert (table.low > 0).all()
    assert (table.volume > 0).all()
    for price in (table.open, table.high, table.low, table.close):
        assert np.allclose(price / tick, np.round(price / tick), atol=1e-6)
    lots = table.volume / float(instrument.ct_val * instrument.lot_sz)
    assert np.allclose(lots, np.round(lots), atol=1e-6)
    following = np.diff(table.open_ms) == MINUTE_MS
    jump = np.abs(table.open[1:] - table.close[:-1])[following]
    assert jump.max() <= 1.001 * tick
    assert (table.open_ms % MINUTE_MS == 0).all()


def test_holes_are_few_and_bar_at_answers_with_the_bar_before():
    market = fresh(history_days=40)
    missing = 0
    for name in IDS:
        times = market.bars(name, 0, START).arrays.open_ms
        steps = np.diff(times)
        assert steps.max() <= 10 * MINUTE_MS
        missing += int((steps // MINUTE_MS - 1).sum())
        for before in np.flatnonzero(steps > MINUTE_MS)[:3]:
            assert market.bar_at(name, int(times[before]) + MINUTE_MS + 5).open_ms == times[before]
    assert 20 < missing < 10 * 40 * 2


def test_anchored_ratios_revert_and_others_wander():
    """Variance ratio of the log price ratio, 5 days against 1 hour: 1 for a random walk."""
    market = fresh(history_days=60)
    closes = {name: market.bars(name, 0, START).arrays for name in IDS}
    grid = np.arange(market.start_ms, START, HOUR_MS)
    hourly = {name: np.log(c.open[np.searchsorted(c.open_ms, grid)]) for name, c in closes.items()}

    def variance_ratio(a, b, lag=120):
        spread = hourly[inst_id(a)] - hourly[inst_id(b)]
        return np.var(spread[lag:] - spread[:-lag]) / (lag * np.var(np.diff(spread)))

    assert max(variance_ratio("BTC", "ETH"), variance_ratio("SOL", "AVAX")) < 0.35
    assert min(variance_ratio("XRP", "DOGE"), variance_ratio("ADA", "LINK")) > 0.35


def test_volume_follows_volatility_and_volatility_clusters():
    table = fresh(history_days=30).bars(IDS[0], 0, START).arrays
    size = np.abs(np.diff(np.log(table.close)))
    hours = len(size) // 60
    by_hour = size[: hours * 60].reshape(hours, 60).mean(axis=1)
    volume = table.volume_quote[1 : hours * 60 + 1].reshape(hours, 60).mean(axis=1)
    assert np.corrcoef(by_hour, volume)[0, 1] > 0.5
    assert np.corrcoef(by_hour[:-1], by_hour[1:])[0, 1] > 0.3


def test_funding_follows_the_premium_every_eight_hours():
    market = fresh(history_days=30)
    rates = market.funding(IDS[0], 0, START)
    assert {f.settle_ms % (8 * HOUR_MS) for f in rates} == {0}
    assert len(rates) == 30 * 3 - 1
    last, index = (market.bars(IDS[0], 0, START, kind).arrays for kind in ("last", "index"))
    premium = np.log(last.close) - np.log(index.close)
    means = [premium[(last.open_ms < f.settle_ms) & (last.open_ms >= f.settle_ms - 8 * HOUR_MS)].mean() for f in rates]
    assert np.corrcoef(means, [f.rate for f in rates])[0, 1] > 0.95


def test_unknown_instruments_are_named():
    with pytest.raises(UnknownNameError, match="BTC-USDT-SWAP"):
        fresh().bars("PEPE-USDT-SWAP", 0, START)


def test_ten_assets_are_those_of_the_default_universe():
    assert tuple(fresh().instruments) == tuple(IDS)
    assert make_models(10) == MODELS


@pytest.mark.parametrize("count", [2, 9, 11, 120])
def test_a_model_does_not_depend_on_how_many_there_are(count):
    models = make_models(count)
    assert len({model.name for model in models}) == count
    assert models == make_models(120)[:count]


def test_a_large_market_is_as_consistent_as_the_ten():
    market = fresh(assets=100, history_days=2)
    assert len(market.instruments) == 100
    assert list(market.instruments)[:10] == IDS
    for name in list(market.instruments)[10:]:
        instrument = market.instruments[name]
        table = market.bars(name, 0, START).arrays
        assert len(table.open_ms) > 1.98 * 1440
        assert (table.high >= np.maximum(table.open, table.close)).all()
        assert (table.low <= np.minimum(table.open, table.close)).all()
        moves = np.abs(np.diff(np.log(table.close)))
        assert 1e-5 < moves.mean() < 1e-2
        assert float(instrument.tick_sz) / table.close.min() < 2e-4
        assert market.funding(name, 0, START)
        assert market.open_interest(name, START) > 0


@pytest.mark.parametrize("count", [0, 1, 1001])
def test_a_market_of_an_impossible_size_is_refused(count):
    with pytest.raises(ConfigError, match=f"of {count:,}".replace(",", "") + " assets"):
        fresh(assets=count)
