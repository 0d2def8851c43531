"""Orders of a book on a paper exchange: post-only first, faults, stops, guarding, what others do."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.errors import ConfigError
from pairity.settings import Settings
from pairity.universe import inst_id
from serving.journal import IntentState, Purpose
from tests.serving.books.book_scene import FIRST, SPECS, book_scene
from tests.serving.books.test_book_process import DAY, check_equal_to_backtest

DAILY = {"port": 0, "lease": False, "interval_minutes": 1440}


def read_orders(scene):
    journal = scene.read()
    try:
        return journal.books.orders()
    finally:
        journal.close()


@pytest.mark.slow
def test_orders_rest_first_and_go_at_market_by_the_deadline_faults_or_not(tmp_path):
    """Hourly bars fill nothing that rests for a minute: the market orders that follow fill where the backtest does."""
    strategy = {"book": "trend_carry_book", "entry_order": "limit_then_market"}
    hourly = {**DAILY, "interval_minutes": 60}
    with book_scene(tmp_path / "home", serve=hourly, strategy=strategy) as scene:
        scene.inject("reset", "POST trade/order", 1, executed=True)
        scene.inject("code", "POST trade/order", 1, code="51124", msg="post only", http_status=200)
        scene.inject("reset", "POST trade/order-algo", 1, executed=True)
        report = scene.trade(26)  # to the hour after the second decision
        check_equal_to_backtest(scene, 2)
        orders = read_orders(scene)
        by_kind = {kind: [one for one in orders if one.order_type == kind] for kind in ("post_only", "market")}
        ended = {one.state for one in by_kind["post_only"]}
        assert ended == {IntentState.CANCELLED, IntentState.REJECTED}
        assert {one.order_type for one in orders if one.attempt == 0} == {"post_only"}
        assert len({(one.position_id, one.purpose) for one in by_kind["market"]}) == len(by_kind["market"])
        deadline = timedelta(seconds=60)
        first = {(one.position_id, one.purpose): one for one in by_kind["post_only"]}
        for one in by_kind["market"]:
            rested = first[one.position_id, one.purpose]
            # One that the venue refuses does not rest: what it was for goes at market at once.
            assert rested.state is IntentState.REJECTED or one.created_at - rested.created_at >= deadline
        # Reductions are over before the first increase is journalled.
        second = [one for one in orders if one.created_at > orders[0].created_at + DAY / 2]
        reduced = [one.created_at for one in second if one.purpose is Purpose.REDUCE]
        assert max(reduced) <= min(one.created_at for one in second if one.purpose is Purpose.INCREASE)
        assert report.actions["rebalance"] == 2


@pytest.mark.slow
def test_an_unkind_venue_fills_level_by_level_and_every_name_gets_its_contracts(tmp_path):
    """Orders take what a made-up book shows, and lists lag behind what was executed."""
    with book_scene(tmp_path / "home", unkind=True, serve=DAILY) as scene:
        scene.trade(2)
        journal = scene.read()
        try:
            book, held = journal.books.newest(), journal.books.count_held()
            fills, orders = journal.fills(), journal.books.orders()
        finally:
            journal.close()
        assert held == {inst_id(one.name): one.contracts for one in book.names if one.contracts}
        assert held == {inst_id(name): size for name, size in scene.list_held().items()}
        assert all(one.state.final for one in orders)
        made = sum((one.filled_contracts for one in orders), Decimal(0))
        assert sum((fill.contracts for fill in fills), Decimal(0)) == made
        assert len(fills) > len(orders)
        live = {algo.inst_id: algo.size for algo in scene.account.live_algos()}
        assert live == {name: abs(size) for name, size in held.items()}


@pytest.mark.slow
def test_each_name_has_a_stop_of_its_size_at_the_last_decisions_distance(tmp_path):
    with book_scene(tmp_path / "home", serve=DAILY) as scene:
        scene.trade(2)
        journal = scene.read()
        try:
            held, book = journal.books.count_held(), journal.books.newest()
        finally:
            journal.close()
        live = {algo.inst_id: algo for algo in scene.account.live_algos()}
        assert {name: algo.size for name, algo in live.items()} == {name: abs(size) for name, size in held.items()}
        for name, algo in live.items():
            sign = 1 if held[name] > 0 else -1
            close = Decimal(repr(book.find(name.removesuffix("-USDT-SWAP")).price))
            spec = SPECS[name.removesuffix("-USDT-SWAP")]
            assert algo.reduce_only
            assert algo.side == ("sell" if sign > 0 else "buy")
            assert algo.sl_trigger == spec.round_price(close * (1 - sign * Decimal("0.9")))


@pytest.mark.slow
def test_what_others_close_is_booked_and_what_they_open_guards(tmp_path):
    """Two facts make a smaller holding true; a larger one is nobody's word: nothing is increased, reductions go on."""
    from paper_exchange.account.placing import place
    from paper_exchange.params import Params

    with book_scene(tmp_path / "home", serve=DAILY) as scene:
        scene.trade(1)
        held = scene.list_held()
        (closed, size), (grown, other) = list(held.items())[:2]
        for name, contracts, away in ((closed, size, True), (grown, other, False)):
            side = "sell" if (contracts > 0) is away else "buy"
            body = {"instId": f"{name}-USDT-SWAP", "tdMode": "cross", "side": side, "ordType": "market", "sz": "1"}
            place(scene.account, Params(body))
        scene.advance(FIRST + DAY - timedelta(seconds=20))
        report = scene.trade(1)
        journal = scene.read()
        try:
            booked = journal.books.count_held()
            states = [record.reason for record in journal.states.all()]
        finally:
            journal.close()
        step = Decimal(1) if size > 0 else Decimal(-1)
        assert booked[f"{closed}-USDT-SWAP"] == size - step
        assert booked[f"{grown}-USDT-SWAP"] == other
        assert any(f"{grown}-USDT-SWAP: {other} contracts by the journal's executions" in reason for reason in states)
        assert report.actions["skipped"] == 1, report


