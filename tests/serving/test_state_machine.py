"""Random faults, crashes and prices against the simplest model: what was meant happens once, nothing is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from pairity.strategy.types import Entry, Side
from serving.journal import IntentState, Purpose
from tests.examples import examples
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, entry, exit_of
from tests.serving.trading_machine import HICCUPS, TradingMachine


class Trading(TradingMachine):
    def __init__(self) -> None:
        self.tiny = TinyOkx()
        self.entries: dict[str, Entry] = {}
        super().__init__(self.tiny)

    @rule(
        side=st.sampled_from(list(Side)),
        faults=HICCUPS,
        kill=st.none() | st.integers(0, 12),
        share=st.sampled_from(["1", "1", "0.4", "0"]),
        attached=st.booleans(),
    )
    def open(self, side: Side, faults: list[tuple[str, str]], kill: int | None, share: str, attached: bool) -> None:
        self.hour += 1
        self.tiny.now_ms += 3_600_000
        at = T0 + timedelta(hours=self.hour)
        price = float(self.tiny.prices[BTC])
        wanted = replace(entry(side, reference=price), position_id=f"BTC__SOL@{self.hour}")
        self.entries[wanted.position_id] = wanted
        decision = self.desk.decide(wanted, at=at)
        self.tiny.fill_fraction, self.tiny.drop_attached = Decimal(share), not attached
        self._run(self.desk.executor.open(wanted, decision), faults, kill)
        self.tiny.fill_fraction, self.tiny.drop_attached = Decimal(1), False

    @precondition(lambda self: self.desk.journal.open_positions())
    @rule(faults=HICCUPS, kill=st.none() | st.integers(0, 8), share=st.sampled_from(["1", "1", "0.5"]))
    def close(self, faults: list[tuple[str, str]], kill: int | None, share: str) -> None:
        position = self.desk.journal.open_positions()[0].position
        self.hour += 1
        self.tiny.now_ms += 3_600_000
        decision = self.desk.decide(exits=exit_of(position), at=T0 + timedelta(hours=self.hour))
        self.tiny.fill_fraction = Decimal(share)
        self._run(self.desk.executor.close(position, "z_cross", decision.decision_id), faults, kill)
        self.tiny.fill_fraction = Decimal(1)

    @rule(change=st.sampled_from(["-0.08", "-0.02", "0.001", "0.02", "0.08"]))
    def price_moves(self, change: str) -> None:
        self.tiny.move(BTC, (self.tiny.prices[BTC] * (1 + Decimal(change))).quantize(Decimal("0.1")))

    @rule(faults=HICCUPS, kill=st.none() | st.integers(0, 6))
    def reconcile(self, faults: list[tuple[str, str]], kill: int | None) -> None:
        self._run(self.desk.reconciler.run(), faults, kill)

    @rule()
    def settle_everything(self) -> None:
        """With a venue that answers, one reconciliation makes journal and venue equal, and everything protected."""
        self.tiny.faults = []
        self.tiny.now_ms += 3_600_000
        report = asyncio.run(self.desk.reconciler.run())
        assert report.unresolved == []
        held = {BTC: sum((leg.side.sign * leg.contracts for p in report.positions for leg in p.legs), Decimal(0))}
        assert held[BTC] == self.tiny.size(BTC)
        assert len(self.tiny.live_algos(BTC)) == len(report.positions)
        for position, algo in zip(report.positions, self.tiny.live_algos(BTC), strict=True):
            leg = position.legs[0]
            assert Decimal(str(leg.stop_price)) == Decimal(algo["slTriggerPx"])
            assert algo["side"] == leg.side.opposite
            assert Decimal(algo["sz"]) >= leg.contracts
        waiting = [intent for intent in self.desk.journal.unsettled() if intent.purpose is not Purpose.PROTECT]
        assert waiting == []
        alive = {i.client_order_id for i in self.desk.journal.unsettled() if i.state is IntentState.ACKNOWLEDGED}
        assert {algo["algoClOrdId"] for algo in self.tiny.live_algos(BTC)} <= alive

    @invariant()
    def nothing_happens_twice(self) -> None:
        filled: Counter[str] = Counter()
        for fill in self.tiny.fills:
            if fill["clOrdId"].startswith("pairity"):
                filled[fill["clOrdId"]] += 1
        assert all(count == 1 for count in filled.values()), filled
        for position_id, wanted in self.entries.items():
            (leg,) = wanted.legs
            ids = {i.client_order_id for i in self.desk.journal.intents(position_id, purpose=Purpose.ENTRY)}
            size = sum(Decimal(f["fillSz"]) for f in self.tiny.fills if f["clOrdId"] in ids)
            assert size <= leg.contracts

    @invariant()
    def nothing_is_larger_than_meant(self) -> None:
        assert abs(self.tiny.size(BTC)) <= Decimal("1.25")


TestTrading = Trading.TestCase
TestTrading.settings = settings(
    max_examples=examples(40),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
