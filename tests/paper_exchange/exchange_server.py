"""A paper exchange in a thread of the test process, and ccxt clients that talk to it."""

import asyncio
import threading
from contextlib import contextmanager

import ccxt
import ccxt.async_support
import requests

from paper_exchange.http.auth import Credentials
from paper_exchange.http.server import make_app
from paper_exchange.run import listen
from paper_exchange.ws.hub import add_streams


@contextmanager
def serving(market, clock, *, account=None, credentials=None, **options):
    """URL of an exchange that serves `market`; it is gone when the block ends."""
    started, stop, url, loops = threading.Event(), asyncio.Event(), [], []

    async def serve():
        loops.append(asyncio.get_running_loop())
        options.setdefault("control", True)
        options.setdefault("rate_limits", False)
        options.setdefault("add_streams", add_streams)
        app = make_app(market, clock, account, credentials or Credentials(), **options)
        async with listen(app, 0, shutdown_s=0.1) as port:
            url.append(f"http://127.0.0.1:{port}")
            started.set()
            await stop.wait()
        await asyncio.sleep(0.05)  # let aborted connections be forgotten before their loop is

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield url[0]
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)


def client(url, kind=ccxt.okx, **settings):
    """The real ccxt client; only the URL is changed."""
    exchange = kind(
        {
            "apiKey": "paper",
            "secret": "paper",
            "password": "paper",
            "enableRateLimit": False,
            "urls": {"api": {"rest": url}},
            "headers": {"x-simulated-trading": "1"},
            "options": {"fetchMarkets": {"types": ["swap"]}, "fetchCurrencies": False},
            **settings,
        }
    )
    exchange.has["fetchCurrencies"] = False
    return exchange


def inject(url, kind, path="*", count=1, **params):
    answer = requests.post(f"{url}/control/faults", json={"kind": kind, "path": path, "count": count, "params": params})
    answer.raise_for_status()


def get(url, path, **params):
    answer = requests.get(f"{url}/api/v5/{path}", params=params)
    return answer.json()


def rows(url, path, **params):
    answer = get(url, path, **params)
    assert answer["code"] == "0", answer
    return answer["data"]
