"""Random faults, refusals, partial fills, crashes, prices: a pair ends whole, protected and hedged, or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from pairity.strategy.hedging import compute_hedge_error
from pairity.strategy.types import Side
from serving.journal import IntentState, Purpose
from tests.serving.pair_trading import decide_pair, pair_entry
from tests.serving.picky_okx import PickyOkx
from tests.serving.trading import BTC, ETH, T0
from tests.serving.trading_machine import HICCUPS, TradingMachine

SHARES = st.lists(st.sampled_from(["1", "1", "0.96", "0.5", "0.2", "0", "no"]), max_size=3)


class PairTrading(TradingMachine):
    def __init__(self) -> None:
        self.tiny = PickyOkx()
        super().__init__(self.tiny)

    @rule(
        side=st.sampled_from(list(Side)),
        faults=HICCUPS,
        kill=st.none() | st.integers(0, 20),
        base=SHARES,
        quote=SHARES,
        attached=st.booleans(),
    )
    def open(
        self,
        side: Side,
        faults: list[tuple[str, str]],
        kill: int | None,
        base: list[str],
        quote: list[str],
        attached: bool,
    ) -> None:
        self.hour += 1
        self.tiny.now_ms += 3_600_000
        wanted = pair_entry(hour=self.hour, side=side)
        decision = decide_pair(self.desk, wanted, at=T0 + timedelta(hours=self.hour))
        self.tiny.shares = {BTC: list(base), ETH: list(quote)}
        self.tiny.drop_attached = not attached
        self._run(self.desk.executor.open(wanted, decision), faults, kill)
        self.tiny.shares.clear()
        self.tiny.drop_attached = False

    @precondition(lambda self: self.desk.journal.open_positions())
    @rule(faults=HICCUPS, kill=st.none() | st.integers(0, 14), shares=SHARES)
    def close(self, faults: list[tuple[str, str]], kill: int | None, shares: list[str]) -> None:
        position = self.desk.journal.open_positions()[0].position
        self.tiny.shares = {BTC: list(shares), ETH: list(reversed(shares))}
        self._run(self.desk.executor.close(position, "z_cross", None), faults, kill)
        self.tiny.shares.clear()

    @rule(instrument=st.sampled_from([BTC, ETH]), change=st.sampled_from(["-0.08", "-0.02", "0.001", "0.02", "0.08"]))
    def price_moves(self, instrument: str, change: str) -> None:
        start = {BTC: Decimal(80_000), ETH: Decimal(2_000)}[instrument]
        self.tiny.move(instrument, (start * (1 + Decimal(change))).quantize(Decimal("0.1")))

    @rule(faults=HICCUPS, kill=st.none() | st.integers(0, 12), later=st.sampled_from([0, 100_000]))
    def reconcile(self, faults: list[tuple[str, str]], kill: int | None, later: int) -> None:
        self.tiny.now_ms += later
        self._run(self.desk.reconciler.run(), faults, kill)

    @rule()
    def settle_everything(self) -> None:
        """With a venue that answers, one reconciliation leaves whole pairs, every leg with its stop, and no more."""
        self.tiny.faults = []
        self.tiny.now_ms += 3_600_000
        report = asyncio.run(self.desk.reconciler.run())
        assert report.unresolved == []
        held = {BTC: Decimal(0), ETH: Decimal(0)}
        for position in report.positions:
            btc, eth = position.legs
            assert btc.side is eth.side.opposite
            base, quote = btc.contracts * 800, eth.contracts * 200
            assert compute_hedge_error(base, quote, Decimal(1)) <= Decimal("0.05")
            held = {BTC: btc.side.sign * btc.contracts, ETH: eth.side.sign * eth.contracts}
        assert len(report.positions) <= 1
        assert held == {BTC: self.tiny.size(BTC), ETH: self.tiny.size(ETH)}
        for name, size in held.items():
            algos = self.tiny.live_algos(name)
            assert len(algos) == int(size != 0)
            assert all(Decimal(algo["sz"]) >= abs(size) for algo in algos)
        assert [intent for intent in self.desk.journal.unsettled() if intent.purpose is not Purpose.PROTECT] == []
        alive = {i.client_order_id for i in self.desk.journal.unsettled() if i.state is IntentState.ACKNOWLEDGED}
        assert {algo["algoClOrdId"] for name in held for algo in self.tiny.live_algos(name)} <= alive
        if not report.positions:
            nets = [record.close.net_usdt for record in self.desk.journal.closed_positions() if record.close]
            # A position whose executions could not be read when it was booked says so: nothing adds up to nothing.
            if None not in nets:
                assert sum(nets, Decimal(0)) == self.tiny.cash - 10_000

    @invariant()
    def nothing_is_larger_than_meant(self) -> None:
        assert abs(self.tiny.size(BTC)) <= Decimal("1.25")
        assert abs(self.tiny.size(ETH)) <= 5


TestPairTrading = PairTrading.TestCase
TestPairTrading.settings = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
