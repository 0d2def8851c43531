"""One cycle of the trading loop: from a closed bar to a decision that is carried out.

Reconcile with the venue → one more bar through the ingestion pipeline → read online features → check that they are of
this very bar → score → decide → journal → exits → entries. Backtest and replay differ from this only in who calls.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import polars as pl

from feature_repo import feature_store
from feature_repo.catalog import ASSET_HOURLY, EVENT_TIME, MARKET_STATE, PAIR_HOURLY, Service
from pairity.errors import TradingError, VenueError
from pairity.layout import Layout
from pairity.strategy.types import Decision
from pairity.timeline import HOUR, MINUTE, month_start
from serving.decision import DecisionInputs, make_decision
from serving.execution.venue_records import Balance
from serving.journal import DecisionRecord, FeatureVector, decision_id
from serving.market_view import make_asset_views, make_market_view
from serving.parts import Parts
from serving.reconcile import Reconciler, ReconcileReport
from serving.report import Reporter, describe_model
from validation.quarantine import Quarantine


class Cycle:
    """Cycle of the loop; it keeps whether the features have caught up with the present."""

    def __init__(self, parts: Parts, reporter: Reporter) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._reporter = reporter
        self._reconciler = Reconciler(parts.executor, parts.settings)
        self._caught_up = False

    async def run(self, close: datetime) -> DecisionRecord | None:
        """Decide on the bar that closed at `close`, and carry it out; None where the venue could not be read."""
        problems: list[str] = []
        spent = self._reporter.report.spent
        try:
            # First: positions and available balance are inputs of the decision.
            with spent.stage("reconcile"):
                reconciled = await self._reconciler.run()
                balance = await self._parts.executor.desk.venue.balance()
        except VenueError as error:
            self._reporter.report_skipped(close, error)
            return None
        problems += reconciled.problems
        problems += await self._ingest(close)
        problems += self._follow_champion()
        lag = timedelta(seconds=self._settings.features.decision_lag_s)
        await self._parts.clock.sleep_until(close + lag)
        with spent.stage("decide"):
            record, inputs = self._decide(close, reconciled, balance)
        with spent.stage("carry out"):
            problems += await self._carry_out(record)
        await self._reporter.report_decision(record, problems)
        # Last: nothing that the challenger needs may delay an order.
        if self._parts.shadow is not None and inputs is not None:
            self._reporter.add_problems(self._parts.shadow.follow(record, inputs, self._parts.champion.ref))
        # In a thread: reconciliation and the page go on meanwhile, and the next hour is far away.
        self._reporter.add_problems(await asyncio.to_thread(self._parts.ingest.work_ahead, close))
        return record

    async def resume(self) -> None:
        """Carry out what the last decision of an earlier process still asks for, while it is young."""
        reconciled = await self._reconciler.run()
        problems = list(reconciled.problems)
        last = self._parts.journal.last_decision()
        young = timedelta(seconds=self._settings.serve.order_deadline_s)
        if last is not None and self._parts.clock.now() - last.decision_time <= young and not reconciled.unresolved:
            problems += await self._carry_out(last)
        self._reporter.replace_problems(problems)

    async def _ingest(self, close: datetime) -> list[str]:
        """Ingest one more bar; the first time everything since the chunk's start, holes included. Returns problems."""
        since = close - HOUR - MINUTE
        if not self._caught_up:
            since = month_start(close - MINUTE) - max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
        try:
            report = await self._parts.ingest.run(since, close, live=True)
        except VenueError as error:
            return [f"no new data for {close.isoformat()}: {error.what}"]
        self._caught_up = True
        self._reporter.report.spent.add(report.stage_seconds, report.stage_cpu_seconds)
        failures = [f"{failure.asset}: {failure.reason}" for failure in report.failures]
        return failures + [
            f"quarantined {item.stage} {item.key}: {', '.join(item.rules)}" for item in report.quarantined
        ]

    def _follow_champion(self) -> list[str]:
        """Take over a promotion or rollback since the last decision; it counts from this one on. Returns problems."""
        champion, before = self._parts.champion, self._parts.champion.ref
        problems = champion.follow()
        if champion.ref.key != before.key:
            self._parts.status.model = describe_model(champion.ref)
            self._parts.progress.say(f"version {champion.ref.version} is champion now, before it {before.version}")
        return problems

    def _decide(
        self, close: datetime, reconciled: ReconcileReport, balance: Balance
    ) -> tuple[DecisionRecord, DecisionInputs | None]:
        """Read, score, decide and journal; return the record and what it was made on.

        A bar that was decided before keeps its decision, and has no inputs.
        """
        parts, settings = self._parts, self._settings
        known = parts.journal.decision(decision_id(parts.journal.scope, close))
        if known is not None:
            return known, None
        service, pairs = parts.champion.ref.service, settings.universe.pairs
        pair_rows = feature_store.read_online(parts.store, service.name, [pair.pair_id for pair in pairs])
        asset_rows = feature_store.read_online(parts.store, MARKET_STATE.name, settings.universe.assets)
        decision_time = parts.clock.now()
        views = make_asset_views(asset_rows, settings.universe.assets, parts.contracts, close)
        inputs = DecisionInputs(
            event_timestamp=close,
            pair_rows=pair_rows,
            market=make_market_view(pair_rows, views, decision_time, close),
            state=parts.journal.restore_state(float(balance.available)),
            withheld=Quarantine.read(Layout.of(settings)).explain_withheld(close, close - HOUR),
            suspended=_describe_unresolved(reconciled) or parts.champion.suspended,
        )
        record = self._make_record(close, decision_time, make_decision(parts.champion.scorer, inputs, settings))
        vectors = [
            *_make_vectors(record.decision_id, service, "pair_id", pair_rows),
            *_make_vectors(record.decision_id, MARKET_STATE, "asset", asset_rows),
        ]
        parts.journal.record_decision(record, vectors)
        return record, inputs

    def _make_record(self, close: datetime, decision_time: datetime, decision: Decision) -> DecisionRecord:
        model = self._parts.champion.ref
        return DecisionRecord(
            decision_id=decision_id(self._parts.journal.scope, close),
            run_id=self._parts.run_id,
            decision_time=decision_time,
            event_timestamp=close,
            feature_service=model.service.name,
            model_name=model.name,
            model_version=model.version,
            model_sha256=model.sha256,
            decision=decision,
        )

    async def _carry_out(self, record: DecisionRecord) -> list[str]:
        """Carry out exits, then entries; return problems. What the venue leaves open is taken up by reconciliation."""
        executor, journal = self._parts.executor, self._parts.journal
        problems: list[str] = []
        for exit_ in record.decision.exits:
            held = journal.position(exit_.position_id)
            if held is None or held.close is not None:
                continue
            try:
                closed = await executor.close(held.position, str(exit_.reason), record.decision_id)
            except (VenueError, TradingError) as error:
                # No entries after a failed exit: those of a switch count on the place and the balance that it frees.
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


def _describe_unresolved(reconciled: ReconcileReport) -> str | None:
    """Return why nothing may be opened: the outcome of an order is unknown. None where all are known."""
    return f"the outcome of order {reconciled.unresolved[0]} is unknown" if reconciled.unresolved else None


def _make_vectors(decision: str, service: Service, entity: str, rows: pl.DataFrame) -> list[FeatureVector]:
    names = service.features
    return [
        FeatureVector(
            decision_id=decision,
            service=service.name,
            entity=name,
            event_timestamp=event,
            values=dict(zip(names, values, strict=True)),
        )
        for name, event, values in zip(
            rows[entity].to_list(), rows[EVENT_TIME].to_list(), rows.select(names).rows(), strict=True
        )
    ]
