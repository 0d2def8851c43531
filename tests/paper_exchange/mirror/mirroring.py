"""A mirror that is served in this process: its source is stepped, and it is asked from threads."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import requests

from pairity.web_address import parse_private_address
from paper_exchange.account.account import Account
from paper_exchange.http.auth import Credentials
from paper_exchange.http.server import make_app
from paper_exchange.mirror.follower import Follower, Patience
from paper_exchange.mirror.source import Source
from paper_exchange.run import listen
from paper_exchange.ws.hub import add_streams
from tests.paper_exchange.handmade_market import BTC as ID
from tests.paper_exchange.handmade_market import ETH

QUICK = Patience(look_s=0.02, outage_s=0.4, gap_s=5.0, funding_s=120.0)
NAMES = (ID, ETH)
START_MS = 1_767_225_600_000 + 7 * 3_600_000 + 58 * 60_000 + 30_000


def step(url, **how):
    requests.post(f"{url}/control/advance", json=how).raise_for_status()


@asynccontextmanager
async def mirroring(source_url, *, names=NAMES, patience=QUICK, days=1, balance=10_000):
    """URL and follower of a mirror in this loop; ask it from threads."""
    async with Source(parse_private_address(source_url, "--from"), spacing_s=0.0) as source:
        follower = Follower(source, names, patience)
        await follower.open(days)
        app = make_app(
            follower.market,
            follower.clock,
            Account(follower.market, follower.clock, Decimal(balance)),
            Credentials(),
            control=True,
            rate_limits=False,
            add_streams=add_streams,
            follower=follower,
        )
        async with follower, listen(app, 0, shutdown_s=0.1) as port:
            yield f"http://127.0.0.1:{port}", follower


def mirrored(source_url, job, **options):
    """Run `job(mirror's URL, follower)` in a thread while the mirror is served."""

    async def serve():
        async with mirroring(source_url, **options) as (url, follower):
            return await asyncio.to_thread(job, url, follower)

    return asyncio.run(asyncio.wait_for(serve(), 60))


def until(true, seconds=10.0):
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def caught_up(follower, instant_ms):
    until(lambda: follower.clock.known_until_ms >= instant_ms)


def closed(candles):
    return [row for row in candles if row[-1] == "1"]
