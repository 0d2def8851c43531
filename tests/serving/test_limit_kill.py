"""`kill -9` at every step of an entry by limit order, in a real process, against a real exchange in another one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pairity_cli.demo.exchange import DemoExchange, running_exchange
from serving.execution.limit_entries import LimitTerms
from serving.journal import Journal, Purpose
from tests.serving.killed_trader import BTC, Trader, ask, held_by, on_venue, process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TERMS = LimitTerms(deadline_s=60.0, quotes=2, drift=Decimal("0.05"), cancel_after_s=30)
QUICK = replace(TERMS, deadline_s=40.0)
"""Over within a minute: the next one's bar may fill a quote, and then nothing goes at market."""
STEPS = [
    "entry: before the intent",
    "entry: intended",
    "entry: switch armed",
    "entry: before the wire",
    "entry: after the wire",
    "entry: acknowledged",
]
LATER = [
    "entry: limit ended",
    "entry: intended again",
    "entry: limit followed",
    "entry: switch armed",
    "entry: after the wire",
    "entry: finished",
    "entry: position journalled",
    "entry: protected",
]
NAME = "BTC__ETH@1"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoExchange]:
    with running_exchange("synthetic", None, 7, tmp_path_factory.mktemp("exchange") / "log") as running:
        yield running


@pytest.fixture
def untouched_exchange(tmp_path: Path) -> Iterator[DemoExchange]:
    """An exchange at its beginning: its prices there fill no first quote, which later ones might."""
    with running_exchange("synthetic", None, 7, tmp_path / "log") as running:
        yield running


def trader_on(exchange: DemoExchange, tmp_path: Path, terms: LimitTerms = TERMS) -> Trader:
    return Trader(exchange.url, tmp_path / "journal.db", limits=terms)


def pass_by(exchange: DemoExchange, seconds: int) -> None:
    ask(f"{exchange.url}/control/advance", {"by_ms": 1000 * seconds})


def resting(exchange: DemoExchange) -> list[dict[str, Any]]:
    return on_venue(exchange, "privateGetTradeOrdersPending", instType="SWAP")


def close(exchange: DemoExchange, trader: Trader) -> None:
    """End what is open, so that the next test begins flat; it also shows that the journal can go on."""
    journal = Journal.read(trader.path)
    held = journal.position(NAME)
    journal.close()
    if held is not None:
        assert process(trader, until_exit=True, kill_at=None) == 0
    assert on_venue(exchange, "privateGetAccountPositions") == []


def assert_equal(exchange: DemoExchange, trader: Trader) -> Decimal:
    """Journal and venue agree, every order was intended, and no more was filled than wanted; return what is held."""
    journal = Journal.read(trader.path)
    held = {row["instId"]: Decimal(row["pos"]) for row in on_venue(exchange, "privateGetAccountPositions")}
    ours = held_by(journal)
    assert held == ours
    assert resting(exchange) == []
    intents = journal.intents(NAME, purpose=Purpose.ENTRY)
    rows = [row for kind in ("market", "post_only") for row in orders(exchange, kind)]
    mine = [row for row in rows if row["clOrdId"] in {intent.client_order_id for intent in intents}]
    assert len(mine) == len({row["clOrdId"] for row in mine}), "one order per intention"
    filled = sum((Decimal(row["accFillSz"]) for row in mine), Decimal(0))
    assert filled == abs(held.get(BTC, Decimal(0))) == sum((i.filled_contracts for i in intents), Decimal(0))
    waiting = on_venue(exchange, "privateGetTradeOrdersAlgoPending", ordType="conditional,oco")
    assert len(waiting) == len(held)
    assert [intent for intent in journal.unsettled() if intent.purpose is not Purpose.PROTECT] == []
    journal.close()
    return filled


def orders(exchange: DemoExchange, kind: str) -> list[dict[str, Any]]:
    return on_venue(exchange, "privateGetTradeOrdersHistory", instType="SWAP", ordType=kind)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("away_s", [5, 45, 600])
def test_killed_while_it_is_sent(step: str, away_s: int, exchange: DemoExchange, tmp_path: Path) -> None:
    trader = trader_on(exchange, tmp_path)
    assert process(trader, until_exit=False, kill_at=step) == -signal.SIGKILL
    pass_by(exchange, away_s)
    if away_s > TERMS.cancel_after_s:
        assert resting(exchange) == [], "the venue ended what nobody looked after"
    for wait in (5, 31, 31):
        assert process(trader, until_exit=False, kill_at=None) == 0
        pass_by(exchange, wait)
    assert process(trader, until_exit=False, kill_at=None) == 0
    assert_equal(exchange, trader)
    close(exchange, trader)


@pytest.mark.parametrize("step", LATER)
def test_killed_between_the_limit_order_and_the_market(
    step: str, untouched_exchange: DemoExchange, tmp_path: Path
) -> None:
    trader = trader_on(untouched_exchange, tmp_path, QUICK)
    assert process(trader, until_exit=False, kill_at=None) == 0
    ends = []
    while -signal.SIGKILL not in ends:
        assert len(ends) < 4, f"never came to {step}"
        pass_by(untouched_exchange, 25)
        ends.append(process(trader, until_exit=False, kill_at=step))
    for _ in range(3):
        assert process(trader, until_exit=False, kill_at=None) == 0
        pass_by(untouched_exchange, 25)
    assert process(trader, until_exit=False, kill_at=None) == 0
    assert_equal(untouched_exchange, trader)
    close(untouched_exchange, trader)
