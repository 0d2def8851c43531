"""A book that learns, traded by a version: the frozen fit decides, in the process as in the backtest, bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from click.testing import CliRunner

from feature_repo.catalog import BOOK_FEATURES
from feature_repo.feature_store import apply_definitions, open_store
from model_registry.loading import verified_directory
from model_registry.stored_books import BOOK_FILE
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import ConfigError, ModelIntegrityError
from pairity.layout import Layout
from pairity_cli.main import main
from serving.books.cycle import BookCycle
from serving.books.lineage import recompute_weight
from serving.journal import Purpose
from serving.journal.book_records import book_from_json, book_to_json
from serving.parity import check_parity
from tests.model_registry.book_fits import LEARNT, make_fit
from tests.serving.books.book_scene import FIRST_ROW, MARKET, SPECS, book_scene
from tests.serving.books.test_book_champion import OPTIONS, make_champion, read_versions
from tests.serving.books.test_book_process import Killed, check_equal_to_backtest, count_ahead, open_mortal
from tests.training.books.markets import make_panel
from training.books.account import BookCosts
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book

EVERYTHING = {"assets": tuple(MARKET["close"])}
RIDGE, TREES, FOREST, PAIRS = LEARNT
MADE_AT = datetime(2025, 3, 18, tzinfo=UTC)
"""Before the end of what made-up versions say they have seen."""


def promote(scene, family, seed=0):
    return make_champion(scene.settings, family=family, fit=make_fit(family, MADE_AT, seed))


def read_decided(scene):
    """Return the decisions with their records and vectors, oldest first."""
    journal = scene.read()
    try:
        return [
            (book, journal.decision(book.decision_id), journal.vectors(book.decision_id))
            for book in journal.books.all()
        ]
    finally:
        journal.close()


def plan_days(family, fit, days, first=FIRST_ROW):
    history = FeatureHistory(make_panel(MARKET, until=FIRST_ROW + 24 * (days - 1) + 2))
    costs, able = BookCosts(5.0, 1.0), frozenset(SPECS)
    return plan_book(history, BOOK_FAMILIES[family], able, first=first, costs=costs, fit=fit)


def list_scores(book):
    return {one.name: one.score for one in book.names if one.score is not None}


@pytest.mark.parametrize("family", [RIDGE, *(pytest.param(one, marks=pytest.mark.slow) for one in LEARNT[1:])])
def test_it_holds_what_the_backtest_of_the_same_fit_holds_after_a_kill_too(tmp_path, family):
    fit = make_fit(family, MADE_AT)
    with book_scene(tmp_path / "home", **OPTIONS, universe=EVERYTHING) as scene:
        champion = promote(scene, family)
        with pytest.raises(Killed):
            scene.trade(3, open_journal=partial(open_mortal, 75))
        assert scene.trade(count_ahead(scene, 3)).problems == []
        check_equal_to_backtest(scene, 3, family=family, fit=fit)
        assert read_versions(scene) == [champion.key] * 3
        books = [book for book, _, _ in read_decided(scene)]
    plan = plan_days(family, fit, 3)
    assert [list_scores(book) for book in books] == [dict(one.target.scores) for one in plan]
    assert [(book.pairs, book.hours_left) for book in books] == [
        (one.target.pairs, one.target.hours_left) for one in plan
    ]
    if family in (FOREST, PAIRS):
        # A pair that was entered is held for its hours, whatever is said of it meanwhile
        kept = [pair for pair, left in books[1].hours_left.items() if left not in (24, 72, 168, 720)]
        assert kept
        assert all(books[0].hours_left[pair] == books[1].hours_left[pair] + 24 for pair in kept)
        return
    # Forecasts go on from what the decision before left: they are not those of their own day alone
    alone = plan_days(family, fit, 3, first=FIRST_ROW + 24)[0]
    assert alone.target.scores != plan[1].target.scores


@pytest.mark.slow
@pytest.mark.parametrize("family", [RIDGE, PAIRS])
def test_what_was_decided_leads_back_to_the_same_floats(tmp_path, monkeypatch, family):
    with book_scene(tmp_path / "home", **OPTIONS, universe=EVERYTHING) as scene:
        champion = promote(scene, family)
        scene.trade(2)
        apply_definitions(scene.settings, open_store(scene.settings))
        report = check_parity(scene.settings)
        assert (report.mismatches, report.decisions) == ((), 2)
        decided = read_decided(scene)
        for book, decision, vectors in decided:
            again = [recompute_weight(scene.settings, decision, book, one.name, vectors) for one in book.names]
            assert all(one.is_same for one in again)
        journal = scene.read()
        try:
            order = [one for one in journal.books.orders() if one.purpose is Purpose.INCREASE][-1]
        finally:
            journal.close()
        monkeypatch.setenv("PAIRITY_HOME", str(scene.settings.home))
        monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(list(MARKET["close"])))
        shown = CliRunner().invoke(main, ["why", order.client_order_id])
        assert shown.exit_code == 0, shown.output
        assert "the same float" in shown.output
        chain = json.loads(CliRunner().invoke(main, ["trace", order.client_order_id, "--chain", "--no-lake"]).stdout)
        assert chain["score"]["same_from_journal"] is True
        # A version whose files are others now recomputes nothing
        book, decision, vectors = decided[-1]
        path = verified_directory(Layout.of(scene.settings), champion) / BOOK_FILE
        path.write_bytes(path.read_bytes().replace(b'"mean": ', b'"mean":  ', 1))
        with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
            recompute_weight(scene.settings, decision, book, "N00", vectors)


@pytest.mark.slow
def test_a_new_version_takes_over_at_the_next_decision_and_goes_on_smoothing(tmp_path, monkeypatch):
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        first = promote(scene, RIDGE)
        begun, later = BookCycle.run, []

        async def run(cycle, close, **options):
            if later or read_versions(scene):
                later.append(promote(scene, RIDGE, seed=1)) if not later else None
            return await begun(cycle, close, **options)

        with monkeypatch.context() as patch:
            patch.setattr(BookCycle, "run", run)
            report = scene.trade(2)
        assert report.problems == []
        assert read_versions(scene) == [first.key, later[0].key]
        (before, _, _), (book, decision, vectors) = read_decided(scene)
        assert before.smoothed
        again = [recompute_weight(scene.settings, decision, book, one.name, vectors) for one in book.names]
        assert all(one.is_same for one in again)
        old = plan_days(RIDGE, make_fit(RIDGE, MADE_AT), 2)[1]
        assert list_scores(book) != dict(old.target.scores)
        new = make_fit(RIDGE, MADE_AT, 1)
        fresh = plan_days(RIDGE, new, 2, first=FIRST_ROW + 24)[0]
        for (days, name), value in book.smoothed.items():
            forecast = next(model.predict(_rank(name))[0] for horizon, model in new.models.items() if horizon == days)
            assert value == before.smoothed[days, name] + (forecast - before.smoothed[days, name]) / days
        assert list_scores(book) != dict(fresh.target.scores)


def _rank(name):
    from model_registry.ranker_fits import rank_columns
    from training.books.ranker import read_universe

    history = FeatureHistory(make_panel(MARKET, until=FIRST_ROW + 26))
    names, table = read_universe(history, FIRST_ROW + 24, frozenset(SPECS), 12)
    return rank_columns(table, names)[[names.index(name)]]


@pytest.mark.slow
def test_a_fit_that_trades_nothing_says_so_at_every_decision(tmp_path):
    idle = replace(make_fit(PAIRS, MADE_AT), models={}, margin=None)
    with book_scene(tmp_path / "home", **OPTIONS, universe=EVERYTHING) as scene:
        make_champion(scene.settings, family=PAIRS, fit=idle)
        assert scene.trade(1).problems == []
        ((book, decision, _),) = read_decided(scene)
    assert not any(one.contracts for one in book.names)
    assert "no margin above costs paid in the folds of the fit of 2025-03-18" in decision.decision.reason


def test_it_is_not_traded_by_its_name(tmp_path):
    with book_scene(tmp_path / "home", **{**OPTIONS, "strategy": {"book": RIDGE}}) as scene:
        promote(scene, RIDGE)
        with pytest.raises(ConfigError, match=r"strategy.book is book_ranker_ridge, which learns") as refused:
            scene.trade(1)
        assert "pairity train --family book_ranker_ridge" in refused.value.remedy


def test_smoothed_forecasts_come_back_to_the_last_bit_and_older_decisions_have_none(tmp_path):
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        promote(scene, RIDGE)
        scene.trade(1)
        ((book, _, _),) = read_decided(scene)
    assert len(book.smoothed) == 2 * len(MARKET["close"])
    text = book_to_json(book)
    assert book_from_json(book.decision_id, book.family, text) == book
    old = {name: value for name, value in json.loads(text).items() if name != "smoothed"}
    assert book_from_json(book.decision_id, book.family, json.dumps(old)).smoothed == {}


def test_what_its_vectors_are_is_declared():
    from model_registry.ranker_fits import RANK_FEATURES

    assert set(RANK_FEATURES) <= set(BOOK_FEATURES.features)


@pytest.mark.slow
def test_its_volatility_is_measured_the_same_since_whenever_it_trades():
    """With a target of volatility a plan that begins later scales as one that began before it."""
    from pairity.books.limits import BookLimits
    from tests.training.books.markets import make_market

    panel = make_panel(make_market(7, names=8, hours=3_760))
    history, fit, costs = FeatureHistory(panel), make_fit(RIDGE, MADE_AT), BookCosts(5.0, 1.0)
    able, limits = frozenset(panel.names), BookLimits(volatility=0.05)
    book = BOOK_FAMILIES[RIDGE]
    long, short = (
        plan_book(history, book, able, first=first, limits=limits, costs=costs, fit=fit)
        for first in (FIRST_ROW, FIRST_ROW + 24 * 63)
    )
    assert any(step.long < 1 for step in short[0].steps)
    assert [one.steps for one in long if one.hour == short[0].hour] == [short[0].steps]
