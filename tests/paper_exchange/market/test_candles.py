import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.market.bar_arrays import BarSlice, arrays_from_bars, make_bar_arrays
from paper_exchange.market.candles import DAY_MS, MINUTE_MS, parse_bar_size, read_page
from paper_exchange.market.market import Bar
from paper_exchange.wire import WireError
from tests.oracles import candles as oracle

NAMES = ["1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", "6H", "6Hutc", "12H", "12Hutc"]
NAMES += ["1D", "1Dutc", "2D", "2Dutc", "3D", "3Dutc", "1W", "1Wutc"]
START = 1_700_006_400_000  # a Wednesday, 2023-11-15 00:00 UTC
MONTHS = ["1M", "1Mutc", "3M", "3Mutc"]
ID = "BTC-USDT-SWAP"


class FewBars:
    """A market of one instrument whose bars are given."""

    label, instruments = "few", {}

    def __init__(self, minutes, bar_minutes=1):
        step = bar_minutes * MINUTE_MS
        self.step, self.start_ms = step, START
        self.all = [
            Bar(
                open_ms=START + m * step,
                open=10.0 + m % 7,
                high=18.0 + m % 5,
                low=5.0 - m % 3,
                close=11.0 + m % 4,
                volume=float(m % 3),
            )
            for m in minutes
        ]
        self.end_ms = START + (max(minutes, default=0) + 1) * step

    def bar_ms(self, _):
        return self.step

    def bars(self, _, since_ms, until_ms, kind="last"):
        return [bar for bar in self.all if since_ms <= bar.open_ms < until_ms]

    def bar_at(self, _, at_ms, kind="last"):
        return next((bar for bar in reversed(self.all) if bar.open_ms <= at_ms), None)


minutes = st.sets(st.integers(0, 3 * 1440), min_size=1, max_size=60).map(sorted)


def known(market, name, now_ms):
    """What the oracle knows; candles that begin before the market are left out."""
    found = oracle.candles(market.all, market.step, name, now_ms)
    return {key: row for key, row in found.items() if key >= market.start_ms}


@settings(max_examples=80, deadline=None)
@given(minutes, st.sampled_from(NAMES), st.integers(0, 3 * 1440 * MINUTE_MS), st.sampled_from([1, 3, 15]))
def test_candles_equal_the_oracle(indexes, name, later_ms, bar_minutes):
    market = FewBars(indexes, bar_minutes)
    size, now_ms = parse_bar_size(name), START + later_ms * bar_minutes
    if size.ms % market.step:
        with pytest.raises(WireError, match="none finer"):
            read_page(market, ID, size, now_ms=now_ms, limit=300)
        return
    got = read_page(market, ID, size, now_ms=now_ms, limit=100_000)
    want = known(market, name, now_ms)
    assert [c.open_ms for c in got] == sorted(want, reverse=True)
    for candle in got:
        assert list(candle[1:6]) == pytest.approx(want[candle.open_ms][:5])
        assert candle.closed == want[candle.open_ms][5]


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.integers(0, 2_500), min_size=1, max_size=60).map(sorted), st.sampled_from(MONTHS), st.integers(0, 500)
)
def test_months_equal_the_oracle(indexes, name, days):
    market, now_ms = FewBars(indexes, 240), START + days * DAY_MS
    got = read_page(market, ID, parse_bar_size(name), now_ms=now_ms, limit=100)
    want = known(market, name, now_ms)
    assert [c.open_ms for c in got] == sorted(want, reverse=True)
    for candle in got:
        assert list(candle[1:6]) == pytest.approx(want[candle.open_ms][:5])
        assert candle.closed == want[candle.open_ms][5]


@settings(max_examples=60, deadline=None)
@given(minutes, st.sampled_from(NAMES), st.integers(0, 4 * 1440 * MINUTE_MS), st.integers(1, 7))
def test_paging_by_after_returns_every_candle_once(indexes, name, later_ms, limit):
    market, size, now_ms = FewBars(indexes), parse_bar_size(name), START + later_ms
    seen, after = [], None
    while got := read_page(market, ID, size, now_ms=now_ms, limit=limit, after_ms=after):
        assert len(got) <= limit
        seen += [candle.open_ms for candle in got]
        after = seen[-1]
    assert seen == sorted(known(market, name, now_ms), reverse=True)


@settings(max_examples=60, deadline=None)
@given(minutes, st.integers(0, 3 * 1440), st.integers(0, 3 * 1440), st.integers(1, 20))
def test_after_and_before_are_exclusive_and_the_newest_rows_win(indexes, after, before, limit):
    market, now_ms = FewBars(indexes), START + 4 * DAY_MS
    after_ms, before_ms = START + after * MINUTE_MS, START + before * MINUTE_MS
    got = read_page(
        market, ID, parse_bar_size("1m"), now_ms=now_ms, limit=limit, after_ms=after_ms, before_ms=before_ms
    )
    inside = [bar.open_ms for bar in market.all if before_ms < bar.open_ms < after_ms]
    assert [candle.open_ms for candle in got] == inside[::-1][:limit]


def test_recent_candles_end_1440_bars_ago():
    market = FewBars(list(range(3000)))
    got = read_page(market, ID, parse_bar_size("1m"), now_ms=START + 2500 * MINUTE_MS, limit=5000, recent_only=True)
    assert len(got) == 1440
    assert got[0].open_ms == START + 2500 * MINUTE_MS
    assert not got[0].closed
    assert got[1].closed


def test_inside_a_bar_only_its_open_is_known():
    market = FewBars([0, 1, 2])
    newest = read_page(market, ID, parse_bar_size("5m"), now_ms=START + 2 * MINUTE_MS + 1, limit=1)[0]
    whole = read_page(market, ID, parse_bar_size("5m"), now_ms=START + 3 * MINUTE_MS, limit=1)[0]
    assert newest.close == market.all[2].open
    assert newest.volume == sum(bar.volume for bar in market.all[:2])
    assert whole.close == market.all[2].close
    assert not whole.closed


@pytest.mark.parametrize("name", ["1h", "1d", "10m", "", "1s", "2M", "1m0", "utc", "1Hutc"])
def test_other_bar_names_are_refused(name):
    with pytest.raises(WireError) as refusal:
        parse_bar_size(name)
    assert refusal.value.code == "51000"
    assert refusal.value.http_status == 200


@given(st.integers(0, 2_000_000_000_000), st.sampled_from(NAMES + MONTHS))
def test_bars_begin_where_the_calendar_says(instant_ms, name):
    from datetime import UTC, datetime, timedelta

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    want = oracle.opens_at(epoch + timedelta(milliseconds=instant_ms), name)
    assert parse_bar_size(name).start_of(instant_ms) == round((want - epoch).total_seconds() * 1000)
    assert parse_bar_size(name).starts_of(np.array([instant_ms]))[0] == parse_bar_size(name).start_of(instant_ms)


def test_bar_slices_are_sequences_of_bars():
    bars = FewBars([0, 1, 5]).all
    table = arrays_from_bars(bars)
    view = BarSlice(table)
    assert list(view) == bars
    assert [view[0], view[-1]] == [bars[0], bars[-1]]
    assert list(view[1:]) == bars[1:]
    assert arrays_from_bars(view) is table
    assert len(arrays_from_bars([])) == 0
    with pytest.raises(IndexError):
        view[3]
    assert make_bar_arrays(
        table.open_ms, (table.open, table.high, table.low, table.close), table.volume, table.volume * np.nan
    )
