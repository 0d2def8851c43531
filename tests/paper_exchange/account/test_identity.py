"""Whatever is asked of the account, in whatever order: its books balance at every step."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from paper_exchange.account.ledger import FUNDING, LIQUIDATION
from paper_exchange.account.positions import name_holding
from paper_exchange.account.refusals import Refused
from paper_exchange.market.market import Tier
from paper_exchange.wire import WireError
from tests.examples import examples
from tests.oracles.linear_account import LinearAccount
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, contract, minute

MINUTES, CENT = 60, Decimal("0.01")
INSTRUMENTS = st.sampled_from([BTC, ETH])
SIDES = st.sampled_from(["buy", "sell"])
SIZES = st.sampled_from([1, 77, 2_500, 40_000, 250_000]).map(lambda lots: lots * CENT)
MODES = st.integers(0, 3)
PERCENT = st.sampled_from([-10, -5, -2, -1, 0, 1, 2, 5, 10])
TOLERANCE = Fraction(1, 10**15)


@st.composite
def paths(draw):
    """A minute path: calm, jumping at opens, with long wicks and holes."""
    rows, price = [], draw(st.sampled_from([100.0, 2_000.0]))
    for kind in draw(st.lists(st.sampled_from(["calm", "up", "down", "gap", "wick", "hole"]), min_size=8, max_size=8)):
        jump = {"gap": draw(st.sampled_from([-0.2, 0.15]))}.get(kind, 0.0)
        drift = {"up": 0.02, "down": -0.02}.get(kind, 0.001)
        wick = 0.12 if kind == "wick" else 0.004
        opened = round(price * (1 + jump), 1)
        closed = round(opened * (1 + drift), 1)
        high, low = round(max(opened, closed) * (1 + wick), 1), round(min(opened, closed) * (1 - wick), 1)
        rows += [None if kind == "hole" and rows else (opened, high, low, closed)]
        price = closed
    return rows * (MINUTES // 8 + 1)


class AnyRequests(RuleBasedStateMachine):
    """A kind market in net mode and cross margin; subclasses choose otherwise."""

    options = MappingProxyType({})
    margin_modes, pos_sides = ("cross",), ("net",)
    tiers = ()

    @initialize(
        btc=paths(), eth=paths(), lever=st.sampled_from([1, 10, 50]), oversize=st.sampled_from(["reject", "trim"])
    )
    def open(self, btc, eth, lever, oversize):
        settlements = {BTC: [(minute(5), 0.001), (minute(20), -0.002)], ETH: [(minute(20), 0.0005)]}
        specified = {name: contract(name, tiers=self.tiers) for name in (BTC, ETH)}
        self.desk = Desk(
            {BTC: btc, ETH: eth},
            balance=1_000,
            fundings=settlements,
            instruments=specified,
            reduce_only_oversize=oversize,
            **self.options,
        )
        self.now = 0
        self.account = self.desk.account
        self.account.leverage = dict.fromkeys((BTC, ETH), Decimal(lever))
        self.seen_bills = 0
        self.oracle = LinearAccount(1_000)
        self.margins, self.penalties = {}, Fraction(0)

    def ask(self, act):
        """What is refused changes nothing."""
        before = (self.account.ledger.cash, dict(self.account.orders), len(self.account.ledger.bills))
        try:
            taken = act()
        except (Refused, WireError):
            assert before == (self.account.ledger.cash, dict(self.account.orders), len(self.account.ledger.bills))
            return None
        return taken

    def free(self):
        return self.account.cross_equity() - self.account.initial_margin() - self.account.frozen()

    def modes(self, number):
        """Margin mode and position side of a request, as a body has them."""
        margin, side = self.margin_modes[number % len(self.margin_modes)], self.pos_sides[number % len(self.pos_sides)]
        return {"tdMode": margin, "posSide": side}

    def held(self, order):
        return self.account.held(order.holding)

    def price(self, inst, percent):
        raw = self.account.last(inst) * (100 + percent) / 100
        return str(raw.quantize(Decimal("0.1")))

    @rule(inst=INSTRUMENTS, side=SIDES, sz=SIZES, reduce=st.booleans(), stop=st.sampled_from([None, 1, 5]), mode=MODES)
    def market_order(self, inst, side, sz, reduce, stop, mode):
        sign = 1 if side == "buy" else -1
        legs = []
        if stop is not None and not reduce:
            triggers = {f"{leg}TriggerPx": self.price(inst, way * sign * stop) for leg, way in (("sl", -1), ("tp", 1))}
            legs = [{**triggers, "slOrdPx": "-1", "tpOrdPx": "-1"}]
        before = {name: position.size for name, position in self.account.positions.items()}
        order = self.ask(
            lambda: self.desk.order(side, sz, inst=inst, reduceOnly=reduce, attachAlgoOrds=legs, **self.modes(mode))
        )
        if order is not None and abs(self.held(order)) > abs(before.get(order.holding, 0)):
            assert self.free() >= 0

    @rule(
        inst=INSTRUMENTS,
        side=SIDES,
        sz=SIZES,
        percent=st.sampled_from([-2, -1, 0, 1, 2]),
        kind=st.sampled_from(["limit", "post_only", "ioc", "fok"]),
        mode=MODES,
    )
    def priced_order(self, inst, side, sz, percent, kind, mode):
        before = {name: position.size for name, position in self.account.positions.items()}
        order = self.ask(
            lambda: self.desk.order(side, sz, inst=inst, kind=kind, px=self.price(inst, percent), **self.modes(mode))
        )
        opens = order is not None and before.get(order.holding, 0) * order.sign >= 0
        if order is not None and opens and order.state != "canceled":
            assert self.free() >= 0

    @rule(
        inst=INSTRUMENTS,
        side=SIDES,
        sz=SIZES,
        percent=PERCENT,
        reduce=st.booleans(),
        kind=st.sampled_from(["last", "mark", "index"]),
        mode=MODES,
    )
    def stop_order(self, inst, side, sz, percent, reduce, kind, mode):
        self.ask(
            lambda: self.desk.algo(
                side,
                sz,
                inst=inst,
                slTriggerPx=self.price(inst, percent),
                slOrdPx="-1",
                slTriggerPxType=kind,
                reduceOnly=reduce,
                **self.modes(mode),
            )
        )

    @rule(inst=INSTRUMENTS, side=SIDES, sz=SIZES, percent=PERCENT, mode=MODES)
    def trigger_order(self, inst, side, sz, percent, mode):
        self.ask(
            lambda: self.desk.algo(
                side,
                sz,
                inst=inst,
                kind="trigger",
                triggerPx=self.price(inst, percent),
                orderPx="-1",
                **self.modes(mode),
            )
        )

    @rule(inst=INSTRUMENTS, lever=st.sampled_from(["1", "3", "20", "100"]), mode=MODES)
    def leverage(self, inst, lever, mode):
        modes = self.modes(mode)
        body = {"instId": inst, "lever": lever, "mgnMode": modes["tdMode"], "posSide": modes["posSide"]}
        self.ask(lambda: self.desk.post("account/set-leverage", body))

    @precondition(lambda self: self.account.pending())
    @rule(data=st.data(), sz=SIZES, percent=PERCENT)
    def amend(self, data, sz, percent):
        order = data.draw(st.sampled_from(self.account.pending()))
        body = {
            "instId": order.inst_id,
            "ordId": order.ord_id,
            "newSz": str(sz),
            "newPx": self.price(order.inst_id, percent),
        }
        opens = self.held(order) * order.sign >= 0
        if self.desk.post("trade/amend-order", body)["code"] == "0" and opens and order.state != "canceled":
            assert self.free() >= 0

    @precondition(lambda self: self.account.pending())
    @rule(data=st.data())
    def cancel(self, data):
        order = data.draw(st.sampled_from(self.account.pending()))
        self.desk.post("trade/cancel-order", {"instId": order.inst_id, "ordId": order.ord_id})
        assert order.state == "canceled"

    @rule(inst=INSTRUMENTS, mode=MODES)
    def close(self, inst, mode):
        modes = self.modes(mode)
        body = {"instId": inst, "mgnMode": modes["tdMode"], "posSide": modes["posSide"], "autoCxl": "true"}
        self.ask(lambda: self.desk.post("trade/close-position", body))

    @rule(steps=st.sampled_from([1, 1, 2, 7]))
    def wait(self, steps):
        self.now = min(self.now + steps, MINUTES)
        self.desk.to(self.now)

    @invariant()
    def books_balance(self):
        account = self.account
        executions = {id(execution.bill): execution for execution in account.ledger.executions}
        for bill in account.ledger.bills[self.seen_bills :]:
            name = name_holding(bill.inst_id, bill.margin_mode, bill.pos_side)
            if bill.kind == FUNDING:
                [rate] = [s.rate for s in self.desk.market.funding(bill.inst_id, bill.ts_ms, bill.ts_ms + 1)]
                self.oracle.settle(name, bill.price, repr(rate), "0.01")
            elif id(bill) in executions:
                execution = executions[id(bill)]
                self.oracle.trade(name, execution.side, bill.size, bill.price, "0.01", execution.rate)
            else:
                assert (bill.kind, bill.size, bill.pnl <= 0) == (LIQUIDATION, 0, True)
                self.penalties += Fraction(bill.pnl)
            self.margins[name] = Fraction(bill.margin)
            whole = Fraction(bill.balance) + sum(self.margins.values())
            assert abs(whole - self.oracle.cash - self.penalties) < TOLERANCE
        self.seen_bills = len(account.ledger.bills)
        held = {name: size for name, size in self.oracle.held.items() if size}
        assert {name: Fraction(p.size) for name, p in account.positions.items()} == held
        assert {name: p.margin for name, p in account.positions.items()} == {name: self.margins[name] for name in held}
        marks = {name: account.mark(name.split()[0]) for name in self.oracle.held}
        expected = self.oracle.equity(marks, "0.01") + self.penalties
        assert abs(Fraction(account.equity()) - expected) < TOLERANCE
        [shown] = self.desk.get("account/balance")
        assert abs(Fraction(shown["totalEq"]) - expected) < Fraction(CENT)
        realized = sum((p.realized for p in account.positions.values()), Decimal(0))
        realized += sum((p.realized for p, _, _ in account.closed_positions), Decimal(0))
        expected = self.oracle.realized - self.oracle.fees + self.oracle.funding + self.penalties
        assert abs(Fraction(realized) - expected) < TOLERANCE

    @invariant()
    def sizes_are_conserved(self):
        filled, notional, fees = Counter(), Counter(), Counter()
        for execution in self.account.ledger.executions:
            bill = execution.bill
            filled[bill.ord_id] += bill.size
            notional[bill.ord_id] += bill.size * bill.price
            fees[bill.ord_id] += bill.fee
        for order in self.account.orders.values():
            assert (order.filled, order.fee) == (filled[order.ord_id], fees[order.ord_id])
            assert order.filled_notional == notional[order.ord_id]
            assert 0 <= order.filled <= order.size
            assert (order.state == "filled") == (order.left == 0)
            if order.state == "live":
                assert order.filled == 0

    @invariant()
    def hedged_positions_keep_their_sides(self):
        for position in self.account.positions.values():
            assert {"net": True, "long": position.size > 0, "short": position.size < 0}[position.pos_side]
            assert position.margin >= 0

    @invariant()
    def ids_increase(self):
        account = self.account
        for ids in (list(account.orders), list(account.algos), [bill.bill_id for bill in account.ledger.bills]):
            assert ids == sorted(set(ids), key=int)

    @invariant()
    def stops_cover_what_is_filled(self):
        for algo in self.account.live_algos():
            if not self.account.unkind:
                assert not algo.is_attached or self.account.held(algo.holding) * algo.sign < 0
            if algo.is_attached:
                assert algo.size <= self.account.orders[algo.parent_id].filled

    @invariant()
    def the_account_is_above_maintenance(self):
        account = self.account
        if self.now and minute(self.now) == account.now_ms:
            assert not account.list_cross() or account.cross_equity() > account.maintenance_margin()
            for position in account.list_isolated():
                equity = position.margin + position.unrealized(account.mark(position.inst_id))
                assert equity > position.notional(account.mark(position.inst_id)) * account.maintenance_rate(position)


class AnyRequestsOnAnUnkindMarket(AnyRequests):
    options = MappingProxyType({"unkind": True})
    margin_modes = ("cross", "isolated")
    tiers = tuple(
        Tier(Decimal(most), Decimal(rate), Decimal(lever))
        for most, rate, lever in ((50, "0.004", 100), (500, "0.01", 50), (3_000, "0.025", 20), (20_000, "0.1", 5))
    )


class AnyRequestsInHedgeMode(AnyRequests):
    options = MappingProxyType({"unkind": True, "position_mode": "long_short_mode"})
    margin_modes = ("cross", "cross", "isolated", "isolated")
    pos_sides = ("long", "short")


TestAccount = AnyRequests.TestCase
TestAccount.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
TestUnkindAccount = AnyRequestsOnAnUnkindMarket.TestCase
TestUnkindAccount.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)
TestHedgedAccount = AnyRequestsInHedgeMode.TestCase
TestHedgedAccount.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [AnyRequests, AnyRequestsOnAnUnkindMarket, AnyRequestsInHedgeMode])
def test_very_many_requests(machine):
    run_state_machine_as_test(machine, settings=settings(max_examples=600, stateful_step_count=50, deadline=None))
