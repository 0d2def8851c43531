"""`pairity replay --model` of a combination: the version trades what its backtest does, whatever happens between."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from tests.e2e.book_life import settings_of
from tests.e2e.made_up_recording import make_recording
from tests.e2e.running import Place
from tests.e2e.test_replay import FINGERPRINT
from tests.e2e.test_replay_learnt_book import ASSETS, FEW, MADE_AT, SINCE, list_decided, replay
from tests.model_registry.book_fits import make_fit
from tests.model_registry.book_versions import make_book, register_book

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
FAMILIES = ("combined_equal", "combined_shrunk")


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


def list_between(home):
    """Return by decision how many hours before it members decided."""
    journal = ReadingJournal.connect(Layout.of(Settings(home=home)).journal)
    try:
        return [
            [(book.close - step.close) // timedelta(hours=1) for step in book.members["pair_continuation"].between]
            for book in journal.books.all()
        ]
    finally:
        journal.close()


@pytest.fixture(scope="module", params=FAMILIES)
def undisturbed(request, place, recording, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed") / "replayed"
    version = str(FAMILIES.index(request.param) + 1)
    said = replay(place, recording, home, "--model", version)
    assert f"decided by book {request.param}, version {version}" in said
    assert ", 0 unexplained differences, 0 explained" in said
    assert int(re.search(r"4 decisions, (\d+) executions", said)[1]) > 5
    assert list_between(home) == [[], [16, 8], [16, 8], [16, 8], [16, 8]]
    return home, version, FINGERPRINT.search(said)[1]


def test_killed_and_started_again_it_goes_on_from_the_journal(place, recording, undisturbed):
    home, version, fingerprint = undisturbed
    midnight = SINCE + timedelta(days=2)
    killed = [midnight + timedelta(hours=8, minutes=7), midnight]
    options = [word for at in killed for word in ("--restart", at.isoformat())]
    said = replay(place, recording, home, "--again", "--model", version, *options)
    assert ", 0 unexplained differences, 0 explained" in said
    assert FINGERPRINT.search(said)[1] == fingerprint


def test_a_decision_that_an_outage_took_is_gone_over_on_both_sides(place, recording, undisturbed, tmp_path):
    home, version, _ = undisturbed
    begin = (SINCE + timedelta(days=2) - timedelta(minutes=30)).isoformat()
    script = tmp_path / "outage.json"
    script.write_text(json.dumps({"event": [{"at": begin, "maintenance": "out", "refuse": True, "for_s": 5 * 3600}]}))
    said = replay(place, recording, home, "--again", "--model", version, "--faults", str(script))
    assert list_decided(home) == [0, 1, 3, 4]
    assert ", 0 unexplained differences, 1 explained" in said


def test_its_parity_holds_and_it_is_refused_by_its_name(place, recording, undisturbed, tmp_path):
    home, _, _ = undisturbed
    own = Place(home, FEW)
    done = own.run("parity")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all identical, bit for bit" in done.stdout
    said = replay(place, recording, tmp_path / "a", "--book", "combined_equal", code=2)
    assert "which combines books: what they learnt is in its versions" in said
