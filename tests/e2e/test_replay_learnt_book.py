"""`pairity replay --model` of a book that learns: the frozen fit of a version trades what its backtest does."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from tests.e2e.book_life import settings_of
from tests.e2e.made_up_recording import START, make_recording
from tests.e2e.running import Place
from tests.e2e.test_replay import FINGERPRINT
from tests.model_registry.book_fits import make_fit
from tests.model_registry.book_versions import make_book, register_book

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
SINCE = START + timedelta(days=93)
UNTIL = SINCE + timedelta(days=4)
MADE_AT = (SINCE - timedelta(days=3)).replace(hour=0)
FAMILIES = ("book_ranker_ridge", "book_ranker", "pair_outcome_boosting")
FEW = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_EXCHANGE__MAX_RETRIES": "0",
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("recorded"), ASSETS, 24 * 98)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home whose registry has a version of each family, fitted before the hours that are replayed."""
    made = Place(tmp_path_factory.mktemp("home") / "home", FEW)
    made.home.mkdir(0o700, parents=True)
    settings = settings_of(made)
    for family in FAMILIES:
        book = make_book(settings, family, fit=make_fit(family, MADE_AT))
        register_book(settings, book, train_end=MADE_AT.isoformat())
    return made


def replay(place, recording, home, *options, code=0):
    done = place.run(
        "replay",
        *("--data", str(recording), "--from", SINCE.isoformat(), "--to", UNTIL.isoformat(), "--home", str(home)),
        *options,
        timeout_s=1200,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def list_decided(home):
    journal = ReadingJournal.connect(Layout.of(Settings(home=home)).journal)
    try:
        return [(book.close - SINCE) // timedelta(days=1) for book in journal.books.all()]
    finally:
        journal.close()


@pytest.fixture(scope="module")
def undisturbed(place, recording, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed") / "replayed"
    said = replay(place, recording, home, "--model", "1")
    assert "decided by book book_ranker_ridge, version 1" in said
    assert ", 0 unexplained differences, 0 explained" in said
    assert int(re.search(r"4 decisions, (\d+) executions", said)[1]) > 5
    return home, FINGERPRINT.search(said)[1]


def test_killed_and_started_again_it_smooths_on_from_the_journal(place, recording, undisturbed):
    home, fingerprint = undisturbed
    midnight = SINCE + timedelta(days=2)
    killed = ("--restart", (midnight + timedelta(hours=5, minutes=7)).isoformat(), "--restart", midnight.isoformat())
    said = replay(place, recording, home, "--again", "--book", "book_ranker_ridge", "--model", "1", *killed)
    assert ", 0 unexplained differences, 0 explained" in said
    assert FINGERPRINT.search(said)[1] == fingerprint


def test_a_decision_that_an_outage_took_is_smoothed_over_on_both_sides(place, recording, undisturbed, tmp_path):
    home, fingerprint = undisturbed
    begin = (SINCE + timedelta(days=2) - timedelta(minutes=30)).isoformat()
    script = tmp_path / "outage.json"
    script.write_text(json.dumps({"event": [{"at": begin, "maintenance": "out", "refuse": True, "for_s": 5 * 3600}]}))
    said = replay(place, recording, home, "--again", "--model", "1", "--faults", str(script))
    assert list_decided(home) == [0, 1, 3, 4]
    assert ", 0 unexplained differences, 1 explained" in said
    assert FINGERPRINT.search(said)[1] != fingerprint


@pytest.mark.parametrize(("version", "family"), [("2", "book_ranker"), ("3", "pair_outcome_boosting")])
def test_boosted_trees_are_replayed_too(place, recording, undisturbed, version, family):
    home, fingerprint = undisturbed
    said = replay(place, recording, home, "--again", "--model", version)
    assert f"decided by book {family}, version {version}" in said
    assert ", 0 unexplained differences, 0 explained" in said
    assert int(re.search(r"4 decisions, (\d+) executions", said)[1]) > 4
    assert FINGERPRINT.search(said)[1] != fingerprint


def test_pairs_are_held_on_over_a_decision_that_an_outage_took(place, recording, undisturbed, tmp_path):
    home, _ = undisturbed
    begin = (SINCE + timedelta(days=2) - timedelta(minutes=30)).isoformat()
    script = tmp_path / "outage.json"
    script.write_text(json.dumps({"event": [{"at": begin, "maintenance": "out", "refuse": True, "for_s": 5 * 3600}]}))
    said = replay(place, recording, home, "--again", "--model", "3", "--faults", str(script))
    assert list_decided(home) == [0, 1, 3, 4]
    assert ", 0 unexplained differences, 1 explained" in said


def test_what_does_not_fit_is_refused(place, recording, tmp_path):
    said = replay(place, recording, tmp_path / "a", "--book", "trend_book", "--model", "1", code=2)
    assert "the book trend_book is asked for, and version 1 is of the family book_ranker_ridge" in said
    said = replay(place, recording, tmp_path / "b", "--book", "book_ranker_ridge", code=2)
    assert "which learns" in said
    assert "a replay takes one with --model" in said
    said = replay(place, recording, tmp_path / "c", "--model", "1", "--rule", "always_revert", code=2)
    assert "both --model and --rule" in said
    early = place.run(
        "replay",
        *("--data", str(recording), "--from", (MADE_AT - timedelta(days=1)).isoformat(), "--to", UNTIL.isoformat()),
        *("--home", str(tmp_path / "d"), "--model", "1"),
    )
    assert early.returncode != 0
    assert "was trained on data up to" in early.stderr
