"""What a mirror is started with: a source that can be followed, a clock, options that fit, two processes."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from pairity.errors import ConfigError, VenueUnreachableError
from pairity.web_address import parse_private_address
from paper_exchange.clock import FollowedClock
from paper_exchange.mirror.follower import Follower
from paper_exchange.mirror.source import Source
from paper_exchange.run import run
from tests.paper_exchange.exchange_server import client, inject
from tests.paper_exchange.mirror.mirroring import NAMES
from tests.venue.elsewhere import elsewhere


def test_a_source_that_cannot_be_followed(source_url):
    async def follow(url, names):
        async with Source(parse_private_address(url, "--from"), spacing_s=0.0) as source:
            await Follower(source, names).open(1)

    with pytest.raises(VenueUnreachableError, match="cannot be followed"):
        asyncio.run(follow("http://127.0.0.1:9", NAMES))
    with pytest.raises(VenueUnreachableError, match="51001"):
        asyncio.run(follow(source_url, ("NONE-USDT-SWAP",)))


def test_no_redirect_is_followed(source_url):
    async def follow():
        async with elsewhere() as other:
            await asyncio.to_thread(inject, source_url, "redirect", "*", None, to=other.url)
            async with Source(parse_private_address(source_url, "--from"), spacing_s=0.0) as source:
                with pytest.raises(VenueUnreachableError):
                    await Follower(source, NAMES).open(1)
            assert other.heard == []

    asyncio.run(follow())


def test_a_followed_clock():
    now_ns = [0]
    clock = FollowedClock(1_000, 1_500, tick_ns=lambda: now_ns[0])
    now_ns[0] = 300_000_000
    assert (clock.now_ms(), clock.lag_ms()) == (1_300, 0)
    now_ns[0] = 900_000_000
    assert (clock.now_ms(), clock.lag_ms()) == (1_500, 400)
    clock.hear(1_400, 1_200)
    assert clock.now_ms() == 1_500
    clock.hear(5_000, 9_000)
    assert (clock.now_ms(), clock.lag_ms()) == (5_000, 0)
    clock.hear(2_000, 9_000)
    assert clock.now_ms() == 5_000


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "--from"),
        ({"source": "http://example.com"}, "clear text"),
        ({"source": "file:///etc/passwd"}, "plain web address"),
        ({"source": "http://127.0.0.1:9", "clock": "x60"}, "--clock"),
        ({"source": "http://127.0.0.1:9", "start": "2026-01-01", "data": Path("x")}, "--data, --start"),
        ({"source": "http://127.0.0.1:9", "script": Path("x.toml")}, "--faults"),
        ({"source": "http://127.0.0.1:9", "market": "synthetic"}, "--market mirror"),
    ],
)
def test_options_that_do_not_fit(options, word):
    with pytest.raises(ConfigError, match=word):
        run(**{"market": "mirror", **options})


@pytest.mark.e2e
@pytest.mark.slow
def test_two_processes():
    """A mirror of a running exchange, as it is started from a shell."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "paper_exchange", *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1].stdout.readline()

    try:
        source = start("--clock", "real").split()[2]
        line = start("--market", "mirror", "--from", source, "--follow", "BTC", "--history", "1")
        assert f"(mirror of {source}, from " in line
        okx = client(line.split()[2])
        assert set(okx.load_markets()) == {"BTC/USDT:USDT"}
        placed = okx.create_order("BTC/USDT:USDT", "market", "buy", 1)
        assert okx.fetch_order(placed["id"], "BTC/USDT:USDT")["status"] == "closed"
        assert abs(okx.fetch_time() - client(source).fetch_time()) < 5_000
    finally:
        for process in started:
            process.kill()
            process.communicate()
