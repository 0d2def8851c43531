"""A mirror whose source fails: outages, gaps, late settlements and damaged answers make nothing up."""

import json
import time
from itertools import pairwise

import pytest
import requests

from paper_exchange.mirror.follower import Patience
from tests.paper_exchange.exchange_server import get, inject, rows
from tests.paper_exchange.handmade_market import BTC as ID
from tests.paper_exchange.handmade_market import ETH
from tests.paper_exchange.mirror.mirroring import NAMES, START_MS, caught_up, closed, mirrored, step, until
from tests.paper_exchange.signed_requests import ask


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
