"""Messages of orders: they add up to the account, however rarely somebody looks."""

import asyncio
from decimal import Decimal

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paper_exchange.account.account import Account
from paper_exchange.account.refusals import Refused
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.script import Event
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.ws.order_log import OrderLog
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import BTC, Desk, HandmadeMarket, flat, minute
from tests.paper_exchange.signed_requests import ask
from tests.paper_exchange.ws.streams import advance, streams_of, wire

PATH = [(100 + i % 7, 104 + i % 7, 96 - i % 5, 101 + i % 7) for i in range(30)]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("market"), st.sampled_from(["buy", "sell"]), st.integers(1, 60)),
        st.tuples(st.just("limit"), st.sampled_from(["buy", "sell"]), st.integers(1, 900), st.integers(97, 106)),
        st.tuples(st.just("stop"), st.integers(90, 99)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("amend"), st.integers(0, 9), st.integers(1, 900)),
        st.tuples(st.just("wait"), st.integers(1, 4)),
    ),
    max_size=14,
)


def act(desk, action):
    kind, *rest = action
    pending = desk.account.pending()
    try:
        if kind == "market":
            desk.order(rest[0], rest[1])
        elif kind == "limit":
            desk.order(rest[0], rest[1], kind="limit", px=str(rest[2]))
        elif kind == "stop" and desk.size() > 0:
            desk.algo("sell", desk.size(), slTriggerPx=str(rest[0]), slOrdPx="-1", reduceOnly=True)
        elif kind == "cancel" and pending:
            desk.account.cancel(pending[rest[0] % len(pending)], "1")
        elif kind == "amend" and pending:
            body = {"instId": BTC, "ordId": pending[rest[0] % len(pending)].ord_id, "newSz": str(rest[1])}
            desk.post("trade/amend-order", body)
        elif kind == "wait":
            desk.settle(desk.account.now_ms + rest[0] * 60_000)
    except Refused:
        pass


@given(ACTIONS, st.integers(0, 3), st.booleans())
def test_messages_add_up_to_the_account(actions, looks_every, unkind):
    """The oracle: what a client would book from the messages alone is what the account's own lists say."""
    desk = Desk({BTC: PATH}, unkind=unkind)
    account, log = desk.account, OrderLog()
    log.rebase(account)
    rows, algos = [], []
    for number, action in enumerate(actions):
        act(desk, action)
        if looks_every and number % looks_every == 0:
            rows += log.read_orders(account)
            algos += log.read_algos(account)
    rows += log.read_orders(account)
    algos += log.read_algos(account)
    assert log.read_orders(account) == log.read_algos(account) == []

    told = {row["ordId"]: [each for each in rows if each["ordId"] == row["ordId"]] for row in rows}
    assert set(told) == set(account.orders)
    for ord_id, order in account.orders.items():
        first, last = told[ord_id][0], told[ord_id][-1]
        assert (first["state"], first["accFillSz"], first["tradeId"]) == ("live", "0", "")
        assert (last["state"], Decimal(last["sz"])) == (order.state, order.size)
        assert (Decimal(last["accFillSz"]), Decimal(last["fee"])) == (order.filled, order.fee)
        assert abs(Decimal(last["pnl"]) - order.pnl) < Decimal("1e-15")  # rows end at 16 decimals
        trades = [row for row in told[ord_id] if row["tradeId"]]
        executions = [fill for fill in account.ledger.executions if fill.bill.ord_id == ord_id]
        assert [row["tradeId"] for row in trades] == list(dict.fromkeys(fill.bill.trade_id for fill in executions))
        assert sum(Decimal(row["fillSz"]) for row in trades) == order.filled
        assert sum(Decimal(row["fillFee"]) for row in trades) == sum(fill.fee for fill in executions)
        assert [int(row["uTime"]) for row in told[ord_id]] == sorted(int(row["uTime"]) for row in told[ord_id])
    ends = {row["algoId"]: row["state"] for row in algos}
    assert ends == {algo.algo_id: algo.state for algo in account.algos.values()}


