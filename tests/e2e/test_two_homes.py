"""Two trading processes with two homes on one account: both open nothing, each protects its own, one goes on alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import time
import urllib.request
from decimal import Decimal

import pytest

from pairity.settings import ExchangeSettings, Settings
from serving.journal import Journal
from tests.e2e.running import Place, paper_exchange
from tests.serving.trading import BTC, ETH, Desk, entry, opened
from venue.clock import PolledClock
from venue.okx_client import aclose, call, make_client

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(280)]
CAUSE = "second process"
KEYS = {"api_key": "paper", "api_secret": "paper", "api_passphrase": "paper"}


class Home:
    """One data directory with an open position, and the real trading process on it."""

    def __init__(self, folder, url, scope, asset, contracts):
        self.url, self.scope = url, scope
        self.place = Place(folder / scope, {"PAIRITY_EXCHANGE__URL": url, "PAIRITY_SERVE__WATCH_S": "300"})
        self.place.home.mkdir(mode=0o700)
        self.journal = self.place.home / "journal.db"
        asyncio.run(self._open(asset, contracts))
        self.process = self.port = None

    async def _open(self, asset, contracts):
        client = make_client(settings_of(self.url), signed=True)
        clock = await PolledClock.connect(self.url, 10)
        desk = Desk(self.journal, client, clock.now, scope=self.scope)
        try:
            price = float(await desk.venue.last_price(f"{asset}-USDT-SWAP"))
            await opened(desk, entry(contracts=contracts, reference=price, asset=asset))
        finally:
            desk.journal.close()
            await aclose(client)

    def serve(self):
        self.process = self.place.start("serve")
        line = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)):
            line = self.process.stdout.readline()
            assert line, "the process ended"
        self.port = found[1]

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            return json.load(answer)

    def guards(self):
        return CAUSE in self.status()["causes"]

    def hears(self):
        """Whether its stream is open; while it starts there is none."""
        stream = self.status()["stream"]
        return stream is not None and stream["state"] == "open"

    def end(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            said, _ = self.process.communicate(timeout=40)
            self.process = None
            return said
        return ""


def settings_of(url):
    return Settings(exchange=ExchangeSettings(url=url, rate_limit=False, **KEYS))


def ask(url, method, params):
    async def once():
        client = make_client(settings_of(url), signed=True)
        try:
            return await call(client, method, params, retries=0)
        finally:
            await aclose(client)

    return asyncio.run(once())


def stops(url):
    wanted = {"instType": "SWAP", "ordType": "conditional,oco"}
    rows = ask(url, "privateGetTradeOrdersAlgoPending", wanted)
    return {row["instId"]: row for row in rows}


def positions(url):
    return {
        row["instId"]: Decimal(row["pos"]) for row in ask(url, "privateGetAccountPositions", {}) if row["pos"] != "0"
    }


def until(true, seconds=30.0):
    begun_s = time.monotonic()
    while not true():
        assert time.monotonic() - begun_s < seconds
        time.sleep(0.1)
    return time.monotonic() - begun_s


@pytest.fixture
def homes(tmp_path):
    with paper_exchange("--seed", "11", "--clock", "x20") as exchange, contextlib.ExitStack() as stack:
        made = [Home(tmp_path, exchange.url, "a", "BTC", "1"), Home(tmp_path, exchange.url, "b", "ETH", "2")]
        for home in made:
            stack.callback(home.end)
        yield made


def test_both_stop_entering_and_one_goes_on_alone(homes):
    first, second = homes
    url = first.url
    first.serve()
    until(first.hears)
    second.serve()
    until(lambda: first.guards() and second.guards())
    assert "holds this account" in second.status()["causes"][CAUSE]
    until(lambda: "holds this account" in first.status()["causes"][CAUSE])
    held, before = positions(url), stops(url)
    assert set(held) == set(before) == {BTC, ETH}

    until(second.hears)
    time.sleep(2)
    ask(url, "privatePostTradeCancelAlgos", [{"instId": BTC, "algoId": before[BTC]["algoId"]}])
    took = until(lambda: BTC in stops(url))
    after = stops(url)
    assert (took < 3, after[BTC]["algoId"] != before[BTC]["algoId"], after[ETH]) == (True, True, before[ETH])
    assert positions(url) == held

    first.end()
    assert until(lambda: not second.guards()) < 5
    assert (positions(url), stops(url)) == (held, after)
    first.serve()
    until(lambda: first.guards() and second.guards())
    first.end(signal.SIGKILL)
    # Fifteen minutes after its last sign: 45 seconds of this clock, which runs twenty times as fast.
    assert second.guards()
    took = until(lambda: not second.guards(), 75)
    assert took > 20
    assert (positions(url), stops(url)) == (held, after)
    assert second.end().count("Traceback") == 0
    for home in homes:
        journal = Journal.read(home.journal)
        assert len(journal.open_positions()) == 1
        assert CAUSE in " ".join(record.reason for record in journal.states.all())
        journal.close()
