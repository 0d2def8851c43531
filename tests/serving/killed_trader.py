"""A trader in a process of its own, killed at a step, against an exchange in another one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp.client  # imported before the fork, so that every child starts at once  # noqa: F401
import ccxt.async_support  # noqa: F401

from pairity.settings import Settings
from pairity.strategy.types import Action, Decision, Entry, Exit, ExitReason, LegOrder, Side, StopRule, StrategyState
from pairity.universe import ContractSpec, Pair
from pairity_cli.demo.exchange import DemoExchange
from serving.execution.executor import Executor
from serving.execution.limit_entries import LimitTerms
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.execution.pace import Pace
from serving.journal import DecisionRecord, Journal, Run, decision_id
from serving.reconcile import Reconciler
from tests.paper_exchange.paper_keys import exchange_at
from venue.clock import SteppedClock
from venue.okx_client import aclose, make_client

BTC = "BTC-USDT-SWAP"
PLAIN_RULE = StopRule(None, None, (0.02, 0.10), (0.02, 0.15), 0.06, 0.05)


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def contract(url: str) -> tuple[ContractSpec, float]:
    (row,) = ask(f"{url}/api/v5/public/instruments?instType=SWAP&instId={BTC}")["data"]
    last = float(ask(f"{url}/api/v5/market/ticker?instId={BTC}")["data"][0]["last"])
    numbers = (Decimal(row[name]) for name in ("ctVal", "lotSz", "minSz", "tickSz", "lever"))
    return ContractSpec(BTC, *numbers), last


class Trader:
    """What one process does: reconcile, carry the entry out, then the exit, like the loop after its decisions."""

    def __init__(
        self,
        url: str,
        path: Path,
        *,
        reference_off: float = 1.0,
        rule: StopRule = PLAIN_RULE,
        limits: LimitTerms | None = None,
    ) -> None:
        self.url, self.path, self.reference_off, self.rule, self.limits = url, path, reference_off, rule, limits
        self.settings = Settings(exchange=exchange_at(url))

    async def trade(self, *, until_exit: bool, kill_at: str | None) -> None:
        spec, last = contract(self.url)
        clock = await SteppedClock.connect(f"{self.url}/control")
        client = make_client(self.settings, signed=True)
        journal = Journal.open(self.path)

        def checkpoint(step: str) -> None:
            if step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        desk = OrderDesk(OkxVenue(client, retries=2), journal, clock, Pace(poll_s=0.01, settle_s=0.1), checkpoint)
        executor = Executor(desk, {"BTC": spec}, leverage=1, limit_terms=self.limits)
        try:
            await Reconciler(executor, self.settings).run()
            await self._carry_out(executor, self._decisions(journal, clock, spec, last), until_exit=until_exit)
            await Reconciler(executor, self.settings).run()
        finally:
            await aclose(client)
            journal.close()

    def _decisions(self, journal: Journal, clock: SteppedClock, spec: ContractSpec, last: float) -> tuple[Any, Any]:
        """The two decisions, made once: a process that comes back finds them in the journal."""
        if (known := journal.last_decision()) is not None:
            first, second = journal.decisions()
            assert known == second
            return first, second
        run = Run("r", clock.now(), "paper", "s", "m", "1", "h", "c")
        journal.record_run(run)
        leg = LegOrder("BTC", Side.SELL, 5 * spec.min_sz, last * self.reference_off, self.rule)
        pair = Pair("BTC", "ETH")
        entry = Entry("BTC__ETH@1", pair, -1, 1.5, 0.7, 1.05, (leg,))
        exit_ = Exit(entry.position_id, ExitReason.Z_CROSS)
        records = []
        for number, (entries, exits) in enumerate([((entry,), ()), ((), (exit_,))]):
            decision = Decision(Action.OPEN if entries else Action.CLOSE, "x", (), exits, entries, StrategyState(1e4))
            at = clock.now().replace(minute=number)
            record = DecisionRecord(decision_id(journal.scope, at), "r", at, at, "s", "m", "1", "h", decision)
            journal.record_decision(record, [])
            records.append(record)
        return records[0], records[1]

    async def _carry_out(self, executor: Executor, decisions: tuple[Any, Any], *, until_exit: bool) -> None:
        opening, closing = decisions
        (entry,) = opening.decision.entries
        outcome = await executor.open(entry, opening)
        if until_exit:
            record = executor.desk.journal.position(entry.position_id)
            assert record is not None, outcome
            await executor.close(record.position, "z_cross", closing.decision_id)


def process(trader: Trader, *, until_exit: bool, kill_at: str | None) -> int:
    """Run the trader in a process of its own; the signal that ended it, negative, or its exit code."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(trader.trade(until_exit=until_exit, kill_at=kill_at))
        except BaseException:  # noqa: BLE001 - the parent learns of it by the exit code
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def on_venue(exchange: DemoExchange, method: str, **params: str) -> list[dict[str, Any]]:
    from venue.okx_client import call

    async def asked() -> list[dict[str, Any]]:
        client = make_client(Trader(exchange.url, Path()).settings, signed=True)
        try:
            return await call(client, method, params, retries=1)
        finally:
            await aclose(client)

    return asyncio.run(asked())


def held_by(journal: Journal) -> dict[str, Decimal]:
    """Return the contracts of each instrument that the journal holds, short ones negative."""
    return {
        f"{leg.asset}-USDT-SWAP": leg.side.sign * leg.contracts
        for record in journal.open_positions()
        for leg in record.position.legs
    }
