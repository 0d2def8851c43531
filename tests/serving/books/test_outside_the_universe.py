"""A name that is held and was taken out of the universe since: looked after as before, and closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_repo.contract_specs import write_contracts
from pairity.layout import Layout
from serving.journal import TradingState
from tests.serving.books.book_scene import MARKET, SPECS, book_scene
from tests.serving.books.desk_scene import BTC, ETH, SOL, BookGuard, BookOkx

DAILY = {"port": 0, "lease": False, "interval_minutes": 1440}


def test_a_process_that_is_started_without_a_held_name_closes_it_at_the_next_decision(tmp_path: Path) -> None:
    """The data directory does not know its contract any more: the venue's list does."""
    with book_scene(tmp_path / "home", serve=DAILY) as scene:
        scene.trade(1)
        gone, *_ = scene.list_held()
        kept = tuple(name for name in MARKET["close"] if name != gone)
        layout = Layout.of(scene.settings)
        layout.contracts.unlink()
        write_contracts(layout, [SPECS[name] for name in kept])
        scene.options["universe"] = {"assets": kept, "pair_assets": kept[:2]}
        report = scene.trade(1)
        journal = scene.read()
        try:
            left = journal.books.newest().find(gone)
            states = {record.state for record in journal.states.all()}
        finally:
            journal.close()
        assert report.problems == []
        assert states == {TradingState.TRADING}
        assert gone not in scene.list_held()
        assert (left.cause, left.contracts) == ("leaves", 0)
        assert left.price is not None  # a stop of what cannot be closed yet needs one
        live = {algo.inst_id: algo.size for algo in scene.account.live_algos()}
        assert live == {f"{name}-USDT-SWAP": abs(size) for name, size in scene.list_held().items()}


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[BookGuard]:
    """The next process of a book that holds ETH and SOL: its universe, and what it knows, are BTC and SOL."""
    tmp_path.chmod(0o700)
    okx = BookOkx()
    first = BookGuard(okx, tmp_path)
    first.decide(ETH="100", SOL="100")
    first.look()
    okx.algos.clear()  # both stops are lost
    made = first.restarted(assets=("BTC", "SOL"), known=("BTC", "SOL"))
    try:
        yield made
    finally:
        made.journal.close()


def test_a_name_without_a_contract_hides_no_other_and_gets_its_own(guard: BookGuard) -> None:
    guard.look()
    assert [algo["sz"] for algo in guard.tiny.live_algos(SOL)] == ["100"]
    assert guard.parts.supervisor.causes["exits"].startswith("ETH has no stop: its contract is not known")
    guard.look()
    assert [algo["sz"] for algo in guard.tiny.live_algos(ETH)] == ["100"]
    assert guard.parts.supervisor.state is TradingState.TRADING


def test_flatten_closes_it_too(guard: BookGuard) -> None:
    guard.parts.supervisor.halt("a person asked", by="person", flatten=True)
    guard.look()
    guard.look()
    assert (guard.held(), guard.tiny.size(ETH), guard.tiny.size(SOL)) == ({}, 0, 0)


def test_the_next_decision_closes_it_and_trades_the_others(guard: BookGuard) -> None:
    guard.look()
    guard.look()
    guard.next_day()
    guard.decide(SOL="60", BTC="1")
    guard.look()
    assert guard.held() == {SOL: 60, BTC: 1}
