"""Report of the trading process: counters for the end of the run, status for the API, messages for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from ingestion.report import Stopwatch
from pairity.errors import VenueError
from pairity.number_formats import format_count
from pairity.strategy.codec import position_to_json
from pairity.timeline import format_instant
from pairity.universe import inst_id
from serving.announcing import describe_decision
from serving.journal import BookRecord, DecisionRecord, TradingState
from serving.journal.event_records import Severity
from serving.models.scoring import ModelRef
from serving.parts import GuardParts

DECISION = "decision"


@dataclass
class ServeReport:
    """What one run of the process did. `actions` counts decisions by action."""

    cycles: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    first_equity: float | None = None
    last_equity: float | None = None
    blind: int = 0
    """Decisions at which not one pair had fresh features."""
    spent: Stopwatch = field(default_factory=Stopwatch)
    """Seconds of all decisions together: of each step, the pipeline's among them, and whole as `DECISION`."""
    journal_s: float = 0.0
    """Seconds of the wall clock inside the journal's transactions, decisions or not."""


class Reporter:
    """Reporter of one run: keeps its report and the status up to date, and says every problem."""

    def __init__(self, parts: GuardParts) -> None:
        self._parts = parts
        self.report = ServeReport()

    async def report_decision(self, record: DecisionRecord, problems: list[str]) -> None:
        """Update status and counters after a decision, with the account as the venue shows it, and say the problems."""
        status, decision = self._parts.status, record.decision
        self.report.actions[str(decision.action)] += 1
        self._parts.metrics.count_decision(record)
        status.cycles += 1
        status.decision_time = record.decision_time.isoformat()
        status.event_timestamp = record.event_timestamp.isoformat()
        status.action, status.reason = str(decision.action), decision.reason
        status.unusable = {s.pair.pair_id: s.rejected for s in decision.scores if s.rejected and s.probability is None}
        # In a halt no pair is usable, whatever the features are.
        self._parts.sightings.blind = None
        if len(status.unusable) == len(decision.scores) and self._parts.supervisor.state is not TradingState.HALTED:
            self.report.blind += 1
            stale = Counter(status.unusable.values()).most_common(1)
            blind = f"nothing can be traded on: {stale[0][0]} for {format_count(stale[0][1], 'pair')}"
            self._parts.sightings.blind = blind
            problems.append(blind)
        status.positions = [json.loads(position_to_json(p.position)) for p in self._parts.journal.open_positions()]
        await self._note_balance(problems)
        self._parts.progress.say(describe_decision(record))
        self.replace_problems(problems)

    async def report_book(
        self, record: DecisionRecord, book: BookRecord, held: Mapping[str, Decimal], problems: list[str]
    ) -> None:
        """Do for a decision of a book what `report_decision` does; `held` are contracts by instrument."""
        status, decision = self._parts.status, record.decision
        self.report.actions[str(decision.action)] += 1
        self._parts.metrics.count_decision(record)
        status.cycles += 1
        status.decision_time = record.decision_time.isoformat()
        status.event_timestamp = record.event_timestamp.isoformat()
        status.action, status.reason = str(decision.action), decision.reason
        self._parts.sightings.blind = None
        status.positions = [
            {
                "name": one.name,
                "contracts": str(held.get(inst_id(one.name), Decimal(0))),
                "wanted_contracts": str(one.contracts),
                "weight": one.weight,
                "target": one.target,
                "cause": one.cause,
            }
            for one in book.names
        ]
        await self._note_balance(problems)
        self._parts.progress.say(f"{record.event_timestamp:%Y-%m-%d %H:%M}  {decision.action}: {decision.reason}")
        self.replace_problems(problems)

    async def _note_balance(self, problems: list[str]) -> None:
        """Note the account as the venue shows it; that it cannot be read is a problem."""
        status = self._parts.status
        try:
            balance = await self._parts.executor.desk.venue.balance()
        except VenueError as error:
            problems.append(f"the balance cannot be read: {error.what}")
        else:
            status.equity_usdt, status.available_usdt = float(balance.equity), float(balance.available)
            self.report.last_equity = status.equity_usdt
            if self.report.first_equity is None:
                self.report.first_equity = status.equity_usdt

    def report_skipped(self, close: datetime, reason: str) -> None:
        """Report a try without a decision: nothing can be decided without the venue's word, and without features."""
        self._parts.status.action, self._parts.status.reason = "skipped", reason
        self.replace_problems([f"no decision on {format_instant(close)}: {reason}"])

    def replace_problems(self, problems: list[str]) -> None:
        """Make these the problems of the status, and say them."""
        self._parts.status.problems = []
        self.add_problems(problems)

    def add_problems(self, problems: list[str]) -> None:
        """Add problems to those of the status, and say them."""
        self._parts.status.problems = [*self._parts.status.problems, *problems]
        self.report.problems += problems
        self._parts.events.record_new("problem", Severity.WARNING, self._parts.status.problems)
        for problem in problems:
            self._parts.progress.say(problem)


def describe_model(model: ModelRef) -> dict[str, str]:
    """Return a model as the status shows it."""
    return {
        "name": model.name,
        "version": model.version,
        "run_id": model.run_id,
        "sha256": model.sha256,
        "snapshot_id": model.snapshot_id,
        "train_end": model.train_end,
    }
