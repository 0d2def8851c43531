"""The trading process that is killed: opened as `serve` opens it, and led through the steps of one phase.

Opening, journal, supervisor, watch, reconciliation, execution, cycle and the client of the venue are the product's.
What the script stands in for are features and model: `ScriptedCycle` decides what the step says. A process that comes
back takes up the last decision as the loop does, and decides only what it had not written down.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pairity.margin import MarginMode
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity.strategy.types import (
    Action,
    Decision,
    Entry,
    Exit,
    ExitReason,
    LegOrder,
    PairAssessment,
    Side,
    StopRule,
    StrategyState,
)
from pairity.universe import Pair, exact, inst_id
from serving.cycle import Cycle
from serving.execution.okx import OkxVenue
from serving.journal import DecisionRecord, Run, decision_id
from serving.opening import Opening, read_stakes
from serving.parts import GuardParts, Parts
from serving.presence import Presence
from serving.report import Reporter
from serving.risk import Mode
from serving.watch import Watch as VenueWatch
from tests.e2e.crash_matrix.boundaries import Boundaries
from tests.e2e.crash_matrix.script import FIRST, LAG, SECOND, Decide, Phase, Watch
from tests.paper_exchange.paper_keys import exchange_at
from venue.okx_client import aclose, make_client

Legs = Literal["base", "both", "isolated"]
"""One leg or two in cross margin, or two in isolated margin."""
ASSETS = (*FIRST, *SECOND)
NOTIONAL = Decimal(1000)
REFERENCE_OFF = 1.005
"""The decision's price is off by that much: the stops that go with an order must be replaced after its fill."""
RULE = StopRule(None, None, (0.001, 0.10), (0.001, 0.15), 0.02, 0.03)


def make_settings(home: Path, url: str, legs: Legs) -> Settings:
    """Return the product's settings for a life on one exchange; it waits shorter than for a venue far away."""
    return Settings(
        home=home,
        universe={"assets": ASSETS},
        exchange=exchange_at(url, control_url=f"{url}/control", max_retries=1),
        strategy={
            "legs": "base" if legs == "base" else "both",
            "max_concurrent_positions": 2,
            "margin_mode": choose_margin(legs),
        },
        serve={"order_poll_s": 0.01},
    )


def choose_margin(legs: Legs) -> MarginMode:
    """Return the margin mode of a kind of legs."""
    return MarginMode.ISOLATED if legs == "isolated" else MarginMode.CROSS


class ScriptedCycle(Cycle):
    """Cycle whose features are always there, and whose decision is the script's."""

    def __init__(self, parts: Parts, watch: VenueWatch, reporter: Reporter) -> None:
        super().__init__(parts, watch, reporter)
        self.decision: Decision | None = None

    async def _ingest(self, _close: datetime) -> tuple[list[str], bool]:
        return [], True

    def _follow_champion(self) -> list[str]:
        return []

    def _decide(self, close: datetime, *_given: Any) -> tuple[DecisionRecord, None]:
        journal = self._parts.journal
        name = decision_id(journal.scope, close)
        if (known := journal.decision(name)) is not None:
            return known, None
        assert self.decision is not None
        record = DecisionRecord(
            decision_id=name,
            run_id=self._parts.run_id,
            decision_time=self._parts.clock.now(),
            event_timestamp=close,
            feature_service="scripted",
            model_name="scripted",
            model_version="1",
            model_sha256="m" * 64,
            decision=self.decision,
        )
        journal.record_decision(record, [])
        return record, None

    async def _work_after(self, *_given: Any) -> None:
        pass


