"""A trading process without its loop: journal, desk and executor over the tiny exchange, and decisions to carry out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pairity.margin import MarginMode
from pairity.settings import Settings, StrategySettings
from pairity.strategy.types import (
    Action,
    Decision,
    Entry,
    Exit,
    ExitReason,
    LegOrder,
    PairPosition,
    Side,
    StopRule,
    StrategyState,
)
from pairity.timeline import from_ms
from pairity.trading_settings import ServeSettings
from pairity.universe import ContractSpec, Pair
from serving.execution.executor import Executor
from serving.execution.limit_entries import LimitTerms
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk, no_checkpoint
from serving.execution.pace import Pace
from serving.journal import DecisionRecord, Journal, Run, decision_id
from serving.reconcile import Reconciler
from tests.serving.tiny_client import TinyClient
from tests.serving.tiny_okx import TinyOkx

T0 = datetime(2025, 3, 18, 17, tzinfo=UTC)
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
SPECS = {
    "BTC": ContractSpec(BTC, Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal("0.1"), Decimal(100)),
    "ETH": ContractSpec(ETH, Decimal("0.1"), Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(100)),
}
RULE = StopRule(2400.0, 3200.0, (0.02, 0.10), (0.02, 0.15), 0.06, 0.05)
RUN = Run("r1", T0, "paper", "s" * 64, "pair_forest", "1", "m" * 64, "abc")


class VenueClock:
    """The venue's time; nobody sleeps on it here."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now

    async def sleep_until(self, instant: datetime) -> None:
        raise AssertionError("execution waits in real seconds, never on the venue's clock")


class FastTime:
    """Real seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def sleep(self, seconds: float) -> None:
        self.seconds += max(seconds, 0.001)
        await asyncio.sleep(0)

    def monotonic(self) -> float:
        return self.seconds


def entry(
    side: Side = Side.SELL,
    contracts: str = "1.25",
    reference: float = 80000.0,
    asset: str = "BTC",
    margin: MarginMode = MarginMode.CROSS,
) -> Entry:
    pair = Pair(asset, "SOL")
    leg = LegOrder(asset, side, Decimal(contracts), reference, RULE)
    name = f"{pair.pair_id}@20250318T1700Z"
    return Entry(name, pair, side.sign, -side.sign * 1.7, 0.6, 1.02, (leg,), margin_mode=margin)


def decision_of(
    *entries: Entry, exits: tuple[Exit, ...] = (), at: datetime = T0, scope: str = "test"
) -> DecisionRecord:
    action = Action.OPEN if entries else Action.CLOSE if exits else Action.HOLD
    outcome = Decision(action, "because", (), exits, entries, StrategyState(10_000.0))
    return DecisionRecord(
        decision_id(scope, at), RUN.run_id, at, at, "pair_model_v1", "pair_forest", "1", "m" * 64, outcome
    )


class Desk:
    """One trading process over a venue's client; `restart` is what a new process would build."""

    def __init__(
        self,
        path: Path,
        client: Any,
        now: Callable[[], datetime],
        pace: Pace | None = None,
        checkpoint: Callable[[str], None] = no_checkpoint,
        adopt: bool = False,
        limits: LimitTerms | None = None,
        scope: str = "test",
        margin: MarginMode = MarginMode.CROSS,
        leverage: int = 1,
    ) -> None:
        self.journal = Journal.open(path, scope=scope, durable=False)
        time = FastTime()
        self.pace = pace or Pace(poll_s=0.1, sleep=time.sleep, monotonic=time.monotonic)
        self.venue = OkxVenue(client, retries=1)
        self.orders = OrderDesk(self.venue, self.journal, VenueClock(now), self.pace, checkpoint)
        self.executor = Executor(self.orders, dict(SPECS), leverage=leverage, limit_terms=limits)
        self.settings = Settings(
            serve=ServeSettings(adopt_positions=adopt), strategy=StrategySettings(margin_mode=margin)
        )
        self.reconciler = Reconciler(self.executor, self.settings)

    def decide(self, *entries: Entry, exits: tuple[Exit, ...] = (), at: datetime = T0) -> DecisionRecord:
        if self.journal.run(RUN.run_id) is None:
            self.journal.record_run(RUN)
        record = decision_of(*entries, exits=exits, at=at)
        self.journal.record_decision(record, [])
        return record


def desk_on(tiny: TinyOkx, path: Path, **options: Any) -> Desk:
    return Desk(path, TinyClient(tiny), lambda: from_ms(tiny.now_ms), **options)


async def opened(desk: Desk, wanted: Entry | None = None) -> PairPosition:
    wanted = wanted or entry()
    outcome = await desk.executor.open(wanted, desk.decide(wanted))
    assert outcome.position is not None, outcome
    assert not outcome.problems, outcome
    return outcome.position


def exit_of(position: PairPosition) -> tuple[Exit, ...]:
    return (Exit(position.position_id, ExitReason.Z_CROSS),)
