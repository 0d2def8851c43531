"""`pairity replay --book`: a book through the trading process over the wire holds and earns what its backtest does."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from tests.e2e.made_up_recording import START, make_recording
from tests.e2e.running import Place
from tests.e2e.test_replay import FINGERPRINT

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
SINCE = START + timedelta(days=93)
UNTIL = SINCE + timedelta(days=4)
FEW = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_UNIVERSE__PAIR_ASSETS": json.dumps(ASSETS[:2]),
    # A retry of a request that an outage refuses takes a real second.
    "PAIRITY_EXCHANGE__MAX_RETRIES": "0",
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("recorded"), ASSETS, 24 * 98)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("home") / "home", FEW)


def replay(place, recording, home, *options, code=0):
    done = place.run(
        "replay",
        *("--data", str(recording), "--from", SINCE.isoformat(), "--to", UNTIL.isoformat(), "--home", str(home)),
        *("--book", "trend_carry_book", *options),
        timeout_s=1200,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def list_decided(home):
    journal = ReadingJournal.connect(Layout.of(Settings(home=home)).journal)
    try:
        return [(book.close - SINCE) // timedelta(days=1) for book in journal.books.all()]
    finally:
        journal.close()


@pytest.fixture(scope="module")
def undisturbed(place, recording, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed") / "replayed"
    said = replay(place, recording, home)
    assert ", 0 unexplained differences, 0 explained" in said
    assert int(re.search(r"4 decisions, (\d+) executions", said)[1]) > 10
    assert list_decided(home) == [0, 1, 2, 3, 4]
    return home, FINGERPRINT.search(said)[1]


def test_hour_by_hour_and_with_restarts_the_same_is_traded(place, recording, undisturbed, tmp_path):
    home, fingerprint = undisturbed
    midnight = SINCE + timedelta(days=2)
    killed = ("--restart", (midnight + timedelta(hours=5, minutes=7)).isoformat(), "--restart", midnight.isoformat())
    said = replay(place, recording, home, "--again", *killed)
    assert ", 0 unexplained differences, 0 explained" in said
    assert FINGERPRINT.search(said)[1] == fingerprint
    live = replay(place, recording, tmp_path / "live", "--features", "live")
    assert ", 0 unexplained differences, 0 explained" in live
    assert FINGERPRINT.search(live)[1] == fingerprint


def test_a_decision_that_an_outage_took_is_missing_in_the_backtest_too(place, recording, undisturbed, tmp_path):
    home, fingerprint = undisturbed
    begin = (SINCE + timedelta(days=2) - timedelta(minutes=30)).isoformat()
    script = tmp_path / "outage.json"
    script.write_text(json.dumps({"event": [{"at": begin, "maintenance": "out", "refuse": True, "for_s": 5 * 3600}]}))
    said = replay(place, recording, home, "--again", "--faults", str(script))
    assert list_decided(home) == [0, 1, 3, 4]
    assert ", 0 unexplained differences, 1 explained" in said
    assert "1 explained: no decision while the venue was out" in said
    assert FINGERPRINT.search(said)[1] != fingerprint


def test_a_decision_that_an_outage_delayed_is_filled_as_late_on_both_sides(place, recording, undisturbed, tmp_path):
    home, fingerprint = undisturbed
    begin = (SINCE + timedelta(days=2) - timedelta(minutes=30)).isoformat()
    script = tmp_path / "outage.json"
    script.write_text(json.dumps({"event": [{"at": begin, "fault": "html_502", "path": "*", "for_s": 2 * 3600}]}))
    said = replay(place, recording, home, "--again", "--faults", str(script))
    assert list_decided(home) == [0, 1, 2, 3, 4]
    assert ", 0 unexplained differences, 1 explained" in said
    assert "1 explained: a decision that an outage or a restart delayed" in said
    assert FINGERPRINT.search(said)[1] != fingerprint


def test_orders_that_the_venue_does_not_take_are_a_difference(place, recording, undisturbed, tmp_path):
    """The venue refuses every order of a day: what the backtest traded then is named, and the exit code says so."""
    home, _ = undisturbed
    script = tmp_path / "reject.json"
    begin = (SINCE + timedelta(days=1) - timedelta(minutes=30)).isoformat()
    refused = {"at": begin, "fault": "code", "path": "POST trade/order", "for_s": 23 * 3600}
    refused["params"] = {"code": "51028", "msg": "not now", "http_status": 200}
    script.write_text(json.dumps({"event": [refused]}))
    said = replay(place, recording, home, "--again", "--faults", str(script), code=1)
    assert re.search(r"[1-9]\d* unexplained differences", said)
