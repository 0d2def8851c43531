"""Events of a script as clients meet them, over HTTP."""

from decimal import Decimal

import ccxt
import pytest
import requests

from tests.paper_exchange.events.scripted_venue import HOUR_MS, venue
from tests.paper_exchange.exchange_server import client, get, rows
from tests.paper_exchange.handmade_market import BTC, ETH, T0, flat
from tests.paper_exchange.signed_requests import ask, code_of

ORDER = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "10"}
FALLING = [(100, 100, 100, 100)] * 2 + [(100, 100, 60, 61)] + [(61, 61, 61, 61)] * 600


def advance(url, seconds):
    requests.post(f"{url}/control/advance", json={"by_ms": seconds * 1000}).raise_for_status()


def place(url, **changes):
    return ask(url, "POST", "trade/order", {**ORDER, **changes})


def test_a_fault_strikes_after_so_many_requests_to_its_endpoint():
    with venue({"after_requests": 2, "path": "public/time", "fault": "html_502", "count": 2}) as (url, _):
        statuses = []
        for _ in range(5):
            statuses.append(requests.get(f"{url}/api/v5/public/time").status_code)
            rows(url, "market/ticker", instId=BTC)  # another endpoint does not count
        assert statuses == [200, 200, 502, 502, 200]


def test_a_fault_lasts_from_one_instant_to_another():
    with venue({"after_s": 60, "for_s": 30, "fault": "system_50026", "path": "*/market/*"}) as (url, _):
        codes = []
        for _ in range(4):
            codes.append((get(url, "market/ticker", instId=BTC)["code"], get(url, "public/time")["code"]))
            advance(url, 30)
        assert codes == [("0", "0"), ("0", "0"), ("50026", "0"), ("0", "0")]


def test_faults_can_be_cleared_by_the_script():
    script = (
        {"after_s": 0, "fault": "empty_200", "path": "public/time", "for_s": 900},
        {"after_s": 5, "clear_faults": True},
    )
    with venue(*script) as (url, _):
        assert requests.get(f"{url}/api/v5/public/time").content == b""
        advance(url, 5)
        assert get(url, "public/time")["code"] == "0"


@pytest.mark.parametrize(("state", "code"), [("suspend", "51022"), ("preopen", "51021"), ("settling", "51029")])
def test_an_instrument_that_does_not_trade(state, code):
    with venue({"after_s": 60, "for_s": 600, "instrument": BTC, "state": state}) as (url, _):
        assert code_of(place(url)) == "0"
        advance(url, 60)
        [row] = rows(url, "public/instruments", instType="SWAP", instId=BTC)
        assert row["state"] == state
        assert code_of(place(url)) == code
        assert code_of(place(url, instId=ETH)) == "0"
        assert ask(url, "GET", "account/positions", {"instId": BTC})["data"][0]["pos"] == "10"
        advance(url, 600)
        assert code_of(place(url)) == "0"


def test_nothing_is_filled_and_no_stop_is_met_while_trading_is_suspended():
    paths = {BTC: FALLING, ETH: flat(50, 600)}
    with venue({"after_s": 60, "for_s": 1_800, "instrument": BTC, "state": "suspend"}, paths=paths) as (url, account):
        stops = [{"slTriggerPx": "90", "slOrdPx": "-1", "attachAlgoClOrdId": "guard1"}]
        assert code_of(place(url, attachAlgoOrds=stops)) == "0"
        advance(url, 1_200)
        assert ask(url, "GET", "trade/order-algo", {"algoClOrdId": "guard1"})["data"][0]["state"] == "live"
        assert rows(url, "market/ticker", instId=BTC)[0]["last"] == "100"
        assert int(rows(url, "market/candles", instId=BTC)[0][0]) < T0 + 60_000
        advance(url, 1_200)
        [guard] = ask(url, "GET", "trade/order-algo", {"algoClOrdId": "guard1"})["data"]
        assert (guard["state"], int(guard["triggerTime"]) > T0 + 1_860_000) == ("effective", True)
        assert account.positions == {}


def test_post_only_trading():
    with venue({"after_s": 0, "instrument": BTC, "state": "post_only"}) as (url, _):
        assert code_of(place(url)) == "51022"
        assert code_of(place(url, ordType="post_only", px="99")) == "0"


