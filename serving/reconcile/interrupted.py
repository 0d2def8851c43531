"""Orders that were under way when a process ended, or whose outcome the venue did not say: brought to their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pairity.errors import JournalError, OrderUnknownError
from pairity.settings import Settings
from pairity.strategy.types import Entry
from serving.execution.entry_intents import POST_ONLY
from serving.execution.executor import Executor
from serving.execution.exits import UNPROTECTED
from serving.journal import DecisionRecord, Intent, IntentState, Purpose
from serving.reconcile.report import ReconcileReport
from serving.reconcile.spaced_exits import SpacedExits


class InterruptedOrders:
    """Entries and exits that the journal knows as begun and not as ended."""

    def __init__(self, executor: Executor, settings: Settings, exits: SpacedExits) -> None:
        self._executor = executor
        self._exits = exits
        self._desk = executor.desk
        self._journal = executor.desk.journal
        self._entry_limit = timedelta(seconds=settings.serve.order_deadline_s)

    async def settle_entries(self, report: ReconcileReport) -> None:
        """Learn what became of entries in doubt; an entry that never left is given up once its moment is over."""
        by_limit = self._find_limit_entries()
        for before in self._journal.unsettled():
            if before.purpose is not Purpose.ENTRY or before.position_id in by_limit:
                continue
            try:
                intent = await self._settle(before)
            except OrderUnknownError as error:
                report.unresolved.append(before.client_order_id)
                report.problems.append(error.what)
                continue
            self._give_up_if_late(intent, report)
            if intent.state is not before.state:
                report.settled.append(f"{before.client_order_id}: {before.state} → {intent.state}")

    async def complete_entries(self, report: ReconcileReport, *, allowed: bool) -> None:
        """Complete entries that were filled before the process ended: their positions exist on the venue.

        Those that wait for a limit order take their next step; with `allowed` False it is cancelled.
        """
        by_limit = self._find_limit_entries()
        waiting = by_limit | {intent.position_id: intent for intent in self._journal.filled_entries_without_position()}
        for record in self._journal.open_positions():
            # Without stops: the process ended between journalling the position and computing them.
            if any(leg.stop_price is None for leg in record.position.legs):
                for intent in self._journal.intents(record.position.position_id, purpose=Purpose.ENTRY):
                    waiting[intent.position_id] = intent
        for position_id, intent in waiting.items():
            intents = self._journal.intents(position_id, purpose=Purpose.ENTRY)
            in_doubt = any(not (known.state.final or known.state is IntentState.INTENDED) for known in intents)
            if in_doubt and position_id not in by_limit:
                continue  # unresolved, and reported as such
            entry, decision = self._find_entry(intent)
            try:
                opened = await self._executor.entries.go_on(entry, decision, allowed=allowed)
            except OrderUnknownError as error:
                report.unresolved.append(intent.client_order_id)
                report.problems.append(error.what)
                continue
            report.problems += opened.problems
            if opened.rests:
                report.resting.append(position_id)
            elif opened.position is None and position_id in by_limit:
                report.problems.append(f"{position_id} was not opened: {opened.reason}")
            if opened.position is not None:
                report.opened.append(position_id)

    async def resume_exits(self, report: ReconcileReport, *, decided: bool) -> None:
        """Finish exits that were begun, and those that the last decision asked for (`decided`): the decision stands."""
        last = self._journal.last_decision() if decided else None
        wanted = {} if last is None else {exit_.position_id: str(exit_.reason) for exit_ in last.decision.exits}
        for record in self._journal.open_positions():
            name = record.position.position_id
            exits = self._journal.intents(name, purpose=Purpose.EXIT)
            if exits:
                reason = self._find_exit_reason(exits[-1])
                await self._exits.close(record.position, reason, exits[-1].decision_id, report)
            elif name in wanted and last is not None:
                await self._exits.close(record.position, wanted[name], last.decision_id, report)

    def _find_limit_entries(self) -> dict[str, Intent]:
        """Return, by position, an order of each entry that began with a limit order and is not at its end."""
        found: dict[str, Intent] = {}
        for intent in self._journal.unsettled():
            attached = intent.purpose is Purpose.PROTECT and intent.state is IntentState.INTENDED
            if not (attached or intent.purpose is Purpose.ENTRY):
                continue
            entries = self._journal.intents(intent.position_id, purpose=Purpose.ENTRY)
            if not any(known.order_type == POST_ONLY for known in entries):
                continue
            if intent.purpose is Purpose.ENTRY:
                found[intent.position_id] = intent
            elif (ended := _find_unfollowed(intent, entries)) is not None:
                found.setdefault(intent.position_id, ended)
        return found

    async def _settle(self, intent: Intent) -> Intent:
        """Return the intent at its end, or `intended` where the venue never had it."""
        if intent.state in (IntentState.SENT, IntentState.UNKNOWN):
            intent = await self._desk.settle(intent)
        if intent.state is IntentState.ACKNOWLEDGED:
            intent = await self._desk.carry_out(intent)
        return intent

    def _give_up_if_late(self, intent: Intent, report: ReconcileReport) -> None:
        """Cancel an entry that was decided long ago and never sent: the market has moved on."""
        now = self._desk.clock.now()
        if intent.state is IntentState.INTENDED and now - intent.created_at > self._entry_limit:
            self._journal.advance(intent.client_order_id, IntentState.CANCELLED, now, "never sent, and too late now")
            report.settled.append(f"{intent.client_order_id}: given up")
        known = self._journal.intent(intent.client_order_id)
        if known is not None and known.state.final and not known.filled_contracts:
            self._executor.protection.protector.withdraw(intent, now, "the entry was not filled")

    def _find_entry(self, intent: Intent) -> tuple[Entry, DecisionRecord]:
        """Return the entry that an intent belongs to, and its decision; JournalError where the journal has neither."""
        decision = None if intent.decision_id is None else self._journal.decision(intent.decision_id)
        entries = () if decision is None else decision.decision.entries
        entry = next((item for item in entries if item.position_id == intent.position_id), None)
        if entry is None or decision is None:
            raise JournalError(
                f"order {intent.client_order_id} was filled, but no decision in the journal opens {intent.position_id}",
                "close the position on the venue by hand",
            )
        return entry, decision

    def _find_exit_reason(self, intent: Intent) -> str:
        """Return the reason with which an exit was journalled; where older ones have none, the decision's."""
        if reason := self._journal.events(intent.client_order_id)[0].answer:
            return reason
        decision = None if intent.decision_id is None else self._journal.decision(intent.decision_id)
        exits = () if decision is None else decision.decision.exits
        return next((str(item.reason) for item in exits if item.position_id == intent.position_id), UNPROTECTED)


def _find_unfollowed(attached: Intent, entries: Sequence[Intent]) -> Intent | None:
    """Return the limit order that ended unfilled and which nothing has followed yet, by what was attached to it."""
    newest = max((known for known in entries if known.leg == attached.leg), key=lambda known: known.attempt)
    unfollowed = newest.order_type == POST_ONLY and newest.state.final and newest.filled_contracts == 0
    return newest if unfollowed and newest.attempt == attached.attempt else None
