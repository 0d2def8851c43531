"""The market under events, against one that is computed bar by bar and settlement by settlement."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.events.scripted_market import ScriptedMarket
from tests.examples import examples
from tests.paper_exchange.handmade_market import BTC, ETH, MINUTE_MS, T0, HandmadeMarket, flat, minute

HOUR_MS = 3_600_000
MINUTES = 40
seconds = st.integers(0, MINUTES * 60).map(lambda second: T0 + second * 1000)
states = st.lists(st.tuples(seconds, st.sampled_from(["live", "suspend", "preopen", "post_only"])), max_size=5)
holes = st.sets(st.integers(0, MINUTES - 1), max_size=8)


def make_market(missing=()):
    path = [None if at in missing else (100 + at, 101 + at, 99 + at, 100.5 + at) for at in range(MINUTES)]
    return HandmadeMarket({BTC: path, ETH: flat(50, MINUTES)})


def state_at(changes, at_ms):
    """The last state that began by then; events at one instant happen in order."""
    return next((state for since, state in reversed(changes) if since <= at_ms), "live")


@settings(max_examples=examples(300), deadline=None)
@given(states.map(lambda rows: sorted(rows, key=lambda row: row[0])), holes, st.none() | seconds, seconds)
def test_bars_of_a_halt_are_missing_and_the_price_stands_still(changes, missing, ended_ms, at_ms):
    played = make_market(missing)
    market = ScriptedMarket(played)
    for since_ms, state in changes:
        market.set_state(BTC, state, since_ms)
    if ended_ms is not None:
        market.end(BTC, ended_ms)
    everything = played.bars(BTC, T0, played.end_ms)
    there = [
        bar
        for bar in everything
        if state_at(changes, bar.open_ms) in ("live", "post_only") and (ended_ms is None or bar.open_ms < ended_ms)
    ]
    assert list(market.bars(BTC, T0, played.end_ms)) == there
    assert market.bar_at(BTC, at_ms) == max((bar for bar in there if bar.open_ms <= at_ms), default=None)
    marks = [bar for bar in played.bars(BTC, T0, played.end_ms, "mark") if ended_ms is None or bar.open_ms < ended_ms]
    assert list(market.bars(BTC, T0, played.end_ms, "mark")) == marks
    assert list(market.bars(ETH, T0, played.end_ms)) == played.bars(ETH, T0, played.end_ms)


intervals = st.lists(
    st.tuples(st.integers(0, 47), st.sampled_from([1, 2, 4, 6, 8])), max_size=3, unique_by=lambda c: c[0]
)


@settings(max_examples=150, deadline=None)
@given(intervals.map(sorted), st.integers(0, 48), st.integers(0, 48))
def test_funding_follows_the_interval_in_force(changes, first, last):
    base = [(T0 + hour * HOUR_MS, 0.0001 * (hour // 8 - 2)) for hour in range(0, 48, 8)]
    market = ScriptedMarket(HandmadeMarket({BTC: flat(100)}, fundings={BTC: base}))
    for hour, hours in changes:
        market.set_funding_hours(BTC, hours, T0 + hour * HOUR_MS)
    want = []
    for hour in range(first, last):
        hours = next((hours for since, hours in reversed(changes) if since < hour), None)
        known = [rate for at, rate in base if at <= T0 + hour * HOUR_MS]
        if hours is None:
            want += [(at, rate) for at, rate in base if at == T0 + hour * HOUR_MS]
        elif hour % hours == 0 and hour - (8 * (len(known) - 1)) <= 24:
            want.append((T0 + hour * HOUR_MS, round(known[-1] * hours / 8, 16)))
    got = market.funding(BTC, T0 + first * HOUR_MS, T0 + last * HOUR_MS)
    assert [tuple(settlement) for settlement in got] == want


def test_a_new_minimum_is_the_new_lot_unless_one_is_given():
    market = ScriptedMarket(HandmadeMarket({BTC: flat(100)}))
    market.change(BTC, {"minSz": Decimal("0.5")})
    assert (market.instruments[BTC].min_sz, market.instruments[BTC].lot_sz) == (Decimal("0.5"), Decimal("0.5"))
    market.change(BTC, {"minSz": Decimal(2), "lotSz": Decimal(1), "lever": Decimal(20)})
    contract = market.instruments[BTC]
    assert (contract.min_sz, contract.lot_sz, contract.max_leverage) == (2, 1, 20)
    assert market.bar_ms(BTC) == MINUTE_MS
    assert market.open_interest(BTC, minute(1)) is None
