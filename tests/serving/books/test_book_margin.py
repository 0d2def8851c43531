"""A book that asks for more than its account can margin: scaled alike by process and backtest; or refused."""

from __future__ import annotations

import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import BookLimits
from pairity.books.margin import with_margin
from pairity.books.present import MeasuredBook
from pairity.timeline import HOUR
from pairity.universe import exact, inst_id
from paper_exchange.account.placing import place
from paper_exchange.params import Params
from serving.journal import IntentState
from tests.serving.books.book_scene import DAY, EQUITY, FIRST, FIRST_ROW, MARKET, SPECS, book_scene
from tests.serving.books.test_book_process import check_equal_to_backtest
from tests.training.books.markets import make_panel
from training.books.bench import BookBench
from training.books.history_features import FeatureHistory
from training.books.stored_market import make_book_terms

CALM, TARGET = 0.1, 0.4
"""Realised volatility and its target: the book is scaled by 4, and its gross goes beyond 1."""
LIMITS = with_margin(BookLimits(volatility=TARGET), 1)
OPTIONS = {
    "serve": {"port": 0, "lease": False, "interval_minutes": 1440},
    "books": {"disaster_stop": 0.9, "volatility_target": TARGET},
}


@pytest.fixture(autouse=True)
def loose(monkeypatch):
    monkeypatch.setattr("pairity.books.limits.MOST_SCALE", 4.0)


def trade(scene, days):
    return scene.trade(days, measure=lambda *_, **__: MeasuredBook(CALM))


def read(scene):
    journal = scene.read()
    try:
        books, orders = journal.books.all(), journal.books.orders()
        answers = {one.client_order_id: journal.events(one.client_order_id)[-1].answer for one in orders}
    finally:
        journal.close()
    return books, orders, answers


def test_increases_fit_into_the_margin_and_the_backtest_says_the_same(tmp_path):
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        report = trade(scene, 4)
        assert report.problems == []
        check_equal_to_backtest(scene, 4, limits=LIMITS, realised=CALM)
        books, orders, _ = read(scene)
    assert all(order.state is IntentState.FILLED for order in orders)
    assert any("initial margin: gross 1." in step for step in books[0].steps)
    drifted = [book for book in books if "increases ×" in book.steps[-1]]
    assert drifted
    for book in books:
        gross = sum(abs(float(one.contracts)) * one.price for one in book.names if one.price)
        opened = any(abs(one.contracts) > abs(one.held) or one.contracts * one.held < 0 for one in book.names)
        assert gross <= 0.99 * book.equity_usdt or not opened
    assert any("initial margin" in name.why for name in books[0].names)


def test_at_a_leverage_of_one_the_margin_binds_in_process_and_study_alike(tmp_path, monkeypatch):
    """A gross limit that is far away scales nothing: what the account can margin does, wherever the book is traded.

    Eight names that are capped have a gross of 0.88: here an account margins half of its equity.
    """
    monkeypatch.setattr("pairity.books.margin.SHARE", 0.5)
    books = {"disaster_stop": 0.9, "gross_max": 5.0}
    strategy = {"book": "trend_book"}
    with book_scene(tmp_path / "home", serve=OPTIONS["serve"], books=books, strategy=strategy) as scene:
        assert scene.trade(3).problems == []
        settings = scene.settings
        decided, _, _ = read(scene)
    history = FeatureHistory(make_panel(MARKET, until=FIRST_ROW + 24 * 2 + 3))
    terms = make_book_terms(settings)
    studied = BookBench(history, BOOK_FAMILIES["trend_book"], terms, SPECS, FIRST_ROW).run().decisions
    assert len(studied) >= len(decided) == 3
    for ours, theirs in zip(decided, studied, strict=False):
        assert [*ours.steps][:2] == [f"{step.name}: {step.why}" for step in theirs.plan.steps]
        assert ours.steps[1].startswith("initial margin: gross ")
        assert ours.steps[1].endswith(", at most 0.5")
        wanted = {name: weight for name, weight in theirs.plan.weights.items() if weight}
        assert {one.name: one.target for one in ours.names if one.target} == wanted
        assert sum(map(abs, wanted.values())) == pytest.approx(0.5)


def test_without_the_scale_the_venue_refuses_and_the_record_says_why(tmp_path, monkeypatch):
    """What a venue refuses for want of margin is given up until the next decision; the rest of the book is traded."""
    monkeypatch.setattr("pairity.books.margin.SHARE", 3.0)
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        report = trade(scene, 1)
        scene.options["serve"] = {"port": 0, "lease": False, "interval_minutes": 60}
        scene.advance(FIRST + HOUR / 2)
        report = trade(scene, 1)
        books, orders, answers = read(scene)
        refused = [order for order in orders if order.state is IntentState.REJECTED]
        assert refused, report.problems
        assert all("51008" in answers[order.client_order_id] for order in refused)
        assert any("is not increased until the next decision" in problem for problem in report.problems)
        held = scene.list_held()
    wanted = {one.name: one.contracts for one in books[-1].names if one.contracts}
    given_up = {order.instrument.partition("-")[0] for order in refused}
    assert {name: size for name, size in held.items() if name not in given_up} == {
        name: size for name, size in wanted.items() if name not in given_up
    }


def test_margin_that_serves_others_is_not_asked_for(tmp_path):
    """Somebody trades by hand on the same account: the book takes what is left, and its record says so."""
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        trade(scene, 1)
        before = scene.list_held()
        free = sorted(MARKET["close"].keys() - before.keys())[0]
        price = float(scene.account.last(inst_id(free)))
        contracts = SPECS[free].contracts_for(exact(0.9 * EQUITY), exact(price))  # leverage 3
        close_half(scene, before)
        body = {"instId": inst_id(free), "tdMode": "cross", "side": "buy", "ordType": "market", "sz": str(contracts)}
        place(scene.account, Params(body))
        scene.advance(FIRST + DAY - HOUR / 60)
        report = trade(scene, 1)
        books, orders, _ = read(scene)
        assert scene.account.available() >= 0
    assert len(books) == 2
    assert "USDT of the account's margin serve others" in books[-1].steps[0]
    gross = sum(abs(float(one.contracts)) * one.price for one in books[-1].names if one.price)
    assert 0 < gross < 0.71 * books[-1].equity_usdt
    assert all(order.state is IntentState.FILLED for order in orders), report.problems


def close_half(scene, held):
    """Close half of everything by hand, so that there is margin for another position."""
    for name, size in held.items():
        lots = (abs(size) / 2).quantize(SPECS[name].lot_sz)
        side = "sell" if size > 0 else "buy"
        body = {"instId": inst_id(name), "tdMode": "cross", "side": side, "ordType": "market", "sz": str(lots)}
        place(scene.account, Params(body | {"reduceOnly": "true"}))
