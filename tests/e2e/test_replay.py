"""`pairity replay`: the trading process over the wire does what the backtest does, however features come about."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from tests.e2e.made_up_recording import START, make_recording
from tests.e2e.running import ASSETS, Place

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
HOURS = 60
SINCE = START + timedelta(days=24)
SETTINGS = {
    "PAIRITY_STRATEGY__STOP_BOUNDS": "[0.012, 0.02]",
    "PAIRITY_STRATEGY__TARGET_BOUNDS": "[0.012, 0.05]",
    "PAIRITY_STRATEGY__STOP_ATR": "1",
    "PAIRITY_STRATEGY__TARGET_ATR": "1",
    "PAIRITY_STRATEGY__CORRELATION_MAX": "0.99",
}
FINGERPRINT = re.compile(r"fingerprint of the trades ([0-9a-f]{64})")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("recorded"), ASSETS, 24 * 24 + HOURS + 24)


def replay(place, recording, *options):
    until = SINCE + timedelta(hours=HOURS)
    return place.run(
        "replay",
        *("--data", str(recording), "--from", SINCE.isoformat(), "--to", until.isoformat()),
        *("--rule", "always_revert", *options),
        timeout_s=1200,
    )


def read_vectors(home):
    """Every feature vector that was decided on, by bar, service and entity."""
    journal = ReadingJournal.connect(Layout.of(Settings(home=home)).journal)
    try:
        return {
            (record.event_timestamp, vector.service, vector.entity): (vector.event_timestamp, dict(vector.values))
            for record in journal.decisions()
            for vector in journal.vectors(record.decision_id)
        }
    finally:
        journal.close()


def test_features_computed_hour_by_hour_and_once_give_the_same_trades(recording, tmp_path):
    """The same vectors to the last bit, the same fingerprint, no difference to the backtest; and once more so."""
    place = Place(tmp_path / "home", SETTINGS)
    fingerprints, vectors = [], []
    for features in ("store", "live"):
        home = tmp_path / features
        done = replay(
            place, recording, "--features", features, "--home", str(home), "--legs", "both", "--positions", "2"
        )
        print(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ", 0 unexplained differences" in done.stdout
        fingerprints += FINGERPRINT.findall(done.stdout)
        vectors.append(read_vectors(home))
    assert len(vectors[0]) == (HOURS + 1) * (6 + 4)
    # `repr` tells every bit of a float apart.
    assert {key: repr(value) for key, value in vectors[0].items()} == {
        key: repr(value) for key, value in vectors[1].items()
    }
    again = replay(place, recording, "--again", "--home", str(tmp_path / "store"), "--legs", "both", "--positions", "2")
    assert again.returncode == 0, again.stdout + again.stderr
    fingerprints += FINGERPRINT.findall(again.stdout)
    assert len(fingerprints) == 3
    assert len(set(fingerprints)) == 1
    proven = Place(tmp_path / "store", SETTINGS).run("parity")
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "all identical, bit for bit" in proven.stdout
    positions = int(re.search(r"(\d+) positions, ", again.stdout)[1])
    assert positions > 5


def test_another_backtest_is_told_apart(recording, tmp_path):
    """A strategy that the process was not run with: every trade that it changes is named, and the exit code says so."""
    place = Place(tmp_path / "home", SETTINGS)
    home = tmp_path / "one"
    done = replay(place, recording, "--home", str(home))
    assert done.returncode == 0, done.stdout + done.stderr
    refused = replay(Place(tmp_path / "other", SETTINGS), recording, "--home", str(tmp_path))
    assert refused.returncode == 2
    assert "holds data that no replay made" in refused.stderr


@pytest.mark.parametrize("more", [(), ("--promote-refused",)])
def test_models_that_are_trained_on_the_way_decide_from_their_promotion_on(recording, tmp_path, more):
    """A first model on trial, and what the gate lets through after it, or all; the backtest takes the same scores."""
    place = Place(tmp_path / "home", {**SETTINGS, "PAIRITY_RETRAIN__AT": "05:30"})
    until = SINCE + timedelta(hours=HOURS)
    done = place.run(
        "replay",
        *("--data", str(recording), "--from", SINCE.isoformat(), "--to", until.isoformat()),
        *("--retrain-every", "1", "--history", "20", "--home", str(tmp_path / "walked"), *more),
        timeout_s=1700,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 unexplained differences" in done.stdout
    assert "decided by version 1" in done.stdout or "version 2" in done.stdout
    assert "version 3" in done.stderr, "three trainings: before the first decision, and at two slots"
    if more:
        assert all(f"version {number}" in done.stdout for number in (1, 2, 3)), done.stdout
