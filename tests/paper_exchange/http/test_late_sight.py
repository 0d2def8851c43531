"""Lists that lag: what shows when, against a list of everything that happened and when it may show."""

from contextlib import contextmanager
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.http.late_sight import LateSight
from tests.examples import examples
from tests.paper_exchange.exchange_server import client, serving
from tests.paper_exchange.handmade_market import BTC, ETH, T0, Desk, HandmadeMarket, flat

MOST_MS = 400


class Seconds:
    """A monotonic clock that moves on demand."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class LateDesk(Desk):
    """A desk whose lists lag; every request is observed, as the server does."""

    def __init__(self, paths, seed=3, **options):
        super().__init__(paths, **options)
        self.seconds = Seconds()
        self.sight = LateSight(seed, MOST_MS, clock_s=self.seconds)
        self.sight.observe(self.account)

    def see(self):
        self.sight.observe(self.account)

    def pos(self, inst=BTC):
        return next((p.size for p in self.sight.list_positions(self.account) if p.inst_id == inst), Decimal(0))


def test_acknowledged_then_filled_then_in_the_list_of_positions():
    desk = LateDesk({BTC: flat(100), ETH: flat(100)})
    stops = [{"slTriggerPx": "90", "slOrdPx": "-1"}]
    order = desk.order("buy", 2, attachAlgoOrds=stops)
    desk.see()
    seen = []
    for _ in range(2 * MOST_MS + 1):
        shown = desk.sight.show_order(order)
        [guard] = desk.account.algos.values()
        fills = len(desk.sight.list_executions(desk.account))
        seen.append((shown.state, shown.filled, fills, desk.sight.shows_algo(desk.account, guard), desk.pos()))
        desk.seconds.now += 0.001
    stages = list(dict.fromkeys(seen))
    assert stages[0] == ("live", 0, 0, False, 0)
    assert stages[1:] == [("filled", 2, 1, True, 0), ("filled", 2, 1, True, 2)]
    desk.see()
    assert desk.sight.show_order(order) is order  # nothing is kept of what shows as it is


def test_an_acknowledged_order_has_no_fill_yet():
    desk = LateDesk({BTC: flat(100)})
    order = desk.order("buy", 2)
    desk.see()
    row = desk.sight.show_order(order).row()
    assert (row["state"], row["accFillSz"], row["avgPx"], row["fillPx"], row["tradeId"]) == ("live", "0", "", "", "")
    assert (row["fee"], row["pnl"], row["fillTime"], row["uTime"]) == ("0", "0", "", row["cTime"])


def test_a_cancelled_order_still_shows_for_a_moment():
    desk = LateDesk({BTC: flat(100)})
    order = desk.order("buy", 2, kind="limit", px="99")
    desk.see()
    desk.account.cancel(order, "1")
    desk.see()
    assert (desk.sight.show_order(order).state, order.state) == ("live", "canceled")
    desk.seconds.now += MOST_MS / 1000
    assert desk.sight.show_order(order).cancel_source == "1"


actions = st.sampled_from(["buy", "sell", "rest", "cancel", "close", "wait", "wait", "minute", "look"])
steps = st.lists(actions, min_size=1, max_size=25)


@settings(max_examples=examples(240), deadline=None)
@given(steps, st.integers(0, 5), st.integers(0, 500))
def test_what_shows_is_something_that_was_and_all_shows_in_the_end(steps, seed, wait_ms):
    desk = LateDesk({BTC: [(100, 103, 97, 100)] * 60}, seed, balance=100_000)
    states, positions, minutes = {}, [Decimal(0)], 0
    for step in steps:
        if step in ("buy", "sell"):
            desk.order(step, 1)
        elif step == "rest":
            desk.order("buy", 1, kind="limit", px="98.5")
        elif step == "cancel" and desk.account.pending():
            desk.account.cancel(desk.account.pending()[0], "1")
        elif step == "close" and desk.size():
            desk.order("sell" if desk.size() > 0 else "buy", abs(desk.size()), reduceOnly=True)
        elif step == "minute":
            minutes += 1
            desk.to(minutes)
        elif step == "wait":
            desk.seconds.now += wait_ms / 1000
        desk.see()
        for order in desk.account.orders.values():
            # An order may show as acknowledged, or as it was after any request until now.
            states.setdefault(order.ord_id, [("live", 0)]).append((order.state, order.filled))
            shown = desk.sight.show_order(order)
            assert (shown.state, shown.filled) in states[order.ord_id]
        positions.append(desk.size())
        assert desk.pos() in positions
        assert len(desk.sight.list_executions(desk.account)) <= len(desk.account.ledger.executions)
    desk.seconds.now += 2 * MOST_MS / 1000
    desk.see()
    assert all(desk.sight.show_order(order) is order for order in desk.account.orders.values() if not order.live)
    assert desk.pos() == desk.size()
    assert desk.sight.list_executions(desk.account) == desk.account.ledger.executions
    assert list(desk.sight.list_closed(desk.account)) == desk.account.closed_positions


def test_the_same_requests_give_the_same_delays():
    def delays(seed):
        desk = LateDesk({BTC: flat(100)}, seed)
        found = []
        for _ in range(5):
            order = desk.order("buy", 1)
            desk.see()
            waited = 0
            while desk.sight.show_order(order).state != "filled":
                waited += 1
                desk.seconds.now += 0.001
            found.append(waited)
        return found

    assert delays(1) == delays(1) != delays(2)


@contextmanager
def unkind_exchange(seed=7):
    market = HandmadeMarket({BTC: flat(100), ETH: flat(50)})
    clock = VirtualClock("stepped", T0)
    with serving(market, clock, account=Account(market, clock, 10_000), unkind_seed=seed) as url:
        yield url


def test_an_unkind_exchange_through_ccxt():
    """A client that asks again sees in the end what a kind exchange shows at once."""
    import time

    with unkind_exchange() as url:
        okx = client(url)
        okx.load_markets()
        okx.create_order("BTC/USDT:USDT", "market", "buy", 2, None, {"clientOrderId": "late1"})
        seen, until = set(), time.monotonic() + 5
        while time.monotonic() < until:
            order = okx.fetch_order(None, "BTC/USDT:USDT", {"clOrdId": "late1"})
            held = okx.fetch_positions(["BTC/USDT:USDT"])
            seen.add((order["status"], bool(held)))
            if held:
                break
        assert ("closed", True) in seen
        assert ("open", True) not in seen
        assert held[0]["contracts"] == order["filled"] == 2
        written = {fill["info"]["fillPx"] for fill in okx.fetch_my_trades("BTC/USDT:USDT")}
        assert {Decimal(text) for text in written} == {Decimal("100.1")}


@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_keep_their_value_when_they_get_longer(seed):
    from paper_exchange.http.number_forms import NumberForms

    answer = {"code": "0", "data": [{"pos": "0", "avgPx": "1.5", "ordId": "100", "ts": "7", "upl": ""}] * 30, "msg": ""}
    rewritten = NumberForms(seed).rewrite(answer)
    assert rewritten == NumberForms(seed).rewrite(answer) != answer
    for row in rewritten["data"]:
        assert (Decimal(row["pos"]), Decimal(row["avgPx"])) == (0, Decimal("1.5"))
        assert (row["ordId"], row["ts"], row["upl"]) == ("100", "7", "")
    assert "0.00" in {row["pos"] for row in rewritten["data"]}
