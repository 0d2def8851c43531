"""What a combination decided leads back to the same floats: parity, the chain behind an order, members in between."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from feature_repo.feature_store import apply_definitions, open_store
from pairity.books.families import BOOK_FAMILIES
from pairity.books.members import MemberState, MemberStep
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity_cli.main import main
from serving.books.lineage import recompute_weight
from serving.books.members import FEATURE, explain_passed_over, walk_again
from serving.books.volatility import SERVICE
from serving.journal import BookRecord, Purpose
from serving.journal.book_records import book_to_json
from serving.parity import check_parity
from serving.parity_causes import Cause
from tests.model_registry.book_fits import make_fit
from tests.serving.books.book_scene import MARKET, book_scene, publish_funding
from tests.serving.books.test_book_champion import make_champion
from tests.serving.books.test_combined_book import MEMBERS, OFTEN, SHRUNK
from tests.serving.books.test_learnt_book import MADE_AT, read_decided
from training.books.present import measure_book

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with book_scene(tmp_path_factory.mktemp("home") / "home", **OFTEN) as scene:
        publish_funding(Layout.of(scene.settings))
        make_champion(scene.settings, family=SHRUNK, fit=make_fit(SHRUNK, MADE_AT))
        assert scene.trade(4).problems == []
        apply_definitions(scene.settings, open_store(scene.settings))
        yield scene


def test_everything_that_it_was_decided_on_is_what_the_store_says(scene):
    report = check_parity(scene.settings, measure=measure_book)
    assert (report.mismatches, report.decisions) == ((), 2)
    (between,) = [one for one in report.features if one.service == SERVICE]
    assert (between.feature, between.compared, between.different) == (FEATURE, 2 + 7, 0)


def test_every_weight_is_computed_again_from_the_journal(scene):
    for book, decision, vectors in read_decided(scene):
        again = [recompute_weight(scene.settings, decision, book, one.name, vectors) for one in book.names]
        assert all(one.is_same for one in again)
        assert any(one.recorded for one in again)


def test_the_chain_behind_an_order_and_the_reason_say_which_book_wants_what(scene, monkeypatch):
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
    for words in ("of carry_book", "of pair_continuation", "of book_ranker_ridge"):
        assert words in " ".join(shown.output.split())
    chain = json.loads(CliRunner().invoke(main, ["trace", order.client_order_id, "--chain", "--no-lake"]).stdout)
    assert chain["score"]["same_from_journal"] is True


def test_what_a_member_decided_in_between_is_found_where_it_was_changed(scene):
    (before, _, _), (book, _, _) = read_decided(scene)
    assert before.walked is None
    assert before.members["pair_continuation"].between == ()
    assert len(book.members["pair_continuation"].between) == 2
    own = book.members["pair_continuation"]
    pair, side = next(iter(own.between[1].pairs.items()))
    turned = replace(own.between[1], pairs={**own.between[1].pairs, pair: -side})
    other = {**book.members, "pair_continuation": replace(own, between=(own.between[0], turned))}
    write(scene, replace(book, members=other))
    try:
        (found,) = check_parity(scene.settings, measure=measure_book).mismatches
        assert (found.service, found.feature, found.entity) == (SERVICE, FEATURE, "pair_continuation")
        assert (found.bar, found.cause) == (book.close, Cause.OTHER)
        assert found.online != found.offline
    finally:
        write(scene, book)


def test_what_a_member_earned_is_found_where_it_was_changed(scene):
    _, (book, decision, vectors) = read_decided(scene)
    own = book.members["carry_book"]
    other = {**book.members, "carry_book": replace(own, earned=own.earned + 1e-3)}
    write(scene, replace(book, members=other))
    try:
        (found,) = check_parity(scene.settings, measure=measure_book).mismatches
        assert (found.entity, found.online) == ("carry_book", f"earned {own.earned + 1e-3!r}")
        # It is what shares follow, from the ninetieth day on: weights are others with it
        changed = replace(book, members=other)
        again = [recompute_weight(scene.settings, decision, changed, one.name, vectors) for one in book.names]
        assert not all(one.is_same for one in again)
    finally:
        write(scene, book)


def test_a_name_that_left_the_store_moves_nothing(scene):
    (before, _, _), (book, _, _) = read_decided(scene)
    own = before.members["trend_book"]
    weights = {**own.weights, "GONE": 0.1}
    left = replace(before, members={**before.members, "trend_book": replace(own, weights=weights)})
    assert walk_again(scene.settings, book, left, measure_book).different == []


def test_data_that_are_gone_are_a_difference_and_not_a_failure(scene):
    def lack(*_, **__):
        raise MissingDataError("no bar is stored", "collect it")

    (before, _, _), (book, _, _) = read_decided(scene)
    found = walk_again(scene.settings, book, before, lack)
    assert found.fault == "no bar is stored"
    steps = [("pair_continuation", None)] * 2
    assert sorted((name, again) for name, _, again in found.different) == sorted(
        [*steps, *((name, None) for name in MEMBERS)]
    )


def write(scene, book):
    with sqlite3.connect(Layout.of(scene.settings).journal) as connection:
        connection.execute(
            "UPDATE book_decisions SET book_json = ? WHERE decision_id = ?", (book_to_json(book), book.decision_id)
        )
    connection.close()


def test_decisions_of_members_that_nobody_made_are_said():
    family, close = BOOK_FAMILIES[SHRUNK], datetime(2025, 4, 2, tzinfo=UTC)
    made = {name: MemberState(begun=True, weights={}) for name in MEMBERS}
    before = BookRecord(
        decision_id="x", family=SHRUNK, close=close, equity_usdt=1.0, names=(), steps=(), pairs={}, members=made
    )
    after = close + timedelta(days=1)
    said = ["pair_continuation passed over 2 decisions of its own: no name was known in time"]
    assert explain_passed_over(family, before, made, after) == said
    steps = tuple(MemberStep(close + timedelta(hours=hours), {}, {}) for hours in (8, 16))
    walked = {**made, "pair_continuation": MemberState(begun=True, weights={}, between=steps)}
    assert explain_passed_over(family, before, walked, after) == []
    (said,) = explain_passed_over(family, before, walked, after + timedelta(days=1))
    assert "passed over 3 decisions" in said
    for other in (None, replace(before, family="combined_equal")):
        assert explain_passed_over(family, other, made, after) == []
