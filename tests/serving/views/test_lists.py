"""Lists go through everything once, newest first, whatever the length of a page; filters leave out and add nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import ConfigError
from serving.journal import Purpose
from serving.views.base import Cut, make_cursor, read_cursor
from serving.views.decisions import view_decision, view_decisions, view_heatmap
from serving.views.events import EventFilter, view_events
from serving.views.orders import OrderFilter, compute_slippage, view_orders
from serving.views.trades import TradeFilter, view_calendar, view_trades, write_trades_csv
from tests.serving.api_scene import ApiScene
from tests.serving.trading import T0


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """Five positions, four of them closed: two won, two lost; and decisions between them."""
    made = ApiScene(tmp_path_factory.mktemp("traded"))
    for number, price in enumerate(("78000", "82000", "78500", "81000", None)):
        bar = T0 + timedelta(hours=6 * number)
        made.guard.tiny.prices["BTC-USDT-SWAP"] = Decimal(80000)
        made.trade(bar, close=None if price is None else ("z_cross", "stop_loss")[number % 2], price=price)
        for hour in range(1, 4):
            made.decide(bar + timedelta(hours=hour), z=0.1 * hour)
        made.guard.tiny.now_ms += 6 * 3_600_000
    yield made
    made.close()


def walk(traded, view, limit):
    """All items of a list, page by page."""
    items, before = [], None
    with traded.inputs() as seen:
        while True:
            page = view(seen, Cut(limit, before))
            assert len(page.items) <= limit
            items += page.items
            if page.next is None:
                return items
            assert len(page.items) == limit
            before = page.next


VIEWS = {
    "decisions": (view_decisions, lambda item: item.decision_id),
    "orders": (view_orders, lambda item: item.client_order_id),
    "trades": (view_trades, lambda item: item.position_id),
    "events": (view_events, lambda item: item.event_id),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
def test_pages_of_any_length_hold_the_same_items(traded, name, limit):
    view, key = VIEWS[name]
    whole, paged = walk(traded, view, 500), walk(traded, view, limit)
    assert paged == whole
    assert len({key(item) for item in paged}) == len(paged) > 0


def test_they_hold_what_the_journal_has(traded):
    journal = traded.journal
    decisions = walk(traded, view_decisions, 4)
    assert [item.decision_id for item in decisions] == [r.decision_id for r in reversed(journal.decisions())]
    orders = walk(traded, view_orders, 4)
    positions = [record.position.position_id for record in (*journal.closed_positions(), *journal.open_positions())]
    intents = {intent.client_order_id: intent for name in positions for intent in journal.intents(name)}
    assert {order.client_order_id for order in orders} == intents.keys()
    for order in orders:
        intent = intents[order.client_order_id]
        assert Decimal(order.contracts) == intent.contracts
        assert [step.state for step in order.events] == [str(e.state) for e in journal.events(intent.client_order_id)]
        fills = [fill for fill in journal.fills(intent.position_id) if fill.order_id == intent.order_id]
        assert [fill.trade_id for fill in order.fills] == [fill.trade_id for fill in fills]
    closed = {record.position.position_id: record.close for record in journal.closed_positions()}
    trades = walk(traded, view_trades, 3)
    assert {trade.position_id: Decimal(trade.result_usdt) for trade in trades} == {
        name: close.net_usdt for name, close in closed.items()
    }
    assert [trade.closed_at for trade in trades] == sorted((c.closed_at for c in closed.values()), reverse=True)


def test_a_trade_of_a_pair_names_the_orders_that_opened_and_closed_it(traded):
    journal = traded.journal
    trades = walk(traded, view_trades, 3)
    assert trades
    for trade in trades:
        filled = [one for one in journal.intents(trade.position_id) if one.filled_contracts]
        entries = [one for one in filled if one.purpose is Purpose.ENTRY]
        closing = [one for one in filled if one.purpose in (Purpose.EXIT, Purpose.PROTECT)]
        assert trade.entry_order_id == entries[0].client_order_id
        assert trade.entry_decision_id == entries[0].decision_id is not None
        assert trade.exit_order_id in {one.client_order_id for one in closing}
        last = next(one for one in closing if one.client_order_id == trade.exit_order_id)
        assert trade.exit_decision_id == last.decision_id
        assert last.created_at == max(one.created_at for one in closing)


def test_a_decision_says_every_pair_and_its_best_to_the_last_bit(traded):
    with traded.inputs() as seen:
        item = view_decisions(seen, Cut(1)).items[0]
        whole = view_decision(seen, item.decision_id)
        record = traded.journal.decision(item.decision_id)
        best = max(record.decision.scores, key=lambda score: score.divergence_score)
        assert (item.best.pair, item.best.score) == (best.pair.pair_id, best.divergence_score)
        assert (whole.best, whole.pairs) == (item.best, len(record.decision.scores))
        assert [score.score for score in whole.scores] == [s.divergence_score for s in record.decision.scores]
        cells = view_heatmap(seen).cells
        assert [cell.score for cell in cells] == [score.score for score in whole.scores]
        assert [cell.outcome for cell in cells] == [score.outcome for score in whole.scores]


@pytest.mark.parametrize("result", ["won", "lost"])
@pytest.mark.parametrize("limit", [1, 500])
def test_trades_are_filtered_by_result_exactly(traded, result, limit):
    chosen = walk(traded, lambda seen, cut: view_trades(seen, cut, TradeFilter(result=result)), limit)
    everything = walk(traded, view_trades, 500)
    sign = 1 if result == "won" else -1
    assert chosen == [trade for trade in everything if sign * Decimal(trade.result_usdt) > 0]
    assert len(chosen) == 2


def test_trades_are_filtered_by_pair_reason_and_time(traded):
    everything = walk(traded, view_trades, 500)

    def filtered(**wanted):
        return walk(traded, lambda seen, cut: view_trades(seen, cut, TradeFilter(**wanted)), 500)

    assert filtered(pair="BTC__SOL") == everything
    assert filtered(pair="SOL__BTC") == filtered(pair="nonsense") == []
    assert filtered(reason="stop_loss") == [t for t in everything if t.exit_reason == "stop_loss"]
    middle = everything[1].closed_at
    assert filtered(since=middle) == everything[:2]
    assert filtered(until=middle) == everything[2:]


def test_orders_are_filtered(traded):
    everything = walk(traded, view_orders, 500)
    for name in ("position_id", "purpose", "state", "instrument"):
        value = getattr(everything[0], name)
        chosen = walk(traded, lambda seen, cut, n=name, v=value: view_orders(seen, cut, OrderFilter(**{n: v})), 2)
        assert chosen == [order for order in everything if getattr(order, name) == value]


def test_slippage_is_against_the_close_that_was_decided_on(traded):
    entries = [order for order in walk(traded, view_orders, 500) if order.purpose == "entry"]
    for order in entries:
        expected = compute_slippage(order.side, Decimal("80000.0"), order.average_price)
        assert (order.expected_price, order.slippage_bps) == ("80000.0", expected)


def test_the_calendar_adds_up_to_the_trades(traded):
    everything = walk(traded, view_trades, 500)
    for by in ("day", "week", "month"):
        with traded.inputs() as seen:
            items = view_calendar(seen, by).items
        assert sum(item.trades for item in items) == len(everything)
        assert sum(Decimal(item.result_usdt) for item in items) == sum(Decimal(t.result_usdt) for t in everything)
        assert (sum(item.won for item in items), sum(item.lost for item in items)) == (2, 2)
        assert [item.period for item in items] == sorted((item.period for item in items), reverse=True)


def test_the_csv_has_a_line_per_trade_and_no_formula(traded):
    with traded.inputs() as seen:
        lines = write_trades_csv(seen).splitlines()
    assert len(lines) == 1 + len(walk(traded, view_trades, 500))
    assert lines[0].startswith("position_id,pair,")
    assert not [cell for line in lines for cell in line.split(",") if cell.startswith(("=", "@", "+"))]


def test_events_are_all_that_the_journal_keeps(traded):
    kept = traded.journal.event_log.page(limit=500)
    assert len(kept) > 1
    items = walk(traded, view_events, 2)
    assert [(item.event_id, item.text) for item in items] == [(event.event_id, event.text) for event in kept]
    assert {item.severity for item in items} <= {"info", "warning", "critical"}
    quiet = walk(traded, lambda seen, cut: view_events(seen, cut, EventFilter(acknowledged=True)), 5)
    assert quiet == []


@given(st.lists(st.text(), min_size=1, max_size=3).map(tuple))
def test_cursors_come_back_as_they_went(keys):
    safe = tuple(key.encode("utf-8", "replace").decode() for key in keys)
    assert read_cursor(make_cursor(safe), len(safe)) == safe


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_other_text_is_a_cursor(text):
    try:
        keys = read_cursor(text, 2)
    except ConfigError:
        return
    assert make_cursor(keys).rstrip("=")
    assert len(keys) == 2