async def live(phase: Phase, home: Path, url: str, legs: Legs, boundaries: Boundaries) -> None:
    """Live one phase, or what is left of it; boundaries count from the start of the process on."""
    boundaries.begin("opening")
    settings = make_settings(home, url, legs)
    async with contextlib.AsyncExitStack() as stack:
        client = make_client(settings, signed=True)
        stack.push_async_callback(aclose, client)
        venue = OkxVenue(client, retries=settings.exchange.max_retries)
        opening = Opening(settings, Mode.PAPER, SilentProgress(), stack, venue, Presence(settings, "paper"))
        guard = await opening.open_guard(read_stakes(home / "journal.db"))
        guard.executor.desk.pace = replace(guard.executor.desk.pace, settle_s=0.05)
        parts = _make_parts(guard)
        watch, reporter = VenueWatch(parts), Reporter(parts)
        cycle = ScriptedCycle(parts, watch, reporter)
        boundaries.begin("coming back")
        await cycle.resume()
        for step in phase.steps:
            if isinstance(step, Watch):
                boundaries.begin("watch")
                for instant in step.instants:
                    if instant >= parts.clock.now():
                        await parts.clock.sleep_until(instant)
                        await watch.look()
            elif parts.journal.decision(decision_id(parts.journal.scope, step.close)) is not None or (
                parts.clock.now() > step.close + LAG
            ):
                boundaries.begin("watch")
                await watch.look()
            else:
                boundaries.begin("decision")
                await parts.clock.sleep_until(step.close + LAG)
                cycle.decision = await _make_decision(step, parts, legs)
                await cycle.run(step.close)
        boundaries.begin("ending")


def _make_parts(guard: GuardParts) -> Parts:
    """Return the parts of a process whose features and model are the script's."""
    run = Run("run", guard.clock.now(), "paper", "s" * 64, "scripted", "1", "m" * 64, "code")
    if guard.journal.run(run.run_id) is None:
        guard.journal.record_run(run)
    scripted: Any = None
    return Parts(
        **{name: getattr(guard, name) for name in GuardParts.__dataclass_fields__},
        data=scripted,
        champion=scripted,
        shadow=None,
        run_id=run.run_id,
    )


async def _make_decision(step: Decide, parts: Parts, legs: Legs) -> Decision:
    """Return the decision of a step, sized at the venue's prices of now."""
    wanted = {Pair(*names).pair_id for names in step.closes}
    exits = tuple(
        Exit(record.position.position_id, ExitReason.Z_CROSS)
        for record in parts.journal.open_positions()
        if record.position.pair.pair_id in wanted
    )
    assert len(exits) == len(step.closes), "a step closes what an earlier one opened"
    made = [await _make_entry(Pair(*names), step.close, parts, legs) for names in step.opens]
    entries = tuple(entry for entry, _ in made)
    closed = (PairAssessment(Pair(*names), 0.0, 0.5, 0.0, "already held", 1.0) for names in step.closes)
    scores = (*(score for _, score in made), *closed)
    action = Action.SWITCH if exits and entries else Action.OPEN if entries else Action.CLOSE
    return Decision(action, "the script says so", scores, exits, entries, StrategyState(10_000.0))


async def _make_entry(pair: Pair, close: datetime, parts: Parts, legs: Legs) -> tuple[Entry, PairAssessment]:
    orders, worth = [], []
    for asset, side in zip(pair.assets, (Side.SELL, Side.BUY), strict=True):
        spec = parts.contracts[asset]
        price = await parts.executor.desk.venue.last_price(inst_id(asset))
        lots = NOTIONAL / spec.notional(spec.lot_sz, price)
        contracts = spec.lot_sz * max(lots.to_integral_value(), Decimal(1))
        reference = float(price) * REFERENCE_OFF
        orders.append(LegOrder(asset, side, contracts, reference, RULE))
        worth.append(spec.notional(contracts, exact(reference)))
    chosen = tuple(orders[:1] if legs == "base" else orders)
    name = f"{pair.pair_id}@{close:%Y%m%dT%H%MZ}"
    score = PairAssessment(pair, 1.7, 0.7, 1.05, None, float(worth[1] / worth[0]))
    return Entry(name, pair, -1, 1.7, 0.7, 1.05, chosen, margin_mode=choose_margin(legs)), score


def run_here(phase: Phase, home: Path, url: str, legs: Legs) -> None:
    """Live a phase undisturbed in this process."""
    asyncio.run(live(phase, home, url, legs, Boundaries()))
