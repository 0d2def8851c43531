"""Whatever is asked of the account, in whatever order: its books balance at every step."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paper_exchange.account.ledger import FUNDING
from paper_exchange.account.refusals import Refused
from paper_exchange.wire import WireError
from tests.oracles.linear_account import LinearAccount
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, minute

MINUTES, CENT = 60, Decimal("0.01")
INSTRUMENTS = st.sampled_from([BTC, ETH])
SIDES = st.sampled_from(["buy", "sell"])
SIZES = st.sampled_from([1, 77, 2_500, 40_000, 250_000]).map(lambda lots: lots * CENT)
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
    @initialize(
        btc=paths(), eth=paths(), lever=st.sampled_from([1, 10, 50]), oversize=st.sampled_from(["reject", "trim"])
    )
    def open(self, btc, eth, lever, oversize):
        settlements = {BTC: [(minute(5), 0.001), (minute(20), -0.002)], ETH: [(minute(20), 0.0005)]}
        self.desk = Desk({BTC: btc, ETH: eth}, balance=1_000, fundings=settlements, reduce_only_oversize=oversize)
        self.now = 0
        self.account = self.desk.account
        self.account.leverage = dict.fromkeys((BTC, ETH), Decimal(lever))
        self.seen_bills = 0
        self.oracle = LinearAccount(1_000)

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
        return self.account.equity() - self.account.initial_margin() - self.account.frozen()

    def price(self, inst, percent):
        raw = self.account.last(inst) * (100 + percent) / 100
        return str(raw.quantize(Decimal("0.1")))

    @rule(inst=INSTRUMENTS, side=SIDES, sz=SIZES, reduce=st.booleans(), stop=st.sampled_from([None, 1, 5]))
    def market_order(self, inst, side, sz, reduce, stop):
        sign = 1 if side == "buy" else -1
        legs = []
        if stop is not None and not reduce:
            triggers = {f"{leg}TriggerPx": self.price(inst, way * sign * stop) for leg, way in (("sl", -1), ("tp", 1))}
            legs = [{**triggers, "slOrdPx": "-1", "tpOrdPx": "-1"}]
        held = self.desk.size(inst)
        order = self.ask(lambda: self.desk.order(side, sz, inst=inst, reduceOnly=reduce, attachAlgoOrds=legs))
        if order is not None and abs(held + order.sign * order.size) > abs(held):
            assert self.free() >= 0

    @rule(
        inst=INSTRUMENTS,
        side=SIDES,
        sz=SIZES,
        percent=st.sampled_from([-2, -1, 0, 1, 2]),
        kind=st.sampled_from(["limit", "post_only", "ioc", "fok"]),
    )
    def priced_order(self, inst, side, sz, percent, kind):
        opens = self.desk.size(inst) * (1 if side == "buy" else -1) >= 0
        order = self.ask(lambda: self.desk.order(side, sz, inst=inst, kind=kind, px=self.price(inst, percent)))
        if order is not None and opens and order.state != "canceled":
            assert self.free() >= 0

    @rule(
        inst=INSTRUMENTS,
        side=SIDES,
        sz=SIZES,
        percent=PERCENT,
        reduce=st.booleans(),
        kind=st.sampled_from(["last", "mark", "index"]),
    )
    def stop_order(self, inst, side, sz, percent, reduce, kind):
        self.ask(
            lambda: self.desk.algo(
                side,
                sz,
                inst=inst,
                slTriggerPx=self.price(inst, percent),
                slOrdPx="-1",
                slTriggerPxType=kind,
                reduceOnly=reduce,
            )
        )

    @rule(inst=INSTRUMENTS, side=SIDES, sz=SIZES, percent=PERCENT)
    def trigger_order(self, inst, side, sz, percent):
        self.ask(
            lambda: self.desk.algo(
                side, sz, inst=inst, kind="trigger", triggerPx=self.price(inst, percent), orderPx="-1"
            )
        )

    @rule(inst=INSTRUMENTS, lever=st.sampled_from(["1", "3", "20", "100"]))
    def leverage(self, inst, lever):
        self.ask(lambda: self.desk.post("account/set-leverage", {"instId": inst, "lever": lever, "mgnMode": "cross"}))

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
        opens = self.desk.size(order.inst_id) * order.sign >= 0
        if self.desk.post("trade/amend-order", body)["code"] == "0" and opens and order.state != "canceled":
            assert self.free() >= 0

    @precondition(lambda self: self.account.pending())
    @rule(data=st.data())
    def cancel(self, data):
        order = data.draw(st.sampled_from(self.account.pending()))
        self.desk.post("trade/cancel-order", {"instId": order.inst_id, "ordId": order.ord_id})
        assert order.state == "canceled"

    @rule(inst=INSTRUMENTS)
    def close(self, inst):
        self.ask(
            lambda: self.desk.post("trade/close-position", {"instId": inst, "mgnMode": "cross", "autoCxl": "true"})
        )

    @rule(steps=st.sampled_from([1, 1, 2, 7]))
    def wait(self, steps):
        self.now = min(self.now + steps, MINUTES)
        self.desk.to(self.now)

    @invariant()
    def books_balance(self):
        account = self.account
        executions = {id(execution.bill): execution for execution in account.ledger.executions}
        for bill in account.ledger.bills[self.seen_bills :]:
            if bill.kind == FUNDING:
                [rate] = [s.rate for s in self.desk.market.funding(bill.inst_id, bill.ts_ms, bill.ts_ms + 1)]
                self.oracle.settle(bill.inst_id, bill.price, repr(rate), "0.01")
            else:
                execution = executions[id(bill)]
                self.oracle.trade(bill.inst_id, execution.side, bill.size, bill.price, "0.01", execution.rate)
            assert abs(Fraction(bill.balance) - self.oracle.cash) < TOLERANCE
        self.seen_bills = len(account.ledger.bills)
        held = {name: size for name, size in self.oracle.held.items() if size}
        assert {name: Fraction(p.size) for name, p in account.positions.items()} == held
        marks = {name: account.mark(name) for name in (BTC, ETH)}
        assert abs(Fraction(account.equity()) - self.oracle.equity(marks, "0.01")) < TOLERANCE
        realized = sum((p.realized for p in account.positions.values()), Decimal(0))
        realized += sum((p.realized for p, _, _ in account.closed_positions), Decimal(0))
        expected = self.oracle.realized - self.oracle.fees + self.oracle.funding
        assert abs(Fraction(realized) - expected) < TOLERANCE

    @invariant()
    def ids_increase(self):
        account = self.account
        for ids in (list(account.orders), list(account.algos), [bill.bill_id for bill in account.ledger.bills]):
            assert ids == sorted(set(ids), key=int)

    @invariant()
    def nothing_protects_a_position_that_is_gone(self):
        for algo in self.account.live_algos():
            assert not algo.is_attached or self.desk.size(algo.inst_id) * algo.sign < 0

    @invariant()
    def the_account_is_above_maintenance(self):
        if self.account.positions and self.now and minute(self.now) == self.account.now_ms:
            assert self.account.equity() > self.account.maintenance_margin()


TestAccount = AnyRequests.TestCase
TestAccount.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
