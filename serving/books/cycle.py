"""One hour of a process that trades a book: data in, and at the family's hours a decision that is carried out.

Look at the venue (reconciliation takes a rebalance further) → one more bar through the ingestion pipeline → where it is
due: its features online → decide → journal → look again, which sends the first orders. A decision that
could not be made at its hour is made later, while it is young.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from feature_repo.catalog import ASSET_BOOKS, ASSET_HOURLY, PAIR_HOURLY
from pairity.books.decision import HeldBook
from pairity.books.present import PresentMarket
from pairity.errors import MissingDataError, VenueAnswerError, VenueError
from pairity.layout import Layout
from pairity.timeline import HOUR, MINUTE, floor_to, format_instant, month_start
from pairity.universe import exact, inst_id, short_name
from serving.books.deciding import decide, make_record
from serving.books.funding import collect_funding
from serving.books.members import find_left, list_past
from serving.books.online import read_market
from serving.books.parts import BookDesk, BookParts
from serving.error_states import describe, may_be_survived
from serving.execution.contracts import get_contract
from serving.execution.venue_records import Balance, VenuePosition
from serving.journal import BookRecord, DecisionRecord, TradingState, decision_id
from serving.journal.book_records import RealisedVolatility, WalkedMembers
from serving.journal.event_records import Severity
from serving.models.following import follow_champion
from serving.report import Reporter
from serving.vectors import Archiving
from serving.watch import Watch
from validation.quarantine import Quarantine

MOST_LATE = 3 * HOUR
"""A decision that is later than that is left out: the next one is made at its own hour."""


def find_first_needed(close: datetime) -> datetime:
    """Return since when raw data are needed for the features at `close`: of its month's chunk, and of the book's names.

    What is stored already is not fetched again.
    """
    chunk = month_start(close - MINUTE) - max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
    return min(chunk, close - ASSET_BOOKS.lookback)


class BookCycle:
    """Cycle of a book; it keeps up to which bar the features have caught up."""

    def __init__(self, parts: BookParts, desk: BookDesk, watch: Watch, reporter: Reporter) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._supervisor = parts.supervisor
        self._desk = desk
        self._watch = watch
        self._reporter = reporter
        self._caught_up: datetime | None = None
        self._archive = Archiving(parts.journal, parts.clock, parts.settings.retention.feature_vectors_days)
        self._every = timedelta(hours=parts.terms.family.every_hours)

    async def resume(self) -> None:
        """Take the last rebalance further, and make up for a decision that fell due while nobody was there."""
        reconciled = await self._watch.look()
        if reconciled is not None:
            self._reporter.replace_problems(list(reconciled.problems))
        now = self._parts.clock.now()
        due = floor_to(now, self._every)
        if self._is_due(due):
            await self.run(due)
        elif self._caught_up is None:
            # Now, and not after the close that is decided on: what arrives later than that counts for the next one.
            failures, _ = await self._ingest(floor_to(now, HOUR))
            self._reporter.add_problems(failures)

    async def run(self, close: datetime, *, last_try: bool = True) -> bool | None:
        """Take in the bar that closed at `close`, and decide where that is due; None where it failed.

        `last_try`: names without a bar at the close keep the others waiting no longer.
        """
        spent = self._reporter.report.spent
        with spent.stage("reconcile"):
            reconciled = await self._watch.look(deciding=True)
            balance: Balance | None = None
            if reconciled is not None:
                with self._supervisor.covering("balance"):
                    balance = await self._watch.measure()
        if reconciled is None or balance is None:
            self._skip(close)
            return None
        problems = list(reconciled.problems)
        problems += await self._collect_funding()
        due = floor_to(close, self._every)
        # A decision that is made up for is made online, too: nothing later than its bar comes in before it.
        owed = self._is_due(due) and self._supervisor.state is not TradingState.HALTED
        failures, fresh = await self._ingest(due if owed else close)
        if not fresh and not last_try:
            self._skip(close)
            return None
        if not self._is_due(due):
            # Nothing was to be decided on this bar: it counts as seen to.
            self._parts.status.event_timestamp = close.isoformat()
            self._reporter.replace_problems([*problems, *failures])
            return True
        if self._supervisor.state is TradingState.HALTED:
            refusal = self._supervisor.explain_refusal()
            self._reporter.report_skipped(due, str(refusal))
            return True
        if (champion := self._parts.champion) is not None:
            with self._supervisor.covering("champion"):
                problems += follow_champion(self._parts, champion)
            if champion.suspended is not None:
                self._reporter.report_skipped(due, champion.suspended)
                return True
        if not self._desk.reconciler.certain:
            self._skip(due)
            return None
        record: tuple[DecisionRecord, BookRecord] | None = None
        with self._supervisor.covering("decision"):
            await self._parts.clock.sleep_until(due + self._settings.features.decision_lag)
            with spent.stage("decide"):
                record = await self._decide(due, balance, last_try=last_try)
        if record is None:
            self._skip(due)
            return None
        with spent.stage("carry out"):
            carried = await self._watch.look()
        problems = [*failures, *([] if carried is None else carried.problems)]
        with self._supervisor.covering("report"):
            await self._reporter.report_book(*record, self._parts.journal.books.count_held(), problems)
        await self._work_after(due)
        self._parts.events.flush()
        return True

    async def _collect_funding(self) -> list[str]:
        """Journal what was settled since the last time; return what could not be read: it is asked for again."""
        parts = self._parts
        try:
            return await collect_funding(parts.executor.desk.venue, parts.journal, parts.clock.now())
        except VenueError as error:
            return [f"the funding of the book was not read: {error.what}"]

    async def _work_after(self, due: datetime) -> None:
        """Do what may wait until the orders are out: nothing of it is a reason not to trade."""
        try:
            ahead = asyncio.to_thread(self._parts.data.work_ahead, due)
            self._reporter.add_problems(await self._watch.look_while(ahead))
            self._archive.move_old()
        except BaseException as error:  # as in `Supervisor.covering`, for what is not worth guarding for
            if not may_be_survived(error):
                raise
            self._reporter.add_problems([f"work after the decision failed: {describe(error)}"])

    def _is_due(self, due: datetime) -> bool:
        """Return whether a decision hour lacks its decision, and may have one now: it is young.

        What a process is started for begins with the next hour of decision, not with one that has passed.
        """
        journal, now = self._parts.journal, self._parts.clock.now()
        if now - due > MOST_LATE or journal.decision(decision_id(journal.scope, due)) is not None:
            return False
        began = journal.first_run_at()
        return began is not None and began < due

    def _skip(self, close: datetime) -> None:
        reason = self._supervisor.explain_refusal() or "the venue or the data could not be read"
        self._reporter.report_skipped(close, reason)

    async def _ingest(self, close: datetime) -> tuple[list[str], bool]:
        """Ingest what closed since the last success; the first time all that a book looks back on.

        Returns problems, and whether there is anything new to decide on.
        """
        since = self._caught_up or find_first_needed(close)
        report = None
        with self._supervisor.covering("data"):
            report = await self._watch.look_while(
                self._parts.data.run(min(since, close - HOUR) - MINUTE, close, live=True)
            )
        if report is None:
            return [f"no new data for {format_instant(close)}: {self._supervisor.causes['data']}"], False
        self._caught_up = close
        self._reporter.report.spent.add(report.stage_seconds, report.stage_cpu_seconds)
        failures = [f"{failure.asset}: {failure.reason}" for failure in report.failures]
        failures += [f"quarantined {item.stage} {item.key}: {', '.join(item.rules)}" for item in report.quarantined]
        self._parts.events.record_new("data", Severity.WARNING, failures)
        return failures, True

    async def _decide(
        self, due: datetime, balance: Balance, *, last_try: bool
    ) -> tuple[DecisionRecord, BookRecord] | None:
        """Read, decide and journal. None while names lack a bar that may still come.

        Raises MissingDataError where nothing of the bar is known.
        """
        parts, terms = self._parts, self._parts.name_terms()
        before = parts.journal.books.newest()
        # What is held outside the universe has a contract, too, and is nothing that may be chosen.
        own = tuple(name for name in self._settings.universe.assets if name in terms.specs)
        able = frozenset(own)
        paid = self._settings.costs.taker_fee_bps + self._settings.costs.slippage_bps
        known_at, left = parts.clock.now(), find_left(terms.family, before, paid)
        measuring = asyncio.to_thread(
            partial(parts.measure_book, close=due, now=known_at),
            *(self._settings, terms.family, terms.limits, able, terms.fit, left),
        )
        measured = await self._watch.look_while(measuring)
        past = list_past(parts.journal.books, terms.family, terms.fit, due)
        measured = replace(measured, since=replace(measured.since, past=past))
        name, now = decision_id(parts.journal.scope, due), parts.clock.now()
        read = read_market(
            parts.data,
            self._settings,
            terms.family,
            able,
            before,
            terms.fit,
            decision_id=name,
            close=due,
            at=min(now, due + HOUR - datetime.resolution),
            measured=measured,
            withheld=Quarantine.read(Layout.of(self._settings)).explain_withheld(due, due - HOUR),
        )
        present = read.present
        missing = {name for name in present.missing if inst_id(name) not in parts.executor.blocked}
        if missing and not last_try:
            return None
        rows = await parts.executor.desk.venue.positions()
        held = self._read_held(present, balance, rows)
        if held.equity <= 0:
            raise MissingDataError(f"the account's equity is {held.equity:.2f} USDT", "pay in, or end the process")
        # What does not trade stays for as long as that lasts, whatever its last bar says; so does what lacks its bar.
        staying = {
            name: parts.executor.idle.get(inst_id(name), "no bar at this close")
            for name in held.contracts
            if name in present.missing or inst_id(name) in parts.executor.idle
        }
        others = self._count_others(balance, rows)
        book = decide(terms, present, held, own, staying, decision_id=name, close=due, before=before, others=others)
        if left is not None:
            book = replace(book, walked=WalkedMembers(names=own, known_at=known_at, cost_bps=paid))
        if (target := terms.limits.volatility) is not None:
            volatility = RealisedVolatility(value=measured.realised, target=target, names=own, known_at=known_at)
            book = replace(book, volatility=volatility)
        record = make_record(
            book, terms, run_id=parts.run_id, decision_time=now, available_usdt=float(balance.available)
        )
        parts.journal.books.record(record, book, read.vectors)
        parts.executor.desk.checkpoint("book: decided")
        return record, book

    def _count_others(self, balance: Balance, rows: Mapping[str, VenuePosition]) -> float:
        """Return the initial margin, USDT, that the account needs for something else than this book."""
        own = Decimal(0)
        for name, count in self._parts.journal.books.count_held().items():
            mark = rows[name].mark_price  # known: what is held was read before
            spec = get_contract(self._parts.contracts, short_name(name))
            own += abs(count) * spec.ct_val * (mark or Decimal(0))
        return float(balance.equity - balance.available - own / self._settings.strategy.leverage)

    def _read_held(self, present: PresentMarket, balance: Balance, rows: Mapping[str, VenuePosition]) -> HeldBook:
        """Return what is held, with the equity that the account has at the bar's closes instead of the marks of now.

        So that a decision that is made late, or beside prices that moved meanwhile, is the one of its hour. A name
        that is held and has no bars at all counts at its mark.
        """
        contracts = {short_name(name): count for name, count in self._parts.journal.books.count_held().items()}
        prices: dict[str, float] = dict(present.prices)
        equity = balance.equity
        for name, count in contracts.items():
            row = rows.get(inst_id(name))
            if row is None or row.mark_price is None or row.contracts != count:
                raise VenueAnswerError(f"{name} is held, and its mark price is not known", "it is asked for again")
            close = prices.setdefault(name, float(row.mark_price))
            spec = get_contract(self._parts.contracts, name)
            equity += count * spec.ct_val * (exact(close) - row.mark_price)
        return HeldBook(contracts, float(equity), prices)
