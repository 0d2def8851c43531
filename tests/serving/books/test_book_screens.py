"""What the journal says of a book is what its readers show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Side
from pairity.universe import inst_id
from pairity_cli.main import main
from serving.books.deciding import make_record
from serving.books.moves import list_moves
from serving.journal import Fill, Intent, IntentState, Journal, Purpose, client_order_id, decision_id
from serving.journal.reading import ReadingJournal
from serving.sightings import Sightings
from serving.status import Status
from serving.views.base import Inputs
from serving.views.positions import view_positions
from serving.views.status import view_status
from tests.serving.books.test_moves import CLOSE, make_book, make_name
from tests.serving.trading import RUN


@pytest.fixture
def home(tmp_path):
    """A home whose book was decided once: A is long 5, B was short 3 of which 1 is closed, C never traded."""
    tmp_path.chmod(0o700)
    settings = Settings(home=tmp_path)
    journal = Journal.open(Layout.of(settings).journal, scope="test")
    journal.record_run(RUN)
    book = replace(
        make_book(make_name("A", "0", "5"), make_name("B", "-3", "-2"), make_name("C", "0", "0")),
        decision_id=decision_id("test", CLOSE),
    )
    record = make_record(book, _Terms(), run_id=RUN.run_id, decision_time=CLOSE, available_usdt=1e4)
    journal.books.record(record, book, [])
    for move in list_moves(book):
        carry_out(journal, move)
    outside = Fill(
        instrument=inst_id("B"),
        trade_id="t0",
        order_id="o0",
        position_id="B@outside",
        client_order_id="",
        side=Side.SELL,
        contracts=Decimal(3),
        price=Decimal(10),
        fee_usdt=Decimal(0),
        pnl_usdt=Decimal(0),
        at=CLOSE - timedelta(days=1),
    )
    journal.record_fills([outside])
    journal.close()
    return settings


class _Terms:
    """What a record needs to know of the book."""

    family = type("Family", (), {"name": "trend_book"})
    model = ("trend_book", "book", "0" * 64)


def carry_out(journal, move):
    intent = Intent(
        client_order_id=client_order_id("test", move.position_id, 0, move.purpose),
        decision_id=move.decision_id,
        position_id=move.position_id,
        leg=0,
        purpose=move.purpose,
        attempt=0,
        instrument=move.instrument,
        side=move.side,
        contracts=move.contracts,
        order_type="market",
        reduce_only=move.purpose is Purpose.REDUCE,
        stop_price=None,
        target_price=None,
        created_at=CLOSE,
    )
    journal.intend(intent)
    journal.advance(intent.client_order_id, IntentState.SENT, CLOSE)
    journal.advance(intent.client_order_id, IntentState.FILLED, CLOSE, order_id="v1", filled_contracts=move.contracts)


def test_what_is_held_are_filled_orders_and_executions_of_others(home):
    journal = Journal.read(Layout.of(home).journal)
    try:
        assert journal.books.count_held() == {inst_id("A"): Decimal(5), inst_id("B"): Decimal(-2)}
        assert journal.books.newest() == journal.books.get(decision_id("test", CLOSE))
        assert {intent.purpose for intent in journal.books.orders()} == {Purpose.REDUCE, Purpose.INCREASE}
    finally:
        journal.close()


def test_the_api_has_its_names_as_positions(home):
    journal = ReadingJournal.connect(Layout.of(home).journal)
    try:
        seen = Inputs(
            journal=journal,
            status=Status(mode="paper", market="here", model={}),
            sightings=Sightings(),
            settings=home,
            layout=Layout.of(home),
            now=CLOSE + timedelta(hours=1),
        )
        items = view_positions(seen).items
        assert [(one.pair, one.direction, one.kind, one.legs[0].contracts) for one in items] == [
            ("A", "long", "book", "5"),
            ("B", "short", "book", "2"),
        ]
        assert items[0].legs[0].stop.state == "missing"
        assert view_status(seen).counts.positions == 2
    finally:
        journal.close()


def test_why_lists_every_name_with_its_reason(home, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(home.home))
    done = CliRunner().invoke(main, ["why", "--at", CLOSE.isoformat()])
    assert done.exit_code == 0, done.output
    assert "trend_book" in done.output
    assert [line.split()[0] for line in done.output.splitlines() if "because" in line] == ["A", "B", "C"]
    refused = CliRunner().invoke(main, ["why", "A/B", "--at", CLOSE.isoformat()])
    assert refused.exit_code == 2
    assert "has no pairs" in refused.output + refused.stderr
    for at in (["--at", CLOSE.isoformat()], []):
        alone = CliRunner().invoke(main, ["why", "B", *at])
        assert alone.exit_code == 0, alone.output
        assert [line.split()[0] for line in alone.output.splitlines() if "because" in line] == ["B"]
    unknown = CliRunner().invoke(main, ["why", "ZZZ", "--at", CLOSE.isoformat()])
    assert unknown.exit_code == 2
    assert "ZZZ is none of the decision then" in unknown.output + unknown.stderr
    order = client_order_id("test", "A@20250402T0000Z", 0, Purpose.INCREASE)
    traced = CliRunner().invoke(main, ["trace", order])
    assert traced.exit_code == 0, traced.output
    assert "because" in traced.output