@pytest.mark.parametrize("step_ms", [600_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_a_stop_that_triggers_while_nobody_looks(clock, step_ms):
    """One step over a stop tells the same story as ten small ones: the child order live, then filled, the stop done."""
    path = [(100, 101, 99, 100)] * 3 + [(100, 100, 80, 82)] + [(82, 83, 81, 82)] * 10
    desk = Desk({BTC: path})
    stepped = clock.__class__("stepped", minute(0))
    account = Account(desk.market, stepped, Decimal(10_000))

    async def job(url):
        async with (
            wire(url, "private", logged_in=True) as orders,
            wire(url, "business", logged_in=True) as stops,
        ):
            assert (await orders.subscribe("orders", instType="SWAP"))["event"] == "subscribe"
            assert (await orders.subscribe("positions", instType="ANY"))["event"] == "channel-conn-count"
            assert (await stops.subscribe("orders-algo", instType="ANY"))["event"] == "subscribe"
            await orders.hear_all()
            attached = [{"slTriggerPx": "90", "slOrdPx": "-1", "attachAlgoClOrdId": "guard"}]
            body = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "5"}
            await asyncio.to_thread(ask, url, "POST", "trade/order", {**body, "attachAlgoOrds": attached})
            opened, [armed] = await orders.hear_all(), await stops.hear_all()
            for _ in range(600_000 // step_ms):
                await advance(url, by_ms=step_ms)
            closed, told = await orders.hear_all(), await stops.hear_all()
        states = [[m["data"][0]["state"] for m in part if m["arg"]["channel"] == "orders"] for part in (opened, closed)]
        assert states == [["live", "filled"], ["live", "filled"]]
        held = [m["data"][0]["pos"] for m in (*opened, *closed) if m["arg"]["channel"] == "positions"]
        assert held == ["5", "0"]
        assert (armed["data"][0]["state"], armed["data"][0]["algoClOrdId"]) == ("live", "guard")
        assert [m["data"][0]["state"] for m in told][-1] == "effective"
        times = [int(m["data"][0]["uTime"]) for m in closed if m["arg"]["channel"] == "orders"]
        assert times == [minute(4)] * 2

    with serving(desk.market, stepped, account=account) as url:
        asyncio.run(job(url))


def test_a_market_without_an_account_pushes_market_data_only(clock):
    market = HandmadeMarket({BTC: PATH})

    async def job(url):
        async with wire(url, "public") as talk:
            await talk.subscribe("tickers", instId=BTC)
            assert (await talk.hear())["data"][0]["last"] == "100"

    with serving(market, clock.__class__("stepped", minute(0))) as url:
        asyncio.run(job(url))


def test_an_unkind_venue_pushes_before_its_lists_show(clock):
    """A wake may come before REST knows why: whoever asks once and finds nothing has learnt nothing."""
    market = HandmadeMarket({BTC: flat(100)})
    stepped = clock.__class__("stepped", minute(1))
    account = Account(market, stepped, Decimal(100_000), unkind=True)

    async def job(url):
        async with wire(url, "private", logged_in=True) as talk:
            await talk.subscribe("orders", instType="SWAP")
            await talk.subscribe("positions", instType="SWAP")
            await talk.hear_all()
            body = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "5"}
            await asyncio.to_thread(ask, url, "POST", "trade/order", body)
            heard = await talk.hear_all(0.9)
        kinds = [message["arg"]["channel"] for message in heard]
        assert kinds[:2] == ["orders", "orders"]
        assert kinds[2:] == ["positions"]
        assert Decimal(heard[-1]["data"][0]["pos"]) == 5

    with serving(market, stepped, account=account, unkind_seed=7) as url:
        asyncio.run(job(url))


def test_maintenance_ends_connections(clock):
    market = HandmadeMarket({BTC: PATH})
    played, stepped = ScriptedMarket(market), clock.__class__("stepped", minute(0))
    event = Event("maintenance", at_ms=minute(2), until_ms=minute(3), subject="Upgrade", values={"refuse": True})
    faults = FaultPlan()

    async def job(url):
        async with wire(url, "public") as talk:
            assert await talk.ask("ping") == "pong"
            await advance(url, by_ms=130_000)
            assert await talk.hear() == ("closed", 1001)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await session.ws_connect(f"{streams_of(url)}/public")

    schedule = Schedule([event], played, faults)
    with serving(played, stepped, faults=faults, schedule=schedule) as url:
        asyncio.run(job(url))
