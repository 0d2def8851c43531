"""A market written down bar by bar, an account on it, and requests to it as a client's body would carry them."""

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.algo_placing import place_algo
from paper_exchange.account.placing import place
from paper_exchange.account.settlement import settle_until
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.request import Request
from paper_exchange.http.routes.tables import PRIVATE, PUBLIC
from paper_exchange.market.market import Bar, Funding, Instrument
from paper_exchange.params import Params

MINUTE_MS = 60_000
T0 = 1_767_225_600_000
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def contract(inst_id, **changes):
    values = {
        "ct_val": Decimal("0.01"),
        "lot_sz": Decimal("0.01"),
        "min_sz": Decimal("0.01"),
        "tick_sz": Decimal("0.1"),
        "max_leverage": Decimal(100),
        "max_limit_sz": Decimal(10_000),
        "max_market_sz": Decimal(5_000),
        "list_ms": 0,
    }
    return Instrument(inst_id=inst_id, **{**values, **changes})


def make_bar(open_ms, opened, high, low, close, volume=1.0):
    return Bar(open_ms=open_ms, open=opened, high=high, low=low, close=close, volume=volume)


class HandmadeMarket:
    """`paths[inst_id]` is a list of (open, high, low, close), one per minute from T0; None is a hole.

    A fifth number is the bar's volume in coins (default 1).
    """

    label = "handmade"
    start_ms = T0

    def __init__(self, paths, *, marks=None, indices=None, fundings=None, instruments=None):
        self.instruments = {name: (instruments or {}).get(name, contract(name)) for name in paths}
        self.end_ms = T0 + MINUTE_MS * max(len(path) for path in paths.values())
        self._paths = {"last": paths, "mark": {**paths, **(marks or {})}, "index": {**paths, **(indices or {})}}
        self._fundings = fundings or {}

    def bar_ms(self, inst_id):
        return MINUTE_MS

    def bars(self, inst_id, since_ms, until_ms, kind="last"):
        path = enumerate(self._paths[kind][inst_id])
        every = (make_bar(T0 + at * MINUTE_MS, *map(float, row)) for at, row in path if row is not None)
        return [bar for bar in every if since_ms <= bar.open_ms < until_ms]

    def bar_at(self, inst_id, at_ms, kind="last"):
        return max(self.bars(inst_id, 0, at_ms + 1, kind), default=None)

    def funding(self, inst_id, since_ms, until_ms):
        return [Funding(at, rate) for at, rate in self._fundings.get(inst_id, []) if since_ms <= at < until_ms]

    def open_interest(self, inst_id, at_ms):
        return None


def flat(price, minutes=30):
    return [(price, price, price, price)] * minutes


def minute(number):
    """The instant at which bar `number` opens (and the one before it closes)."""
    return T0 + number * MINUTE_MS


class Desk:
    """An account on a handmade market; `post` and `get` go through the real handlers."""

    def __init__(self, paths, *, balance=10_000, marks=None, indices=None, fundings=None, instruments=None, **options):
        self.market = HandmadeMarket(paths, marks=marks, indices=indices, fundings=fundings, instruments=instruments)
        self.account = Account(self.market, VirtualClock("stepped", T0), Decimal(balance), **options)

    def to(self, number):
        self.settle(minute(number))

    def settle(self, at_ms):
        settle_until(self.account, at_ms)

    def order(self, side, sz, *, inst=BTC, kind="market", **extra):
        body = {"instId": inst, "tdMode": "cross", "side": side, "ordType": kind, "sz": str(sz), **extra}
        return place(self.account, Params(body))

    def algo(self, side, sz, *, inst=BTC, kind="conditional", **extra):
        body = {"instId": inst, "tdMode": "cross", "side": side, "ordType": kind, "sz": str(sz), **extra}
        return place_algo(self.account, Params(body))

    def size(self, inst=BTC):
        position = self.account.positions.get(inst)
        return position.size if position else Decimal(0)

    def call(self, method, path, body):
        rows = [Params(row) for row in (body if isinstance(body, list) else [body])]
        full = f"/api/v5/{path}"
        request = Request(
            method=method,
            path=full,
            params=rows[0],
            rows=rows,
            headers={},
            now_ms=self.account.now_ms,
            market=self.market,
            account=self.account,
            faults=FaultPlan(),
        )
        return {**PUBLIC, **PRIVATE}[method, full](request)

    def post(self, path, body):
        return self.call("POST", path, body)

    def get(self, path, **query):
        return self.call("GET", path, query)
