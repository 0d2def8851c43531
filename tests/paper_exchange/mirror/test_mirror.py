"""A mirror of another paper exchange: the same data, the same fills, and nothing that its source did not have."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from pairity.errors import ConfigError, VenueUnreachableError
from pairity.web_address import parse_private_address
from paper_exchange.account.account import Account
from paper_exchange.clock import FollowedClock, VirtualClock
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.http.auth import Credentials
from paper_exchange.http.server import make_app
from paper_exchange.market.synthetic import SyntheticMarket
from paper_exchange.mirror.follower import Follower, Patience
from paper_exchange.mirror.source import Source
from paper_exchange.run import listen, run
from paper_exchange.ws.hub import add_streams
from tests.paper_exchange.exchange_server import client, get, inject, rows, serving
from tests.paper_exchange.handmade_market import BTC as ID
from tests.paper_exchange.handmade_market import ETH, HandmadeMarket, flat, minute
from tests.paper_exchange.signed_requests import ask
from tests.venue.elsewhere import elsewhere

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


@pytest.fixture
def source_clock():
    return VirtualClock("stepped", START_MS)


@pytest.fixture(scope="module")
def synthetic():
    return SyntheticMarket(7, START_MS, history_days=4, future_days=2)


@pytest.fixture
def source_url(synthetic, source_clock):
    with serving(synthetic, source_clock) as where:
        yield where


def closed(candles):
    return [row for row in candles if row[-1] == "1"]


def test_the_same_data(source_url, source_clock):
    def job(url, follower):
        for moved_ms in (0, 7 * 3_600_000 + 45_000):
            if moved_ms:
                step(source_url, by_ms=moved_ms)
            caught_up(follower, source_clock.now_ms())
            for path in ("candles", "history-candles", "mark-price-candles", "history-mark-price-candles"):
                for bar in ("1m", "15m"):
                    asked = {"instId": ETH, "bar": bar, "limit": 60}
                    theirs, ours = (rows(where, f"market/{path}", **asked) for where in (source_url, url))
                    until(lambda: closed(rows(url, f"market/{path}", **asked)) == closed(theirs))  # noqa: B023
                    assert len(closed(theirs)) > 3
                    assert ours[0][0] == theirs[0][0]
            for path in ("public/funding-rate-history", "public/open-interest"):
                asked = {"instId": ID, "instType": "SWAP"}
                theirs, ours = (rows(where, path, **asked) for where in (source_url, url))
                assert [{**row, "ts": ""} for row in ours][:3] == [{**row, "ts": ""} for row in theirs][:3]
            fields = ("ctVal", "lotSz", "minSz", "tickSz", "lever", "maxMktSz", "listTime", "state", "floatPxLmtPct")
            theirs, ours = (
                {row["instId"]: row for row in rows(where, "public/instruments", instType="SWAP")}
                for where in (source_url, url)
            )
            assert set(ours) == set(NAMES)
            assert all(ours[name][field] == theirs[name][field] for name in NAMES for field in fields)
        assert (
            client(url).fetch_ticker("BTC/USDT:USDT")["last"]
            == client(source_url).fetch_ticker("BTC/USDT:USDT")["last"]
        )
        assert follower.describe()["missing_bars"] == 0

    mirrored(source_url, job)


def test_the_same_fills():
    """The oracle is an account on the source's own market: stops, resting orders and funding come out the same."""
    path = [(100 + i % 5, 103 + i % 5, 97 + i % 3, 101 + i % 4) for i in range(12)]
    path += [(101, 101, 80, 84), *flat(84, 20)]
    fundings = {ID: [(minute(0), 0.0001), (minute(15), 0.002)]}
    market, clock = HandmadeMarket({ID: path, ETH: flat(10, 33)}, fundings=fundings), VirtualClock("stepped", minute(2))
    bodies = [
        {"side": "buy", "ordType": "market", "sz": "50", "attachAlgoOrds": [{"slTriggerPx": "90", "slOrdPx": "-1"}]},
        {"side": "buy", "ordType": "limit", "sz": "5", "px": "98"},
        {"side": "sell", "ordType": "limit", "sz": "7", "px": "106"},
    ]

    def trade(url, wait):
        for body in bodies:
            wait()
            order = {"instId": ID, "tdMode": "cross", **body}
            answer = ask(url, "POST", "trade/order", order)
            assert answer["code"] == "0", answer
        step(source_url, to=minute(25))
        wait()
        kept = ("fillPx", "fillSz", "side", "ts", "fee", "fillPnl")
        fills = [
            tuple(row[name] for name in kept) for row in ask(url, "GET", "trade/fills", {"instType": "SWAP"})["data"]
        ]
        bills = [(row["type"], row["ts"], row["balChg"]) for row in ask(url, "GET", "account/bills")["data"]]
        return fills, bills

    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as source_url:

        def job(url, follower):
            def wait():
                caught_up(follower, clock.now_ms())
                # At the source's very instant, where the clock stands: an order is to be at the same time on both.
                until(lambda: follower.clock.now_ms() >= clock.now_ms())

            return trade(url, wait)

        mirror_fills, mirror_bills = mirrored(source_url, job)
    market = HandmadeMarket({ID: path, ETH: flat(10, 33)}, fundings=fundings)
    clock = VirtualClock("stepped", minute(2))
    with serving(market, clock, account=Account(market, clock, Decimal(10_000))) as source_url:
        own_fills, own_bills = trade(source_url, lambda: None)
    at_once = {minute(2)}

    def timeless(entries, place):
        # What was filled at once has the mirror's own instant, some milliseconds on.
        return [tuple(x for i, x in enumerate(e) if i != place or int(x) > minute(3)) for e in entries]

    assert at_once
    assert timeless(mirror_fills, 3) == timeless(own_fills, 3)
    assert timeless(mirror_bills, 1) == timeless(own_bills, 1)
    assert len(own_fills) >= 3


