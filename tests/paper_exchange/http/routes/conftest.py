"""An account on the synthetic market, and the ccxt client that asks it."""

import pytest

from paper_exchange.account.account import Account
from tests.paper_exchange.exchange_server import client, serving


@pytest.fixture
def account_url(market, clock):
    with serving(market, clock, account=Account(market, clock, 10_000)) as where:
        yield where


@pytest.fixture
def okx(account_url):
    exchange = client(account_url)
    exchange.load_markets()
    return exchange


@pytest.fixture
def price(okx):
    return okx.fetch_ticker("BTC/USDT:USDT")["last"]