def test_orders_that_rest_are_filled_and_cancelled_by_the_venue():
    script = [
        {"after_s": 10, "instrument": BTC, "fill_resting": "0.45"},
        {"after_s": 20, "instrument": BTC, "cancel_resting": "3"},
    ]
    stops = [{"attachAlgoClOrdId": "guard2", "slTriggerPx": "90", "slOrdPx": "-1"}]
    with venue(*script) as (url, account):
        place(url, ordType="post_only", px="99", clOrdId="rests1", attachAlgoOrds=stops)
        place(url, instId=ETH, ordType="post_only", px="49", clOrdId="rests2")
        advance(url, 15)
        [row] = ask(url, "GET", "trade/order", {"instId": BTC, "clOrdId": "rests1"})["data"]
        assert (row["state"], row["accFillSz"], row["avgPx"]) == ("partially_filled", "4.5", "99")
        assert [algo.size for algo in account.live_algos(BTC)] == [Decimal("4.5")]
        advance(url, 10)
        [row] = ask(url, "GET", "trade/order", {"instId": BTC, "clOrdId": "rests1"})["data"]
        assert (row["state"], row["accFillSz"], row["cancelSource"]) == ("canceled", "4.5", "3")
        assert [order.client_id for order in account.pending()] == ["rests2"]
        assert [algo.live for algo in account.live_algos(BTC)] == [True]


def test_sizes_and_ticks_change_after_they_were_announced():
    change = {"tickSz": "0.5", "minSz": "2", "maxMktSz": "50", "lever": "20"}
    with venue({"after_s": 600, "announced_s": 60, "instrument": BTC, "change": change}) as (url, _):
        okx = client(url)

        def limits():
            market = okx.load_markets(True)["BTC/USDT:USDT"]
            return market["precision"]["price"], market["precision"]["amount"], market["limits"]["amount"]["min"]

        def announced():
            [row] = rows(url, "public/instruments", instType="SWAP", instId=BTC)
            return {(c["param"], c["newValue"], c["effTime"]) for c in row["upcChg"]}

        assert (limits(), announced()) == ((0.1, 0.01, 0.01), set())
        advance(url, 60)
        at = str(T0 + 600_000)
        assert announced() == {("tickSz", "0.5", at), ("minSz", "2", at), ("maxMktSz", "50", at)}
        assert code_of(place(url, sz="0.01")) == "0"
        advance(url, 540)
        assert (limits(), announced()) == ((0.5, 2.0, 2.0), set())
        assert code_of(place(url, sz="0.01")) == "51121"
        assert code_of(place(url, sz="51", ordType="limit", px="99.1")) in ("51006", "51121")
        assert code_of(place(url, sz="60")) == "51202"
        lever = {"instId": BTC, "lever": "21", "mgnMode": "cross"}
        assert ask(url, "POST", "account/set-leverage", lever)["code"] == "59102"


def test_a_new_contract_value_keeps_the_coins_of_a_position():
    with venue({"after_s": 60, "instrument": BTC, "change": {"ctVal": "0.001"}}) as (url, account):
        place(url)
        resting = place(url, ordType="limit", px="99")["data"][0]["ordId"]
        equity = account.equity()
        advance(url, 60)
        [row] = ask(url, "GET", "account/positions", {"instId": BTC})["data"]
        assert Decimal(row["pos"]) == 100
        assert account.equity() == equity
        [order] = ask(url, "GET", "trade/order", {"instId": BTC, "ordId": resting})["data"]
        assert (order["state"], order["cancelSource"]) == ("canceled", "0")


