"""One cycle of the trading loop: from a closed bar to a decision that is carried out.

Look at the venue (reconciliation) → one more bar through the ingestion pipeline → read online features → check that
they are of this very bar → score → decide → journal → exits → entries. Backtest and replay differ only in who calls.
Whatever fails on this way is a cause of guarding (`serving.supervisor`): it never ends the process.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from feature_repo.catalog import ASSET_HOURLY, MARKET_STATE, PAIR_HOURLY
from pairity.errors import JournalError, TradingError, VenueError
from pairity.layout import Layout
from pairity.strategy.types import Decision
from pairity.timeline import HOUR, MINUTE, format_instant, month_start
from pairity.universe import short_name
from serving.decision import DecisionInputs, make_decision
from serving.error_states import describe, may_be_survived
from serving.execution.venue_records import Balance
from serving.journal import DecisionRecord, TradingState, decision_id
from serving.journal.event_records import Severity
from serving.limits import Drift
from serving.margin_mode import explain_entry
from serving.market_view import make_asset_views, make_market_view
from serving.models.following import follow_champion
from serving.parts import Parts
from serving.report import Reporter
from serving.sightings import DriftSighting
from serving.vectors import Archiving, make_vectors
from serving.watch import Watch
from validation.quarantine import Quarantine


class Cycle:
    """Cycle of the loop; it keeps whether the features have caught up with the present."""

    def __init__(self, parts: Parts, watch: Watch, reporter: Reporter) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._supervisor = parts.supervisor
        self._watch = watch
        self._reporter = reporter
        self._drift = Drift(Layout.of(parts.settings), parts.settings.limits)
        self._caught_up = False
        self._archive = Archiving(parts.journal, parts.clock, parts.settings.retention.feature_vectors_days)

    async def run(self, close: datetime, *, last_try: bool = True) -> DecisionRecord | None:
        """Decide on the bar that closed at `close`, and carry it out; None where that failed.

        `last_try`: without new data it decides all the same, so that positions without data are seen as such.
        """
        spent, supervisor = self._reporter.report.spent, self._supervisor
        # First: positions and available balance are inputs of the decision.
        with spent.stage("reconcile"):
            reconciled = await self._watch.look(deciding=True)
            balance: Balance | None = None
            if reconciled is not None:
                with supervisor.covering("balance"):
                    balance = await self._watch.measure()
        if reconciled is None or balance is None:
            self._skip(close)
            return None
        problems = list(reconciled.problems)
        failures, fresh = await self._ingest(close)
        if not fresh and not last_try:
            self._skip(close)
            return None
        problems += failures
        with supervisor.covering("champion"):
            problems += self._follow_champion()
        lag = timedelta(seconds=self._settings.features.decision_lag_s)
        record: DecisionRecord | None = None
        with supervisor.covering("decision"):
            await self._parts.clock.sleep_until(close + lag)
            with spent.stage("decide"):
                record, inputs = self._decide(close, balance)
        if record is None:
            self._skip(close)
            return None
        with spent.stage("carry out"), supervisor.covering("execution"):
            problems += await self._carry_out(record)
        with supervisor.covering("report"):
            await self._reporter.report_decision(record, problems)
        await self._work_after(record, inputs)
        self._parts.events.flush()
        return record

    async def resume(self) -> None:
        """Carry out what the last decision of an earlier process still asks for, while it is young."""
        reconciled = await self._watch.look()
        if reconciled is None:
            return
        problems = list(reconciled.problems)
        with self._supervisor.covering("execution"):
            last = self._parts.journal.last_decision()
            young = timedelta(seconds=self._settings.serve.order_deadline_s)
            if last is not None and self._parts.clock.now() - last.decision_time <= young:
                problems += await self._carry_out(last)
        self._reporter.replace_problems(problems)

    async def _work_after(self, record: DecisionRecord, inputs: DecisionInputs | None) -> None:
        """Do what may wait until the orders are out: nothing of it is a reason not to trade."""
        try:
            if self._parts.shadow is not None and inputs is not None:
                self._reporter.add_problems(self._parts.shadow.follow(record, inputs, self._parts.champion.ref))
            # In a thread: the page goes on meanwhile, and the next hour is far away.
            ahead = asyncio.to_thread(self._parts.data.work_ahead, record.event_timestamp)
            self._reporter.add_problems(await self._watch.look_while(ahead))
            self._archive.move_old()
        except BaseException as error:  # as in `Supervisor.covering`, for what is not worth guarding for
            if not may_be_survived(error):
                raise
            self._reporter.add_problems([f"work after the decision failed: {describe(error)}"])

    def _skip(self, close: datetime) -> None:
        self._reporter.report_skipped(close, self._supervisor.explain_refusal() or "the venue could not be read")

    async def _ingest(self, close: datetime) -> tuple[list[str], bool]:
        """Ingest one more bar; the first time everything since the chunk's start, holes included.

        Returns problems, and whether there is anything new to decide on.
        """
        since = close - HOUR - MINUTE
        if not self._caught_up:
            since = month_start(close - MINUTE) - max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
        report = None
        with self._supervisor.covering("data"):
            report = await self._watch.look_while(self._parts.data.run(since, close, live=True))
        if report is None:
            return [f"no new data for {format_instant(close)}: {self._supervisor.causes['data']}"], False
        self._caught_up = True
        self._reporter.report.spent.add(report.stage_seconds, report.stage_cpu_seconds)
        failures = [f"{failure.asset}: {failure.reason}" for failure in report.failures]
        failures += [f"quarantined {item.stage} {item.key}: {', '.join(item.rules)}" for item in report.quarantined]
        self._parts.events.record_new("data", Severity.WARNING, failures)
        return failures, True

    def _follow_champion(self) -> list[str]:
        """Take over a promotion or rollback since the last decision; return problems."""
        return follow_champion(self._parts, self._parts.champion)

    def _decide(self, close: datetime, balance: Balance) -> tuple[DecisionRecord, DecisionInputs | None]:
        """Read, score, decide and journal; return the record and what it was made on.

        A bar that was decided before keeps its decision, and has no inputs.
        """
        parts, settings = self._parts, self._settings
        known = parts.journal.decision(decision_id(parts.journal.scope, close))
        if known is not None:
            return known, None
        service, pairs = parts.champion.ref.service, settings.universe.pairs
        decision_time = parts.clock.now()
        names = [pair.pair_id for pair in pairs]
        pair_rows = parts.data.read_online(service.name, names, at=decision_time)
        asset_rows = parts.data.read_online(MARKET_STATE.name, settings.universe.traded, at=decision_time)
        views = make_asset_views(asset_rows, settings.universe.traded, parts.contracts, close)
        self._drift.seen = None  # what another reason keeps from being looked at was not seen
        inputs = DecisionInputs(
            event_timestamp=close,
            pair_rows=pair_rows,
            market=make_market_view(pair_rows, views, decision_time, close),
            state=parts.journal.restore_state(float(balance.available)),
            withheld=Quarantine.read(Layout.of(settings)).explain_withheld(close, close - HOUR),
            suspended=(
                self._supervisor.explain_refusal()
                or parts.champion.suspended
                or self._drift.find_refusal(parts.champion.ref, pair_rows)
            ),
            blocked={short_name(name): reason for name, reason in parts.executor.blocked.items()},
        )
        parts.sightings.drift = None if self._drift.seen is None else DriftSighting(close, *self._drift.seen)
        record = self._make_record(close, decision_time, make_decision(parts.champion.scorer, inputs, settings))
        vectors = [
            *make_vectors(record.decision_id, service, pair_rows),
            *make_vectors(record.decision_id, MARKET_STATE, asset_rows),
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
        # What persons ask for is taken up before each step: the one before it may have taken minutes.
        self._watch.take_requests()
        if self._supervisor.state is TradingState.HALTED:
            return [f"nothing is carried out: {self._supervisor.explain_refusal()}"]
        for exit_ in record.decision.exits:
            self._watch.take_requests()
            if self._supervisor.state is TradingState.HALTED:
                return [*problems, f"{exit_.position_id} was not closed: {self._supervisor.explain_refusal()}"]
            held = journal.position(exit_.position_id)
            if held is None or held.close is not None:
                continue
            try:
                closed = await executor.close(held.position, str(exit_.reason), record.decision_id)
            except JournalError:
                raise
            except (VenueError, TradingError) as error:
                self._supervisor.guard("exits", error.what)
                # No entries after a failed exit: those of a switch count on the place and the balance that it frees.
                return [*problems, f"{exit_.position_id} is not closed yet: {error.what}"]
            problems += closed.problems
        return problems + await self._enter(record)

    async def _enter(self, record: DecisionRecord) -> list[str]:
        """Carry out the entries of a decision; return problems."""
        executor = self._parts.executor
        problems: list[str] = []
        if record.decision.exits and record.decision.entries:
            with self._supervisor.covering("balance"):
                await self._watch.measure()  # what the exits freed may be opened
        for entry in record.decision.entries:
            self._watch.take_requests()
            if refusal := self._supervisor.explain_refusal():
                self._parts.metrics.count_refused_entry(refusal)
                problems.append(f"{entry.position_id} was not opened: {refusal}")
                continue
            if other := explain_entry(entry, self._settings.strategy.margin_mode):
                self._parts.metrics.count_refused_entry(other)
                problems.append(f"{entry.position_id} was not opened: {other}")
                continue
            try:
                if beyond := await self._watch.limiter.find_refusal(entry):
                    self._parts.metrics.count_refused_entry(beyond)
                    problems.append(f"{entry.position_id} was not opened: {beyond}")
                    continue
                opened = await executor.open(entry, record)
            except JournalError:
                raise
            except (VenueError, TradingError) as error:
                problems.append(f"{entry.position_id} is not open yet: {error.what}")
                continue
            problems += opened.problems
            if opened.position is None and not opened.rests:
                self._parts.metrics.count_refused_entry(opened.reason)
                problems.append(f"{entry.position_id} was not opened: {opened.reason}")
        return problems