def test_an_outage_is_the_venues_own(source_url, source_clock):
    def job(url, follower):
        inject(source_url, "html_503", count=None)
        until(lambda: get(url, "market/ticker", instId=ID)["code"] == "50001")
        assert ask(url, "POST", "trade/order", {"instId": ID})["code"] == "50001"
        [status] = rows(url, "system/status")
        assert (status["state"], "503" in status["title"]) == ("ongoing", True)
        stood_ms = follower.clock.known_until_ms
        assert int(rows(url, "public/time")[0]["ts"]) <= stood_ms
        requests.delete(f"{source_url}/control/faults")
        step(source_url, by_ms=3 * 3_600_000)
        caught_up(follower, source_clock.now_ms())
        until(lambda: get(url, "market/ticker", instId=ID)["code"] == "0")
        assert rows(url, "system/status") == []
        assert follower.describe()["missing_bars"] == 0
        asked = {"instId": ID, "bar": "1m", "limit": 300}
        assert closed(rows(url, "market/candles", **asked)) == closed(rows(source_url, "market/candles", **asked))

    mirrored(source_url, job)


def test_a_gap_stays_a_gap(source_url, source_clock):
    def job(url, follower):
        now_ms = START_MS // 60_000 * 60_000
        inject(source_url, "candle_gap", "market/candles", None, **{"from": now_ms + 120_000, "to": now_ms + 300_000})
        step(source_url, by_ms=900_000)
        caught_up(follower, source_clock.now_ms())
        opens = [int(row[0]) for row in rows(url, "market/candles", instId=ID, bar="1m", limit=14)]
        assert [(now - before) // 60_000 for now, before in pairwise(opens)].count(4) == 1
        assert requests.get(f"{url}/control/state").json()["mirror"]["missing_bars"] == 2 * 3
        requests.delete(f"{source_url}/control/faults")
        # What comes for a minute that has passed changes nothing that was shown.
        step(source_url, by_ms=60_000)
        caught_up(follower, source_clock.now_ms())
        assert [int(row[0]) for row in rows(url, "market/candles", instId=ID, bar="1m", limit=15)][1:] == opens

    mirrored(source_url, job)


def test_time_waits_for_a_bar_that_is_not_closed(source_url, source_clock):
    def job(url, follower):
        inject(source_url, "unconfirmed_last", "market/candles", None)
        step(source_url, by_ms=60_000)
        time.sleep(0.2)
        assert follower.clock.known_until_ms < source_clock.now_ms()
        assert int(rows(url, "public/time")[0]["ts"]) <= follower.clock.known_until_ms
        requests.delete(f"{source_url}/control/faults")
        caught_up(follower, source_clock.now_ms())

    mirrored(source_url, job, patience=Patience(look_s=0.02, outage_s=30.0))


@pytest.mark.slow
def test_time_waits_for_a_settlement_and_not_for_ever(source_url, source_clock):
    def job(url, follower):
        inject(source_url, "no_prev_funding", count=None)
        inject(source_url, "late_settlement", count=None, ms=6 * 3_600_000)
        step(source_url, to=START_MS // 3_600_000 * 3_600_000 + 3_600_000 + 30_000)
        time.sleep(0.3)
        assert follower.clock.known_until_ms < source_clock.now_ms()
        step(source_url, by_ms=120_000)
        caught_up(follower, source_clock.now_ms())
        assert len(follower.describe()["missed_settlements"]) == len(NAMES)
        # It comes after all: everybody can read it, nobody is charged.
        requests.delete(f"{source_url}/control/faults")
        step(source_url, by_ms=9 * 3_600_000)
        caught_up(follower, source_clock.now_ms())
        theirs, ours = (rows(where, "public/funding-rate-history", instId=ID) for where in (source_url, url))
        assert ours[:3] == theirs[:3]

    mirrored(source_url, job, patience=Patience(look_s=0.02, outage_s=30.0, funding_s=60.0))


DAMAGED = [
    ("market/candles", {"text": '{"code":"0","data":[["1","2"]]}'}),
    ("market/candles", {"text": '{"code":"0","data":[["1767254400000","1","0.5","2","1","1","1","1","1"]]}'}),
    ("market/candles", {"text": '{"code":"0","data":[["1767254400000","1e99","1e99","1","1","1","1","1","1"]]}'}),
    ("market/candles", {"text": '{"code":"0","data":[["1767254400001","1","1","1","1","1","1","1","1"]]}'}),
    ("market/candles", {"text": '{"code":"0","data":{"0":1}}'}),
    ("mark-price-candles", {"text": "<html>"}),
    ("public/funding-rate", {"text": '{"code":"0","data":[{"fundingTime":"soon"}]}'}),
    ("public/funding-rate", {"text": '{"code":"0","data":[]}'}),
    ("public/time", {"text": '{"code":"0","data":[{"ts":"-1"}]}'}),
    ("public/time", {"text": '{"code":"50026","data":[],"msg":""}'}),
    ("public/time", {"text": "[" * 100_000}),
]


@pytest.mark.parametrize(
    ("path", "params"),
    [*DAMAGED[:1], *(pytest.param(*case, marks=pytest.mark.slow) for case in DAMAGED[1:])],
)
def test_nothing_is_made_of_a_damaged_answer(source_url, source_clock, path, params):
    def job(url, follower):
        before = follower.clock.known_until_ms
        inject(source_url, "body", path, None, **params)
        step(source_url, by_ms=120_000)
        until(lambda: get(url, "market/ticker", instId=ID)["code"] == "50001")
        assert follower.clock.known_until_ms == before
        requests.delete(f"{source_url}/control/faults")
        caught_up(follower, source_clock.now_ms())
        until(lambda: get(url, "market/ticker", instId=ID)["code"] == "0")

    mirrored(source_url, job)


def test_open_interest_that_is_not_known_is_not_shown(source_url, source_clock):
    def job(url, follower):
        inject(source_url, "html_503", "public/open-interest", None)
        step(source_url, by_ms=1_200_000)
        caught_up(follower, source_clock.now_ms())
        assert rows(url, "public/open-interest", instType="SWAP", instId=ID)[0]["oi"] == ""

    mirrored(source_url, job)


def test_contracts_change_with_the_source():
    clock = VirtualClock("stepped", minute(2))
    market = ScriptedMarket(HandmadeMarket({ID: flat(100), ETH: flat(10)}))

    def job(url, follower):
        body = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "10"}
        assert ask(url, "POST", "trade/order", body)["code"] == "0"
        market.change(ID, {"ctVal": Decimal("0.1"), "tickSz": Decimal("0.5")})
        market.set_state(ETH, "suspend", clock.now_ms())
        step(source_url, by_ms=60_000)
        caught_up(follower, clock.now_ms())
        listed = {row["instId"]: row for row in rows(url, "public/instruments", instType="SWAP")}
        assert (listed[ID]["ctVal"], listed[ID]["tickSz"], listed[ETH]["state"]) == ("0.1", "0.5", "suspend")
        [position] = ask(url, "GET", "account/positions")["data"]
        assert position["pos"] == "1"
        refused = ask(url, "POST", "trade/order", {**body, "instId": ETH})
        assert refused["data"][0]["sCode"] == "51022"
        # A minute later the suspended one has no bar: nobody waits for it.
        step(source_url, by_ms=60_000)
        caught_up(follower, clock.now_ms())
        [newest] = rows(url, "market/candles", instId=ETH, bar="1m", limit=1)
        assert int(newest[0]) < minute(4)

    with serving(market, clock) as source_url:
        mirrored(source_url, job)


@pytest.mark.parametrize("listed", ["", '{"instId":"BTC-USDT-SWAP","ctVal":"0"}'])
def test_a_contract_that_cannot_be_read_is_not_traded(source_url, source_clock, listed):
    """Neither a list without it nor a broken row ends a position, and others are traded on."""

    def job(url, follower):
        body = {"instId": ID, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
        assert ask(url, "POST", "trade/order", body)["code"] == "0"
        [row] = rows(source_url, "public/instruments", instType="SWAP", instId=ETH)
        answer = f'{{"code":"0","data":[{json.dumps(row)}{"," if listed else ""}{listed}]}}'
        inject(source_url, "body", "public/instruments", None, text=answer)
        step(source_url, by_ms=60_000)
        caught_up(follower, source_clock.now_ms())
        assert ask(url, "POST", "trade/order", body)["data"][0]["sCode"] == "51022"
        assert ask(url, "POST", "trade/order", {**body, "instId": ETH})["code"] == "0"
        assert {row["instId"] for row in ask(url, "GET", "account/positions")["data"]} == {ID, ETH}
        requests.delete(f"{source_url}/control/faults")
        step(source_url, by_ms=60_000)
        caught_up(follower, source_clock.now_ms())
        assert ask(url, "POST", "trade/order", body)["code"] == "0"

    mirrored(source_url, job)


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
