"""Limit entries under random fills, lost replies, kills, refusals: nothing twice, nothing naked, nothing forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from pairity.strategy.types import Side
from serving.execution.limit_entries import LimitTerms
from serving.journal import Purpose
from tests.examples import examples
from tests.serving.resting_okx import RestingOkx
from tests.serving.tiny_client import AFTER, BEFORE
from tests.serving.trading import BTC, T0, entry
from tests.serving.trading_machine import FAULT, HICCUPS, TradingMachine

TERMS = LimitTerms(deadline_s=60.0, quotes=2, drift=Decimal("0.01"), cancel_after_s=30)
WANTED = Decimal("1.25")
WRITES = st.tuples(
    st.sampled_from(["privatePostTradeCancelOrder", "privatePostTradeCancelAllAfter"]),
    st.sampled_from([*BEFORE, *AFTER]),
)
FAULTS = st.just([]) | st.lists(FAULT | WRITES, min_size=1, max_size=2) | HICCUPS
SIDES = st.sampled_from(list(Side))
# The first of each is what Hypothesis draws most: a part that is filled, and a venue that attaches stops late.
ATTACHED = st.sampled_from(["the end", "first fill", "never"])
PLAN = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["0.1", "0.4", "0.5", "1", "cancel"])), max_size=3)
KILL = st.sampled_from([None, None, None, 0, 1, 2, 3, 4, 5, 7, 9])


class LimitTrading(TradingMachine):
    def __init__(self) -> None:
        self.okx = RestingOkx()
        super().__init__(self.okx, limits=TERMS)

    def teardown(self) -> None:
        try:
            self.settle_everything(61)
            self.never_more_than_was_wanted()
        finally:
            super().teardown()

    def _run_planned(
        self,
        job: Coroutine[Any, Any, Any],
        faults: list[tuple[str, str]],
        kill_after: int | None,
        plan: list[tuple[int, str]],
    ) -> None:
        """Run one piece of work while what is planned happens at the venue."""
        self.okx.plan = list(plan)
        self._run(job, faults, kill_after)
        self.okx.plan = []

    @initialize(side=SIDES, attached=ATTACHED)
    def begin(self, side: Side, attached: str) -> None:
        """An order rests from the beginning: most of what can happen happens to one that does."""
        self._open(side, [], None, [], attached)

    @rule(side=SIDES, faults=FAULTS, kill=KILL, plan=PLAN, attached=ATTACHED)
    def open(
        self, side: Side, faults: list[tuple[str, str]], kill: int | None, plan: list[tuple[int, str]], attached: str
    ) -> None:
        self._open(side, faults, kill, plan, attached)

    def _open(
        self, side: Side, faults: list[tuple[str, str]], kill: int | None, plan: list[tuple[int, str]], attached: str
    ) -> None:
        if self.desk.journal.open_positions() or self.okx.resting():
            return
        self.hour += 1
        self.okx.now_ms += 3_600_000
        self.okx.run_timers()
        self.okx.attaches_at, self.okx.drop_attached = attached, attached == "never"
        wanted = replace(entry(side, str(WANTED), float(self.okx.prices[BTC])), position_id=f"BTC__SOL@{self.hour}")
        decision = self.desk.decide(wanted, at=T0 + timedelta(hours=self.hour))
        self._run_planned(self.desk.executor.open(wanted, decision), faults, kill, plan)

    @rule(
        seconds=st.sampled_from([5, 5, 20, 25, 31, 4000]),
        faults=FAULTS,
        kill=KILL,
        plan=PLAN,
        allowed=st.sampled_from([True, True, True, True, False]),
        racing=st.sampled_from(["0", "0", "0.3", "1"]),
        traded=st.sampled_from(["0.5", "0.1", "0", "1"]),
        change=st.sampled_from(["0", "0", "-0.001", "0.001", "-0.02", "0.02", "0.08"]),
    )
    def look(
        self,
        seconds: int,
        faults: list[tuple[str, str]],
        kill: int | None,
        plan: list[tuple[int, str]],
        allowed: bool,
        racing: str,
        traded: str,
        change: str,
    ) -> None:
        """Somebody trades with what rests, time passes, the price moves, and the watch looks."""
        for order in self.okx.resting():
            self.okx.fill(order, traded)
        if change != "0":
            self.okx.move(BTC, (self.okx.prices[BTC] * (1 + Decimal(change))).quantize(Decimal("0.1")))
        self.okx.now_ms += seconds * 1000
        self.okx.run_timers()
        self.okx.while_cancelling = racing
        self._run_planned(self.desk.reconciler.run(entries=allowed), faults, kill, plan)
        self.okx.while_cancelling = "0"
        if not faults and kill is None and not plan:
            self.everything_is_protected()

    @precondition(lambda self: self.desk.journal.open_positions())
    @rule(faults=FAULTS, kill=KILL, plan=PLAN)
    def close(self, faults: list[tuple[str, str]], kill: int | None, plan: list[tuple[int, str]]) -> None:
        position = self.desk.journal.open_positions()[0].position
        self._run_planned(self.desk.executor.close(position, "z_cross", None), faults, kill, plan)

    def settle_everything(self, seconds: int) -> None:
        """With a venue that answers, looks until the deadline make journal and venue equal, and all of it protected."""
        self.okx.faults, self.okx.drop_attached = [], False
        for wait in (seconds, 31, 31):
            self.okx.now_ms += wait * 1000
            self.okx.run_timers()
            report = asyncio.run(self.desk.reconciler.run())
            assert report.unresolved == []
            self.everything_is_protected()
        assert self.okx.resting() == []
        assert report.resting == []
        assert not self.desk.executor.rests
        held = {BTC: sum((leg.side.sign * leg.contracts for p in report.positions for leg in p.legs), Decimal(0))}
        assert held[BTC] == self.okx.size(BTC)
        algos = self.okx.live_algos(BTC)
        assert len(algos) == len(report.positions)
        for position, algo in zip(report.positions, algos, strict=True):
            leg = position.legs[0]
            assert Decimal(str(leg.stop_price)) == Decimal(algo["slTriggerPx"])
        assert [i for i in self.desk.journal.unsettled() if i.purpose is not Purpose.PROTECT] == []
        if not report.positions:
            nets = [record.close.net_usdt for record in self.desk.journal.closed_positions() if record.close]
            if None not in nets:
                assert sum(nets, Decimal(0)) == self.okx.cash - 10_000

    def everything_is_protected(self) -> None:
        """After a look at a venue that answers, what is held is covered by stops on the closing side."""
        size = self.okx.size(BTC)
        algos = [a for a in self.okx.live_algos(BTC) if a["side"] == ("sell" if size > 0 else "buy")]
        assert sum((Decimal(a["sz"]) for a in algos), Decimal(0)) >= abs(size)

    @invariant()
    def never_more_than_was_wanted(self) -> None:
        resting = sum((Decimal(o["sz"]) - Decimal(o["accFillSz"]) for o in self.okx.resting()), Decimal(0))
        assert abs(self.okx.size(BTC)) <= WANTED
        assert resting <= WANTED
        assert len(self.okx.resting()) <= 1
        for position_id in {i.position_id for i in self.desk.journal.filled_entries_without_position()} | {
            record.position.position_id for record in self.desk.journal.open_positions()
        }:
            ids = {i.client_order_id for i in self.desk.journal.intents(position_id, purpose=Purpose.ENTRY)}
            filled = sum((Decimal(f["fillSz"]) for f in self.okx.fills if f["clOrdId"] in ids), Decimal(0))
            assert filled + resting <= WANTED

    @invariant()
    def what_rests_has_a_timer(self) -> None:
        """A limit order is never left to itself: the venue ends it within the time, whatever becomes of us."""
        for order in self.okx.resting():
            assert self.okx.timers[order["tag"]] - self.okx.now_ms <= TERMS.cancel_after_s * 1000


TestLimitTrading = LimitTrading.TestCase
TestLimitTrading.settings = settings(
    max_examples=examples(40),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
