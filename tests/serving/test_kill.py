"""`kill -9` at every step of an entry and an exit, in a real process, against a real exchange in another one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import aiohttp.client  # imported before the fork, so that every child starts at once  # noqa: F401
import ccxt.async_support  # noqa: F401
import pytest

from pairity.strategy.types import StopRule
from pairity_cli.demo.exchange import DemoExchange, running_exchange
from serving.journal import Journal, Purpose
from tests.serving.killed_trader import Trader, ask, held_by, on_venue, process

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

QUICK = {
    "entry: before the intent",
    "entry: after the wire",
    "entry: position journalled",
    "protect: after the wire",
    "exit: before the wire",
    "exit: acknowledged",
    "exit: before the booking",
}
"""Where a process is killed in `make test`: before and after each thing that cannot be taken back."""


def sample(steps: list[str], quick: set[str]) -> list:
    """Steps with all that are not quick marked slow."""
    return [step if step in quick else pytest.param(step, marks=pytest.mark.slow) for step in steps]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoExchange]:
    with running_exchange("synthetic", None, 7, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


def assert_equal(exchange: DemoExchange, trader: Trader, *, is_open: bool) -> None:
    """Journal and venue agree; every intention was executed once; what is open is protected."""
    journal = Journal.read(trader.path)
    held = {row["instId"]: Decimal(row["pos"]) for row in on_venue(exchange, "privateGetAccountPositions")}
    ours = held_by(journal)
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


@pytest.mark.parametrize("step", sample(ENTRY_STEPS, QUICK))
def test_killed_during_an_entry(step: str, exchange: DemoExchange, tmp_path: Path) -> None:
    # The reference price is off, so that the stops that went with the order must be replaced after the fill.
    trader = Trader(exchange.url, tmp_path / "journal.db", reference_off=1.005)
    assert process(trader, until_exit=False, kill_at=step) == -signal.SIGKILL
    assert process(trader, until_exit=False, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=True)
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize("step", sample(EXIT_STEPS, QUICK))
def test_killed_during_an_exit(step: str, exchange: DemoExchange, tmp_path: Path) -> None:
    trader = Trader(exchange.url, tmp_path / "journal.db")
    assert process(trader, until_exit=True, kill_at=step) == -signal.SIGKILL
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize(
    "fault", sample(["reset", "abort_body", "cut_json_200", "timeout_50004", "latency"], {"reset", "timeout_50004"})
)
def test_killed_while_the_reply_is_lost(fault: str, exchange: DemoExchange, tmp_path: Path) -> None:
    """The venue executes the order, the reply never comes, and the process dies before it can ask."""
    ask(f"{exchange.url}/control/faults", {"kind": fault, "path": "POST trade/order", "params": {"ms": 200}})
    trader = Trader(exchange.url, tmp_path / "journal.db")
    process(trader, until_exit=False, kill_at="entry: finished")
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize(
    "fault",
    sample(
        ["html_200", "empty_200", "html_502", "system_50026", "rate_limit_json", "missing_51603"],
        {"html_200", "missing_51603"},
    ),
)
def test_an_unreadable_venue_is_asked_again(fault: str, exchange: DemoExchange, tmp_path: Path) -> None:
    for path in ("POST trade/order", "GET trade/order", "GET account/positions", "GET trade/orders-algo-pending"):
        if fault != "missing_51603" or path == "GET trade/order":
            ask(f"{exchange.url}/control/faults", {"kind": fault, "path": path})
    trader = Trader(exchange.url, tmp_path / "journal.db")
    assert process(trader, until_exit=True, kill_at=None) == 0
    assert_equal(exchange, trader, is_open=False)


@pytest.mark.parametrize(
    ("stop", "target", "reason"),
    [(0.002, 0.3, "stop_loss"), pytest.param(0.3, 0.002, "take_profit", marks=pytest.mark.slow)],
)
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
