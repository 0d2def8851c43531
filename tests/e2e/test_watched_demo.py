"""A demo that is watched: its clock runs, its page answers meanwhile and stays after the last decision."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request

import pytest

from tests.e2e.running import Place

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
HOURS, SPEED = 3, 240


def read_status(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


@pytest.mark.timeout(900)
def test_the_page_shows_a_day_as_it_is_traded_and_stays_open(tmp_path):
    home = tmp_path / "demo"
    place = Place(tmp_path / "elsewhere")
    options = ("--watch", "--speed", str(SPEED), "--cycles", str(HOURS), "--history", "22", "--keep-open")
    process = place.start("demo", "--home", str(home), *options)
    said, seen = [], []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"status while trading: (http://127\.0\.0\.1:\d+/status)", line):
                url = found[1]
                break
        else:
            pytest.fail("".join(said))
        begun = time.monotonic()
        while (status := read_status(url))["state"] != "stopped":
            assert time.monotonic() - begun < 500, (status, "".join(said))
            seen.append((status["cycles"], status["event_timestamp"]))
            time.sleep(0.5)
        # Every hour was there to be seen while it was the newest, and took its time.
        assert [cycles for cycles, _ in sorted(set(seen)) if cycles] == list(range(1, HOURS))
        assert time.monotonic() - begun > (HOURS - 1) * 3600 / SPEED
        assert status["cycles"] == HOURS
        assert status["problems"] == []
        for line in process.stdout:
            said.append(line)
            if "the page stays open" in line:
                break
        text = "".join(said)
        assert f"{HOURS} decisions" in text
        assert "all identical, bit for bit" in text
        assert read_status(url)["state"] == "stopped"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