def test_the_interval_of_funding_changes():
    with venue({"after_s": 3_600, "instrument": BTC, "funding_hours": 2}) as (url, account):
        place(url)
        assert client(url).fetch_funding_rate("BTC/USDT:USDT")["interval"] == "8h"
        advance(url, 3_600)
        rate = client(url).fetch_funding_rate("BTC/USDT:USDT")
        assert (rate["interval"], rate["fundingTimestamp"]) == ("2h", T0 + 2 * HOUR_MS)
        advance(url, 4 * 3_600)
        settled = rows(url, "public/funding-rate-history", instId=BTC)
        assert [(int(row["fundingTime"]) - T0) // HOUR_MS for row in settled] == [4, 2, 0]
        assert {row["fundingRate"] for row in settled[:2]} == {"0.0002"}
        bills = ask(url, "GET", "account/bills", {"type": "8"})["data"]
        assert [bill["subType"] for bill in bills] == ["173", "173"]
        # Two payments of 10 contracts · 0.01 coins · 100 USDT · 0.0002
        assert account.positions[BTC].funding == Decimal("-0.004")


def test_a_delisted_instrument_is_settled_and_gone():
    with venue({"after_s": 600, "announced_s": 60, "instrument": BTC, "delist": True}) as (url, account):
        place(url)
        resting = place(url, ordType="limit", px="99")["data"][0]["ordId"]
        [row] = rows(url, "public/instruments", instType="SWAP", instId=BTC)
        assert row["expTime"] == ""
        advance(url, 60)
        [row] = rows(url, "public/instruments", instType="SWAP", instId=BTC)
        assert row["expTime"] == str(T0 + 600_000)
        advance(url, 540)
        assert [row["instId"] for row in rows(url, "public/instruments", instType="SWAP")] == [ETH]
        assert get(url, "market/ticker", instId=BTC)["code"] == code_of(place(url)) == "51001"
        assert ask(url, "GET", "account/positions")["data"] == []
        history = ask(url, "GET", "trade/orders-history", {"instType": "SWAP", "instId": BTC})["data"]
        assert len(ask(url, "GET", "trade/fills-history", {"instType": "SWAP", "instId": BTC})["data"]) == 2
        assert {(o["state"], o["category"]) for o in history if o["ordId"] != resting} == {
            ("filled", "normal"),
            ("filled", "delivery"),
        }
        assert [o["cancelSource"] for o in history if o["ordId"] == resting] == ["0"]
        [bill] = ask(url, "GET", "account/bills", {"type": "3"})["data"]
        assert (bill["subType"], bill["px"], bill["sz"]) == ("112", "100", "10")
        [closed] = ask(url, "GET", "account/positions-history")["data"]
        assert (closed["type"], closed["direction"], closed["closeAvgPx"]) == ("2", "long", "100")
        assert account.equity() == account.ledger.cash


def test_maintenance_is_announced_goes_on_and_is_over():
    script = {"after_s": 60, "for_s": 60, "maintenance": "Matching upgrade", "refuse": True}
    with venue(script) as (url, _):
        okx = client(url)
        [row] = rows(url, "system/status")
        assert (row["state"], row["title"], okx.fetch_status()["status"]) == ("scheduled", "Matching upgrade", "ok")
        assert ask(url, "GET", "account/config")["code"] == "0"
        advance(url, 60)
        assert okx.fetch_status()["status"] == "maintenance"
        assert rows(url, "system/status", state="scheduled") == []
        with pytest.raises(ccxt.OnMaintenance):
            okx.fetch_ticker("BTC/USDT:USDT")
        assert place(url)["code"] == "50001"
        advance(url, 60)
        assert rows(url, "system/status", state="completed")[0]["end"] == str(T0 + 120_000)
        assert ask(url, "GET", "account/config")["code"] == "0"
        advance(url, 3 * 86_400 + 1)
        assert rows(url, "system/status") == []


def test_events_come_at_their_instant_however_the_clock_is_stepped():
    script = (
        {"after_s": 90, "for_s": 200, "instrument": BTC, "state": "suspend"},
        {"after_s": 400, "instrument": BTC, "change": {"ctVal": "0.02"}},
        {"after_s": 3_600, "instrument": BTC, "funding_hours": 1},
        {"after_s": 20_000, "instrument": BTC, "delist": True},
    )

    def run(steps):
        with venue(*script, paths={BTC: FALLING, ETH: flat(50, 600)}) as (url, _):
            place(url, attachAlgoOrds=[{"slTriggerPx": "90", "slOrdPx": "-1"}])
            place(url, side="sell", sz="3")
            for step in steps:
                advance(url, step)
            wanted = ("account/bills", "account/positions-history", "account/balance", "trade/fills")
            answers = [ask(url, "GET", path)["data"] for path in wanted]
            return answers, ask(url, "GET", "trade/orders-history", {"instType": "SWAP"})["data"]

    assert run([30_000]) == run([7] * 100 + [900] * 30 + [2_300])


def test_fees_in_another_currency():
    from paper_exchange.run import parse_fee_currency

    fee_currency = parse_fee_currency("OKB=50")._replace(balance=Decimal("0.00012"))
    with venue(fee_currency=fee_currency) as (url, account):
        place(url)  # notional 10.01 USDT: a fee of 0.005005 USDT, 0.0001001 OKB
        [fill] = ask(url, "GET", "trade/fills", {"instId": BTC})["data"]
        assert (fill["feeCcy"], Decimal(fill["fee"])) == ("OKB", Decimal("-0.0001001"))
        assert account.ledger.cash == 10_000
        trade, charge = ask(url, "GET", "account/bills")["data"][::-1]
        assert (trade["ccy"], trade["fee"], Decimal(trade["balChg"])) == ("USDT", "0", 0)
        assert (charge["ccy"], Decimal(charge["bal"]), charge["ordId"]) == ("OKB", Decimal("0.0000199"), trade["ordId"])
        details = {row["ccy"]: row["eq"] for row in ask(url, "GET", "account/balance")["data"][0]["details"]}
        assert details == {"USDT": "9999.99", "OKB": "0.0000199"}
        order = client(url).fetch_order(fill["ordId"], "BTC/USDT:USDT")
        assert (order["fee"]["currency"], order["fee"]["cost"]) == ("OKB", 0.0001001)
        place(url, side="sell")  # what is left of OKB does not pay this one
        newest = ask(url, "GET", "trade/fills", {"instId": BTC})["data"][0]
        assert (newest["feeCcy"], newest["fee"]) == ("USDT", "-0.004995")
        assert [bill["ccy"] for bill in ask(url, "GET", "account/bills", {"ccy": "OKB"})["data"]] == ["OKB"]