def test_a_home_of_a_book_does_not_trade_pairs(tmp_path):
    with book_scene(tmp_path / "home", serve=DAILY) as scene:
        scene.trade(1)
        scene.options["strategy"] = {}
        with pytest.raises(ConfigError) as refused:
            scene.trade(1)
        assert "this home trades a book (trend_carry_book: " in str(refused.value)
        assert "--book trend_carry_book" in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"strategy": {"book": "no_book"}}, "no_book"),
        ({"strategy": {"book": "book_ranker"}}, "book_ranker, which learns: what it learnt is in its versions"),
        ({"strategy": {"book": "picked_past"}}, "does not trade: it is there for comparison alone"),
        ({"strategy": {"book": "trend_book", "margin_mode": "isolated"}}, "margin_mode"),
        ({"strategy": {"book": "pair_continuation"}, "serve": {"interval_minutes": 420}}, "interval_minutes"),
        ({"strategy": {"book": "pair_continuation"}, "universe": {"pair_assets": ("BTC", "ETH")}}, "pair_assets lacks"),
    ],
)
def test_settings_that_do_not_fit_a_book_are_refused(tmp_path, changes, said):
    from serving.books.parts import choose_book

    with pytest.raises(Exception, match=said):
        choose_book(Settings(home=tmp_path, **changes))


@pytest.mark.slow
def test_a_stop_that_is_triggered_is_booked_and_nothing_is_in_doubt(tmp_path):
    """Stops so near that a day of the made-up market meets some of them."""
    with book_scene(tmp_path / "home", serve=DAILY, books={"disaster_stop": 0.05}) as scene:
        scene.trade(4)
        journal = scene.read()
        try:
            held, fills = journal.books.count_held(), journal.fills()
            triggered = [fill for fill in fills if (journal.intent(fill.client_order_id).purpose is Purpose.PROTECT)]
            states = {str(record.state) for record in journal.states.all()}
        finally:
            journal.close()
        assert triggered
        assert held == {inst_id(name): size for name, size in scene.list_held().items()}
        assert states == {"trading"}
        live = {algo.inst_id: algo.size for algo in scene.account.live_algos()}
        assert live == {name: abs(size) for name, size in held.items()}
