"""Recorded hours, disturbed: late and corrected bars, an outage and restarts in a replay of days that were traded."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.book_life import cut
from tests.e2e.running import ASSETS, Place
from tests.e2e.test_disturbed_replay import FEW_RETRIES, write_script
from tests.e2e.test_replay import FINGERPRINT, SETTINGS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.recorded, pytest.mark.timeout(3600)]
SINCE = datetime(2024, 3, 4, tzinfo=UTC)
"""The fifth was a day of falls beyond 10%, and of funding that was dear."""
HOURS = 48
UNTIL = SINCE + timedelta(hours=HOURS)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    where = os.environ.get("PAIRITY_RECORDED_DATA")
    if not where:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded hours")
    folder = tmp_path_factory.mktemp("cut") / "recorded"
    return cut(Path(where) / "binance_um", folder, ASSETS, SINCE - timedelta(days=75), UNTIL + timedelta(hours=2))


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
        timeout_s=3000,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 unexplained differences" in done.stdout
    return done.stdout


def prove_parity(home):
    proven = Place(home, SETTINGS).run("parity")
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert "all identical, bit for bit" in proven.stdout


def test_an_outage_and_restarts_on_recorded_hours(place, recording, tmp_path):
    """The undisturbed days first; restarts change nothing of them, and an outage takes its decisions on both sides."""
    home = tmp_path / "replayed"
    plain = replay(place, recording, home)
    assert int(re.search(r"(\d+) positions, ", plain)[1]) > 3
    restarted = replay(place, recording, home, "--again", "--restart", at(9, 30), "--restart", at(37, 59))
    assert FINGERPRINT.search(restarted)[1] == FINGERPRINT.search(plain)[1]
    script = write_script(
        tmp_path / "outage.json", {"at": at(35, 30), "fault": "html_502", "path": "*", "for_s": 5 * 3600}
    )
    out = replay(place, recording, home, "--again", "--faults", script, "--restart", at(20))
    assert "5 explained: no decision while the venue was out" in out
    assert "1 explained: no decision, because the process was killed before it" in out
    prove_parity(home)


def test_late_and_corrected_bars_of_recorded_hours(place, recording, tmp_path):
    """ETH's bar of hour 5 comes two hours late; SOL's of hour 9 is wrong until everything is asked for again."""
    opened = {hour: int((SINCE + timedelta(hours=hour - 1)).timestamp() * 1000) for hour in (5, 9)}
    one = {hour: {"from": ms, "to": ms + 3_600_000} for hour, ms in opened.items()}
    late = {"at": at(4, 30), "fault": "candle_gap", "path": "*candles", "for_s": 3 * 3600}
    wrong = {"at": at(8, 30), "fault": "wrong_candle", "path": "*candles", "for_s": 3 * 3600}
    script = write_script(
        tmp_path / "data.json",
        {**late, "params": {"instId": "ETH-USDT-SWAP", **one[5]}},
        {**wrong, "params": {"instId": "SOL-USDT-SWAP", "share": "0.005", **one[9]}},
    )
    home, until = tmp_path / "replayed", SINCE + timedelta(hours=16)
    replay(
        place, recording, home, "--features", "live", "--faults", script,
        "--recheck", at(12, 30), "--restart", at(7, 20),
        until=until,
    )  # fmt: skip
    prove_parity(home)
