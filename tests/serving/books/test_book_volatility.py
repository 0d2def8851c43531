"""The volatility that a book's target was compared with: journalled, measured again, and a changed one is named."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest
from click.testing import CliRunner

from feature_repo.feature_store import apply_definitions, open_store
from pairity.books.present import MeasuredBook
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity_cli.main import main
from serving.books.volatility import FEATURE, SERVICE, measure_again
from serving.journal.book_records import RealisedVolatility, book_from_json, book_to_json
from serving.order_chain import walk_chain
from serving.parity import check_parity
from serving.parity_causes import Cause
from serving.views.order_chain import view_chain
from tests.serving.books.book_scene import FIRST, MARKET, SPECS, book_scene

TARGET, CALM = 0.4, 0.1234567890123456
OPTIONS = {
    "serve": {"port": 0, "lease": False, "interval_minutes": 1440},
    "books": {"disaster_stop": 0.9, "volatility_target": TARGET},
}
ASKED = []


def measure(settings, family, limits, able, fit=None, left=None, *, close, now):
    """Depend on everything that a measure is given."""
    ASKED.append((settings.universe.assets, family.name, limits.volatility, frozenset(able), close, now))
    return MeasuredBook(CALM + (close - FIRST).days)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with book_scene(tmp_path_factory.mktemp("home") / "home", **OPTIONS) as scene:
        scene.trade(2, measure=measure)
        apply_definitions(scene.settings, open_store(scene.settings))
        yield scene


def again(scene, book, how=None):
    journal = scene.read()
    try:
        decision = journal.decision(book.decision_id)
    finally:
        journal.close()
    return measure_again(scene.settings, decision, book, how or measure)


def read(scene):
    journal = scene.read()
    try:
        return journal.books.all(), journal.books.orders()
    finally:
        journal.close()


def test_what_it_was_measured_of_is_journalled_and_measured_again_alike(scene):
    books, _ = read(scene)
    assert [one.volatility.value for one in books] == [CALM, CALM + 1]
    asked = list(ASKED[:2])
    for book, (_, _, target, able, close, now) in zip(books, asked, strict=True):
        kept = book.volatility
        assert (kept.target, frozenset(kept.names), book.close, kept.known_at) == (target, able, close, now)
        assert kept.names == tuple(name for name in MARKET["close"] if name in SPECS)
        assert again(scene, book).is_same
    assert {one[1:] for one in ASKED[2:]} == {one[1:] for one in asked}
    assert book_from_json("d", books[0].family, book_to_json(books[0])) == replace(books[0], decision_id="d")


def test_parity_compares_it_and_names_one_that_was_changed(scene):
    report = check_parity(scene.settings, measure=measure)
    assert report.mismatches == ()
    (row,) = (one for one in report.features if one.service == SERVICE)
    assert (row.feature, row.compared, row.different) == (FEATURE, 2, 0)
    assert all(one.service != SERVICE for one in check_parity(scene.settings).features)
    books, _ = read(scene)
    with changed(scene, books[1], lambda value: value * (1 + 2**-52)):
        report = check_parity(scene.settings, measure=measure)
        (found,) = report.mismatches
        assert (found.service, found.feature, found.entity, found.bar) == (
            SERVICE,
            FEATURE,
            books[1].family,
            books[1].close,
        )
        assert (found.online, found.offline, found.cause) == ((CALM + 1) * (1 + 2**-52), CALM + 1, Cause.OTHER)
    with changed(scene, books[0], lambda _: None):
        (found,) = check_parity(scene.settings, measure=measure).mismatches
        assert (found.bar, found.online, found.cause) == (FIRST, None, Cause.MISSING)


def test_data_that_are_gone_are_a_difference_and_not_a_failure(scene):
    def lack(*_, **__):
        raise MissingDataError("no bar is stored", "collect it")

    found = check_parity(scene.settings, measure=lack).mismatches
    assert [(one.online, one.offline, one.cause) for one in found] == [
        (CALM, None, Cause.EXTRA),
        (CALM + 1, None, Cause.EXTRA),
    ]
    books, _ = read(scene)
    assert again(scene, books[0], lack).fault == "no bar is stored"


def test_the_chain_behind_an_order_has_it(scene, monkeypatch):
    _, orders = read(scene)
    view = view_chain(walk_chain(scene.settings, orders[0].client_order_id, from_lake=False, measure=measure))
    assert (view.volatility.recorded, view.volatility.measured_again, view.volatility.same) == (CALM, CALM, True)
    assert view.volatility.target == TARGET
    monkeypatch.setattr("training.books.present.measure_book", measure)
    monkeypatch.setenv("PAIRITY_HOME", str(scene.settings.home))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(list(MARKET["close"])))
    shown = CliRunner().invoke(main, ["why", orders[0].client_order_id])
    assert shown.exit_code == 0, shown.output
    assert f"in the journal {CALM!r}" in shown.output
    assert f"measured again {CALM!r}: the same float" in " ".join(shown.output.split())


def test_decisions_without_a_target_and_of_earlier_releases_have_none(tmp_path):
    with book_scene(tmp_path / "home", serve=OPTIONS["serve"]) as scene:
        scene.trade(1)
        ((book,), _) = read(scene)
        assert book.volatility is None
        assert 'volatility": {' not in book_to_json(book)
        assert again(scene, book) is None
        assert all(one.service != SERVICE for one in check_parity_of(scene).features)


def check_parity_of(scene):
    apply_definitions(scene.settings, open_store(scene.settings))
    return check_parity(scene.settings, measure=measure)


class changed:
    """The journal with another value in one decision, which is put back."""

    def __init__(self, scene, book, change):
        self.path, self.book, self.change = Layout.of(scene.settings).journal, book, change

    def write(self, value):
        kept = self.book.volatility
        text = book_to_json(
            replace(
                self.book,
                volatility=RealisedVolatility(
                    value=value, target=kept.target, names=kept.names, known_at=kept.known_at
                ),
            )
        )
        with sqlite3.connect(self.path) as connection:
            connection.execute(
                "UPDATE book_decisions SET book_json = ? WHERE decision_id = ?", (text, self.book.decision_id)
            )
        connection.close()

    def __enter__(self):
        self.write(self.change(self.book.volatility.value))

    def __exit__(self, *_):
        self.write(self.book.volatility.value)
