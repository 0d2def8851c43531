"""The trading loop: one decision per closed bar.

Each cycle: reconcile with the venue → one more bar through the ingestion pipeline → read online features → check that
they are of this very bar → score → decide → journal → exits → entries. Backtest and replay differ from this only in
who calls.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_repo import feature_store
from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, MARKET_STATE, PAIR_HOURLY, Service
from pairity.errors import PairityError, TradingError, VenueError
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.strategy.codec import position_to_json
from pairity.strategy.types import Decision
from pairity.timeline import HOUR, MINUTE, Clock, ceil_to, month_start
from pairity.universe import ContractSpec
from serving.api import Status
from serving.decision import Seen, choose
from serving.execution.executor import Executor
from serving.execution.venue import Balance
from serving.journal.journal import Journal
from serving.journal.records import DecisionRecord, FeatureVector, decision_id
from serving.market_view import asset_views, market
from serving.models.champion import Champion
from serving.models.scoring import ModelRef
from serving.models.shadow import Shadow
from serving.reconcile import Reconciler, ReconcileReport
from serving.retraining import Retrainer
from serving.shutdown import unless_stopped
from validation.quarantine import explain_withheld

if TYPE_CHECKING:
    from feast import FeatureStore

    from ingestion.session import IngestSession


@dataclass
class ServeReport:
    """What one run of the process did. `actions` and `rejections` count decisions and reasons."""

    cycles: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    first_equity: float | None = None
    last_equity: float | None = None
    blind: int = 0
    """Decisions at which not one pair had fresh features."""


@dataclass(frozen=True)
class Parts:
    """Everything that the loop talks to; built once per process."""

    settings: Settings
    clock: Clock
    ingest: IngestSession
    store: FeatureStore
    champion: Champion
    shadow: Shadow | None
    retrainer: Retrainer | None
    executor: Executor
    journal: Journal
    specs: Mapping[str, ContractSpec]
    run_id: str
    status: Status
    progress: Progress


class TradingLoop:
    """Makes one decision per interval until it is told to stop; a cycle that has begun is always finished."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._interval = timedelta(minutes=parts.settings.serve.interval_minutes)
        self._reconciler = Reconciler(parts.executor, parts.settings)
        self._stop = asyncio.Event()
        self._caught_up = False
        self.report = ServeReport()

    def stop(self) -> None:
        """Finish the cycle that is running and end; positions stay, with their stops on the venue."""
        self._stop.set()

    async def run(self, cycles: int | None = None) -> ServeReport:
        """Trade `cycles` bars, or until stopped. Raises TradingError and others where going on would be unsafe."""
        parts = self._parts
        await self._resume()
        parts.progress.stage("decisions", cycles or 0)
        while not self._stop.is_set() and (cycles is None or self.report.cycles < cycles):
            close = ceil_to(parts.clock.now() + timedelta(microseconds=1), self._interval)
            parts.status.state = f"waiting for the bar that closes at {close:%Y-%m-%d %H:%M}"
            if not await self._waited_for(close + timedelta(seconds=self._settings.serve.grace_s)):
                break
            parts.status.state = "deciding"
            await self.cycle(close)
            self.report.cycles += 1
            parts.progress.advance(1, f"{close:%m-%d %H:%M} {parts.status.action or ''}")
        parts.status.state = "stopped"
        return self.report

    async def cycle(self, close: datetime) -> DecisionRecord | None:
        """One decision on the bar that closed at `close`; None where the venue could not be read."""
        problems: list[str] = []
        try:
            reconciled = await self._reconciler.run()
            balance = await self._parts.executor.desk.venue.balance()
        except VenueError as error:
            self._skipped(close, error)
            return None
        problems += reconciled.problems
        problems += await self._ingest(close)
        problems += self._follow_champion()
        lag = timedelta(seconds=self._settings.features.decision_lag_s)
        await self._parts.clock.sleep_until(close + lag)
        record, seen = self._decide(close, reconciled, balance)
        problems += await self._carry_out(record)
        await self._tell(record, problems)
        if self._parts.shadow is not None and seen is not None:
            self._note_more(self._parts.shadow.follow(record, seen, self._parts.champion.ref))
        return record

    async def _resume(self) -> None:
        """Carry out what the last decision of an earlier process still asks for, while it is young."""
        reconciled = await self._reconciler.run()
        problems = list(reconciled.problems)
        last = self._parts.journal.last_decision()
        young = timedelta(seconds=self._settings.serve.order_deadline_s)
        if last is not None and self._parts.clock.now() - last.decision_time <= young and not reconciled.unresolved:
            problems += await self._carry_out(last)
        self._note(problems)

    async def _ingest(self, close: datetime) -> list[str]:
        """One more bar through the pipeline; the first time everything since the chunk's start, holes included."""
        since = close - HOUR - MINUTE
        if not self._caught_up:
            since = month_start(close - MINUTE) - max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
        try:
            report = await self._parts.ingest.run(since, close, live=True)
        except VenueError as error:
            return [f"no new data for {close.isoformat()}: {error.what}"]
        self._caught_up = True
        failures = [f"{failure.asset}: {failure.reason}" for failure in report.failures]
        return failures + [
            f"quarantined {item.stage} {item.key}: {', '.join(item.rules)}" for item in report.quarantined
        ]

    def _follow_champion(self) -> list[str]:
        """A promotion or rollback since the last decision counts from this one on."""
        champion, before = self._parts.champion, self._parts.champion.ref
        problems = champion.follow()
        if champion.ref.key != before.key:
            self._parts.status.model = shown(champion.ref)
            self._parts.progress.say(f"version {champion.ref.version} is champion now, before it {before.version}")
        return problems

    def _decide(
        self, close: datetime, reconciled: ReconcileReport, balance: Balance
    ) -> tuple[DecisionRecord, Seen | None]:
        """Read, score, decide and journal; with what was seen. A bar that was decided before keeps its decision."""
        parts, settings = self._parts, self._settings
        known = parts.journal.decision(decision_id(parts.journal.scope, close))
        if known is not None:
            return known, None
        service, pairs = parts.champion.ref.service, settings.universe.pairs
        pair_rows = feature_store.read_online(parts.store, service.name, [pair.pair_id for pair in pairs])
        asset_rows = feature_store.read_online(parts.store, MARKET_STATE.name, settings.universe.assets)
        decision_time = parts.clock.now()
        views = asset_views(asset_rows, settings.universe.assets, parts.specs, close)
        seen = Seen(
            close,
            pair_rows,
            market(pair_rows, views, decision_time, close),
            parts.journal.restore_state(float(balance.available)),
            held_back=explain_withheld(Layout.of(settings), close, close - HOUR),
            barred=_unresolved(reconciled) or parts.champion.barred,
        )
        record = self._record(close, decision_time, choose(parts.champion.scorer, seen, settings))
        vectors = [
            *_vectors(record.decision_id, service, "pair_id", pair_rows),
            *_vectors(record.decision_id, MARKET_STATE, "asset", asset_rows),
        ]
        parts.journal.record_decision(record, vectors)
        return record, seen

    def _record(self, close: datetime, decision_time: datetime, decision: Decision) -> DecisionRecord:
        reference = self._parts.champion.ref
        return DecisionRecord(
            decision_id=decision_id(self._parts.journal.scope, close),
            run_id=self._parts.run_id,
            decision_time=decision_time,
            event_timestamp=close,
            feature_service=reference.service.name,
            model_name=reference.name,
            model_version=reference.version,
            model_sha256=reference.sha256,
            decision=decision,
        )

    async def _carry_out(self, record: DecisionRecord) -> list[str]:
        """Exits first, then entries. What the venue leaves open is a problem of the report; reconciliation goes on."""
        executor, journal = self._parts.executor, self._parts.journal
        problems: list[str] = []
        for exit_ in record.decision.exits:
            held = journal.position(exit_.position_id)
            if held is None or held.closing is not None:
                continue
            try:
                closed = await executor.close(held.position, str(exit_.reason), record.decision_id)
            except (VenueError, TradingError) as error:
                return [*problems, f"{exit_.position_id} is not closed yet: {error.what}"]
            problems += closed.problems
        for entry in record.decision.entries:
            try:
                opened = await executor.open(entry, record)
            except (VenueError, TradingError) as error:
                problems.append(f"{entry.position_id} is not open yet: {error.what}")
                continue
            problems += opened.problems
            if opened.position is None:
                problems.append(f"{entry.position_id} was not opened: {opened.reason}")
        return problems

    async def _tell(self, record: DecisionRecord, problems: list[str]) -> None:
        """Status, counters, messages."""
        status, decision = self._parts.status, record.decision
        self.report.actions[str(decision.action)] += 1
        status.cycles += 1
        status.decision_time = record.decision_time.isoformat()
        status.event_timestamp = record.event_timestamp.isoformat()
        status.action, status.reason = str(decision.action), decision.reason
        status.unusable = {s.pair.pair_id: s.rejected for s in decision.scores if s.rejected and s.probability is None}
        if len(status.unusable) == len(decision.scores):
            self.report.blind += 1
            stale = Counter(status.unusable.values()).most_common(1)
            problems.append(f"nothing can be traded on: {stale[0][0]} for {stale[0][1]} pairs")
        status.positions = [json.loads(position_to_json(p.position)) for p in self._parts.journal.open_positions()]
        try:
            balance = await self._parts.executor.desk.venue.balance()
        except VenueError as error:
            problems.append(f"the balance cannot be read: {error.what}")
        else:
            status.equity_usdt, status.available_usdt = float(balance.equity), float(balance.available)
            self.report.last_equity = status.equity_usdt
            if self.report.first_equity is None:
                self.report.first_equity = status.equity_usdt
        self._note(problems)

    def _skipped(self, close: datetime, error: PairityError) -> None:
        """Without the venue's word on positions and orders nothing can be decided; stops on the venue stay."""
        self.report.actions["skipped"] += 1
        self._parts.status.action, self._parts.status.reason = "skipped", error.what
        self._note([f"no decision on {close.isoformat()}: {error.what}"])

    def _note(self, problems: list[str]) -> None:
        self._parts.status.problems = []
        self._note_more(problems)

    def _note_more(self, problems: list[str]) -> None:
        self._parts.status.problems = [*self._parts.status.problems, *problems]
        self.report.problems += problems
        for problem in problems:
            self._parts.progress.say(problem)

    async def _waited_for(self, instant: datetime) -> bool:
        """Sleep, and start a retraining that falls due meanwhile; False if the process was told to stop."""
        retrainer = self._parts.retrainer
        while retrainer is not None and (due := retrainer.due()) <= instant:
            if not (await self._slept_until(due) and await unless_stopped(self._stop, retrainer.start(due))):
                return False
        return await self._slept_until(instant)

    async def _slept_until(self, instant: datetime) -> bool:
        """Sleep; False if the process was told to stop meanwhile."""
        return await unless_stopped(self._stop, self._parts.clock.sleep_until(instant))


def _unresolved(reconciled: ReconcileReport) -> str | None:
    """While the outcome of an order is unknown nothing may be opened."""
    return f"the outcome of order {reconciled.unresolved[0]} is unknown" if reconciled.unresolved else None


def shown(model: ModelRef) -> dict[str, str]:
    """A model as the status tells it."""
    return {"name": model.name, "version": model.version, "run_id": model.run_id, "sha256": model.sha256,
            "snapshot_id": model.snapshot_id, "train_end": model.train_end}  # fmt: skip


def _vectors(decision: str, service: Service, entity: str, rows: pl.DataFrame) -> list[FeatureVector]:
    return [
        FeatureVector(decision, service.name, row[entity], row[EVENT_TIME], {f: row[f] for f in service.features})
        for row in rows.iter_rows(named=True)
    ]
