"""`kill -9` at every step of an entry and an exit, in a real process, against a real exchange in another one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp.client  # imported before the fork, so that every child starts at once  # noqa: F401
import ccxt.async_support  # noqa: F401
import pytest

from pairity.settings import ExchangeSettings, Settings
from pairity.strategy.types import Action, Decision, Entry, Exit, ExitReason, LegOrder, Side, StopRule, StrategyState
from pairity.universe import ContractSpec, Pair
from pairity_cli.demo.exchange import DemoExchange, running_exchange
from serving.execution.executor import Executor
from serving.execution.limit_entries import LimitTerms
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.execution.pace import Pace
from serving.journal import DecisionRecord, Journal, Purpose, Run, decision_id
from serving.reconcile import Reconciler
from venue.clock import SteppedClock
from venue.okx_client import aclose, make_client

pytestmark = pytest.mark.e2e

ENTRY_STEPS = [
    "entry: before the intent",
    "entry: intended",
    "entry: before the wire",
    "entry: after the wire",
    "entry: acknowledged",
    "entry: finished",
    "entry: position journalled",
    "protect: before the wire",
    "protect: after the wire",
    "protect: acknowledged",
    "entry: protected",
]
EXIT_STEPS = [
    "exit: before the intent",
    "exit: intended",
    "exit: before the wire",
    "exit: after the wire",
    "exit: acknowledged",
    "exit: finished",
    "exit: flat",
    "exit: before the booking",
]
BTC = "BTC-USDT-SWAP"
PLAIN_RULE = StopRule(None, None, (0.02, 0.10), (0.02, 0.15), 0.06, 0.05)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoExchange]:
    with running_exchange("synthetic", None, 7, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


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
        self.settings = Settings(
            exchange=ExchangeSettings(
                url=url, api_key="paper", api_secret="paper", api_passphrase="paper", rate_limit=False
            )
        )

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


def assert_equal(exchange: DemoExchange, trader: Trader, *, is_open: bool) -> None:
    """Journal and venue agree; every intention was executed once; what is open is protected."""
    journal = Journal.read(trader.path)
    held = {row["instId"]: Decimal(row["pos"]) for row in on_venue(exchange, "privateGetAccountPositions")}
    ours = {
        f"{leg.asset}-USDT-SWAP": leg.side.sign * leg.contracts
        for record in journal.open_positions()
        for leg in record.position.legs
    }
    assert held == ours
    assert bool(ours) == is_open
    orders = on_venue(exchange, "privateGetTradeOrdersHistory", instType="SWAP", ordType="market")
    mine = {intent.client_order_id: intent for intent in journal.intents("BTC__ETH@1")}
    counts = [order["clOrdId"] for order in orders if order["clOrdId"] in mine]
    assert len(counts) == len(set(counts)) == (1 if is_open else 2), "one order per intention"
    for purpose in (Purpose.ENTRY, Purpose.EXIT) if not is_open else (Purpose.ENTRY,):
        assert len(journal.intents("BTC__ETH@1", 0, purpose)) == 1
    waiting = on_venue(exchange, "privateGetTradeOrdersAlgoPending", ordType="conditional,oco")
    if is_open:
        (algo,) = waiting
        (leg,) = journal.open_positions()[0].position.legs
        assert Decimal(algo["slTriggerPx"]) == Decimal(str(leg.stop_price))
        assert algo["algoClOrdId"] in mine
    else:
        assert waiting == []
        (record,) = journal.closed_positions()
        assert record.close is not None
        assert record.close.exit_reason == "z_cross"
        assert record.close.net_usdt is not None
    assert [intent for intent in journal.unsettled() if intent.purpose is not Purpose.PROTECT] == []
    journal.close()


@pytest.mark.parametrize("step", ENTRY_STEPS)
def test_killed_during_an_entry(step: str, exchange: DemoExchange, tmp_path: Path) -> None:
    # The reference price is off, so that the stops that went with the order must be replaced after the fill.
    trader = Trader(exchange.url, tmp_path / "journal.db", reference_off=1.005)
    assert process(trader, until_exit=False, kill_at=step) == -signal.SIGKILL
    assert process(trader, until_exit=False, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=True)
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize("step", EXIT_STEPS)
def test_killed_during_an_exit(step: str, exchange: DemoExchange, tmp_path: Path) -> None:
    trader = Trader(exchange.url, tmp_path / "journal.db")
    assert process(trader, until_exit=True, kill_at=step) == -signal.SIGKILL
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize("fault", ["reset", "abort_body", "cut_json_200", "timeout_50004", "latency"])
def test_killed_while_the_reply_is_lost(fault: str, exchange: DemoExchange, tmp_path: Path) -> None:
    """The venue executes the order, the reply never comes, and the process dies before it can ask."""
    ask(f"{exchange.url}/control/faults", {"kind": fault, "path": "POST trade/order", "params": {"ms": 200}})
    trader = Trader(exchange.url, tmp_path / "journal.db")
    process(trader, until_exit=False, kill_at="entry: finished")
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize(
    "fault", ["html_200", "empty_200", "html_502", "system_50026", "rate_limit_json", "missing_51603"]
)
def test_an_unreadable_venue_is_asked_again(fault: str, exchange: DemoExchange, tmp_path: Path) -> None:
    for path in ("POST trade/order", "GET trade/order", "GET account/positions", "GET trade/orders-algo-pending"):
        if fault != "missing_51603" or path == "GET trade/order":
            ask(f"{exchange.url}/control/faults", {"kind": fault, "path": path})
    trader = Trader(exchange.url, tmp_path / "journal.db")
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize(("stop", "target", "reason"), [(0.002, 0.3, "stop_loss"), (0.3, 0.002, "take_profit")])
def test_a_stop_while_nobody_looked_is_booked_to_the_last_digit(
    stop: float, target: float, reason: str, exchange: DemoExchange, tmp_path: Path
) -> None:
    """Net profit of the journal, fees and funding included, is what the account's cash changed by."""
    rule = StopRule(None, None, (0.02, 0.10), (0.02, 0.15), stop, target)
    trader = Trader(exchange.url, tmp_path / "journal.db", rule=rule)
    before = Decimal(on_venue(exchange, "privateGetAccountBalance")[0]["details"][0]["cashBal"])
    assert process(trader, until_exit=False, kill_at=None) == 0
    for _ in range(60):
        ask(f"{exchange.url}/control/advance", {"by_ms": 3_600_000})
        if not on_venue(exchange, "privateGetAccountPositions"):
            break
    # The process that finds out does not carry the entry out a second time.
    assert process(trader, until_exit=True, kill_at=None) == 0
    after = Decimal(on_venue(exchange, "privateGetAccountBalance")[0]["details"][0]["cashBal"])
    journal = Journal.read(trader.path)
    (record,) = journal.closed_positions()
    assert record.close is not None
    assert record.close.exit_reason == reason
    assert record.close.net_usdt == after - before
    assert record.close.funding_usdt is not None
    assert journal.unsettled() == []
    journal.close()
