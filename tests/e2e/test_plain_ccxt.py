"""The paper exchange is an exchange for anybody's client: a script without a line of pairity trades on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import paper_exchange

pytestmark = pytest.mark.e2e
SCRIPT = Path(__file__).with_name("plain_ccxt_round_trip.py")


def test_the_script_knows_nothing_of_the_project():
    text = SCRIPT.read_text()
    imports = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    assert imports == ["import sys", "import ccxt"]


def test_plain_ccxt_opens_and_closes_a_position_with_stops():
    with paper_exchange() as exchange:
        done = subprocess.run([sys.executable, str(SCRIPT), exchange.url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("opened at ")
    assert "protected by" in done.stdout
