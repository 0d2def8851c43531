"""Nothing that a public endpoint answers may depend on what the market does later."""

import pytest

from paper_exchange.clock import VirtualClock
from paper_exchange.market.candles import DAY_MS, HOUR_MS, MINUTE_MS
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import get, serving

START = 1_767_225_600_000
ID = "ETH-USDT-SWAP"


class Altered:
    """A market with another future: bars and settlements after `now_ms` changed, the current bar but for its open."""

    def __init__(self, market, now_ms):
        self.market, self.now_ms = market, now_ms
        self.label, self.instruments = market.label, market.instruments
        self.start_ms, self.end_ms = market.start_ms, market.end_ms

    def _changed(self, bar):
        if bar is None or bar.open_ms + MINUTE_MS <= self.now_ms:
            return bar
        later = bar._replace(high=bar.high * 3, low=bar.low / 3, close=bar.close * 2, volume=bar.volume * 7)
        return later if bar.open_ms <= self.now_ms else later._replace(open=bar.open * 2)

    def bar_ms(self, inst_id):
        return self.market.bar_ms(inst_id)

    def bars(self, inst_id, since_ms, until_ms, kind="last"):
        return [self._changed(bar) for bar in self.market.bars(inst_id, since_ms, until_ms, kind)]

    def bar_at(self, inst_id, at_ms, kind="last"):
        return self._changed(self.market.bar_at(inst_id, at_ms, kind))

    def funding(self, inst_id, since_ms, until_ms):
        settled = self.market.funding(inst_id, since_ms, until_ms)
        return [f if f.settle_ms <= self.now_ms else f._replace(rate=f.rate + 1) for f in settled]

    def open_interest(self, inst_id, at_ms):
        known = self.market.open_interest(inst_id, at_ms)
        return known if at_ms <= self.now_ms or known is None else known * 2


QUESTIONS = [
    (path, {"instId": ID, "bar": bar, "limit": 30, **more})
    for path in ("market/candles", "market/history-candles", "market/mark-price-candles")
    for bar in ("1m", "5m", "1H", "4H", "1D", "1Dutc")
    for more in ({}, {"after": START + DAY_MS}, {"before": START - DAY_MS})
] + [
    ("market/index-candles", {"instId": "ETH-USDT", "bar": "15m"}),
    ("market/history-index-candles", {"instId": "ETH-USDT", "bar": "1H"}),
    ("market/history-mark-price-candles", {"instId": ID, "bar": "1H"}),
    ("market/ticker", {"instId": ID}),
    ("market/tickers", {"instType": "SWAP"}),
    ("market/books", {"instId": ID, "sz": 10}),
    ("market/books-full", {"instId": ID, "sz": 10}),
    ("market/trades", {"instId": ID, "limit": 30}),
    ("market/history-trades", {"instId": ID}),
    ("market/history-trades", {"instId": ID, "type": 2, "after": START + DAY_MS}),
    ("public/funding-rate", {"instId": "ANY"}),
    ("public/funding-rate-history", {"instId": ID, "after": START + DAY_MS}),
    ("public/open-interest", {"instType": "SWAP"}),
    ("rubik/stat/contracts/open-interest-history", {"instId": ID, "period": "1H", "end": START + DAY_MS}),
    ("public/mark-price", {"instType": "SWAP"}),
    ("public/price-limit", {"instId": ID}),
    ("public/instruments", {"instType": "SWAP"}),
    ("public/time", {}),
    ("system/status", {}),
]


@pytest.mark.parametrize(
    "now_ms",
    [
        START,
        pytest.param(START + 1, marks=pytest.mark.slow),
        START + 8 * HOUR_MS - 1,
        START + 8 * HOUR_MS,
        pytest.param(START + 90_000, marks=pytest.mark.slow),
    ],
)
def test_another_future_changes_no_answer(now_ms):
    market = SyntheticMarket(3, START, history_days=3, future_days=2)
    answers = []
    for played in (market, Altered(market, now_ms)):
        with serving(played, VirtualClock("stepped", now_ms)) as url:
            answers.append([get(url, path, **params) for path, params in QUESTIONS])
    for (path, params), true, altered in zip(QUESTIONS, *answers, strict=True):
        assert true == altered, (path, params)
        assert true["code"] == "0", (path, params, true)
