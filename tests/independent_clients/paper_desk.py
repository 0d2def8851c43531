"""An exchange for clients that are not ours, and what it knows itself: its account and its market."""

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import requests

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.market.synthetic import SyntheticMarket
from tests.paper_exchange.exchange_server import serving

START_MS = 1_767_225_600_000 + 7 * 3_600_000 + 90_500  # 2026-01-01 07:01:30.5, inside a minute
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


@dataclass
class PaperDesk:
    """A running exchange."""

    url: str
    account: Account
    market: SyntheticMarket

    def advance(self, hours):
        requests.post(f"{self.url}/control/advance", json={"by_ms": round(hours * 3_600_000)}).raise_for_status()

    def price(self, share=1.0, inst_id=BTC):
        """The last price times `share`, on the tick, as text."""
        tick = self.market.instruments[inst_id].tick_sz
        return str((self.account.last(inst_id) * Decimal(str(share)) / tick).to_integral_value() * tick)

    def order(self, client_id):
        """The exchange's own order with this client id."""
        return next(order for order in self.account.orders.values() if order.client_id == client_id)

    def algo(self, client_id):
        return next(algo for algo in self.account.algos.values() if algo.client_id == client_id)


@cache
def make_market():
    return SyntheticMarket(7, START_MS, history_days=3, future_days=3)


@contextmanager
def open_desk():
    market = make_market()
    clock = VirtualClock("stepped", START_MS)
    account = Account(market, clock, Decimal(100_000))
    with serving(market, clock, account=account) as url:
        yield PaperDesk(url=url, account=account, market=market)
