"""`pairity replay` with an outage, restarts, late bars and corrected ones: what the process then did is explained."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from tests.e2e.made_up_recording import START, make_recording
from tests.e2e.running import ASSETS, Place
from tests.e2e.test_replay import FINGERPRINT, SETTINGS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]
HOURS = 48
SINCE = START + timedelta(days=24)
UNTIL = SINCE + timedelta(hours=HOURS)
# A retry of a request that an outage refuses takes a real second.
FEW_RETRIES = {"PAIRITY_EXCHANGE__MAX_RETRIES": "0"}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("recorded"), ASSETS, 24 * 24 + HOURS + 24)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("home") / "home", SETTINGS | FEW_RETRIES)


def at(hours, minutes=0):
    return (SINCE + timedelta(hours=hours, minutes=minutes)).isoformat()


def replay(place, recording, home, *options, until=UNTIL):
    done = place.run(
        "replay",
        *("--data", str(recording), "--from", SINCE.isoformat(), "--to", until.isoformat(), "--home", str(home)),
        *("--rule", "always_revert", "--legs", "both", "--positions", "2", *options),
        timeout_s=1200,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 unexplained differences" in done.stdout
    return done.stdout


def write_script(path, *events):
    path.write_text(json.dumps({"event": list(events)}))
    return str(path)


def list_decided(home):
    journal = ReadingJournal.connect(Layout.of(Settings(home=home)).journal)
    try:
        return [round((record.event_timestamp - SINCE) / timedelta(hours=1)) for record in journal.decisions()]
    finally:
        journal.close()


@pytest.fixture(scope="module")
def undisturbed(place, recording, tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed") / "replayed"
    return home, FINGERPRINT.search(replay(place, recording, home))[1]


def test_a_restart_between_two_decisions_changes_nothing(place, recording, undisturbed):
    home, fingerprint = undisturbed
    said = replay(place, recording, home, "--again", "--restart", at(9, 30), "--restart", at(30, 59))
    assert FINGERPRINT.search(said)[1] == fingerprint
    assert list_decided(home) == list(range(HOURS + 1))


def test_the_decision_before_which_the_process_is_killed_is_missing_in_the_backtest_too(place, recording, undisturbed):
    said = replay(place, recording, undisturbed[0], "--again", "--restart", (SINCE + timedelta(hours=20)).isoformat())
    assert list_decided(undisturbed[0]) == [hour for hour in range(HOURS + 1) if hour != 20]
    assert "1 explained: no decision, because the process was killed before it" in said


def test_an_outage_of_the_venue_has_no_decisions_here_or_there(place, recording, undisturbed, tmp_path):
    script = write_script(
        tmp_path / "outage.json",
        {"at": at(10, 30), "maintenance": "outage", "refuse": True, "for_s": 5 * 3600},
        {"at": at(30, 30), "fault": "html_502", "path": "*", "for_s": 2 * 3600},
    )
    said = replay(place, recording, undisturbed[0], "--again", "--faults", script)
    missing = [11, 12, 13, 14, 15, 31, 32]
    assert list_decided(undisturbed[0]) == [hour for hour in range(HOURS + 1) if hour not in missing]
    assert re.search(r"\b7 explained: no decision while the venue was out", said)


def test_late_and_corrected_bars_are_decided_on_as_they_were_known(place, recording, tmp_path):
    """ETH's bar of hour 5 comes two hours late, and SOL's of hour 9 is wrong until everything is asked for again."""
    opened = {hour: int((SINCE + timedelta(hours=hour - 1)).timestamp() * 1000) for hour in (5, 9)}
    one = {hour: {"from": ms, "to": ms + 3_600_000} for hour, ms in opened.items()}
    script = write_script(
        tmp_path / "data.json",
        {
            **{"at": at(4, 30), "fault": "candle_gap", "path": "*candles", "for_s": 3 * 3600},
            "params": {"instId": "ETH-USDT-SWAP", **one[5]},
        },
        {
            # So little that the venue takes the stops of an order that goes by it.
            **{"at": at(8, 30), "fault": "wrong_candle", "path": "*candles", "for_s": 3 * 3600},
            "params": {"instId": "SOL-USDT-SWAP", "share": "0.005", **one[9]},
        },
    )
    home, until = tmp_path / "replayed", SINCE + timedelta(hours=16)
    options = ("--features", "live", "--faults", script, "--recheck", at(12, 30))
    replay(place, recording, home, *options, until=until)
    proven = Place(home, SETTINGS).run("parity")
    print(proven.stdout)
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "all identical, bit for bit" in proven.stdout
