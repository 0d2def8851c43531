"""A mirror of another paper exchange: the same data, the same fills, and nothing that its source did not have."""

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.events.scripted_market import ScriptedMarket
from tests.paper_exchange.exchange_server import client, rows, serving
from tests.paper_exchange.handmade_market import BTC as ID
from tests.paper_exchange.handmade_market import ETH, HandmadeMarket, flat, minute
from tests.paper_exchange.mirror.mirroring import NAMES, caught_up, closed, mirrored, step, until
from tests.paper_exchange.signed_requests import ask


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
