"""The process: one line when ready, a clean end on a signal, clear refusals."""

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import ccxt
import pytest

from tests.paper_exchange.exchange_server import client


@contextmanager
def process(*arguments):
    command = [sys.executable, "-m", "paper_exchange", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_one_line_when_ready_and_a_clean_end(number):
    with process("--clock", "stepped", "--seed", "3", "--control", "--unkind") as running:
        line = running.stdout.readline()
        assert line.startswith("paper exchange: http://127.0.0.1:")
        assert line.endswith("(synthetic (seed 3), clock stepped from 2026-01-01T00:00:00Z)\n")
        okx = client(line.split()[2])
        assert okx.fetch_time() == 1_767_225_600_000
        running.send_signal(number)
        rest, errors = running.communicate(timeout=20)
        assert (running.returncode, rest, errors) == (0, "", "")


@pytest.mark.e2e
def test_a_script_an_unkind_venue_and_another_fee_currency(tmp_path):
    script = tmp_path / "drill.toml"
    script.write_text('[[event]]\nafter_requests = 1\npath = "public/time"\nfault = "maintenance_50001"\n')
    options = ["--clock", "stepped", "--faults", str(script), "--unkind", "--fee-currency", "OKB=50"]
    with process(*options) as running:
        okx = client(running.stdout.readline().split()[2])
        assert okx.fetch_time() == 1_767_225_600_000
        with pytest.raises(ccxt.OnMaintenance):
            okx.fetch_time()
        rows = okx.public_get_public_instruments({"instType": "SWAP"})["data"]
        assert any(row["minSz"] != row["lotSz"] for row in rows)
        assert set(okx.fetch_balance()["total"]) == {"USDT", "OKB"}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--clock stepped --port {port}", "port {port}"),
        ("--clock stepped --faults {folder}/none.toml", "cannot be read"),
        # Each is a process: three of them before a release.
        pytest.param("--market recorded --data {folder}/none", "--data", marks=pytest.mark.slow),
        pytest.param("--clock fast", "choose real", marks=pytest.mark.slow),
        pytest.param("--clock stepped --fee-currency OKB", "OKB=50", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_used_is_said_without_a_traceback(tmp_path, arguments, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        known = {"port": taken.getsockname()[1], "folder": tmp_path}
        with process(*(word.format(**known) for word in arguments.split())) as running:
            _, errors = running.communicate(timeout=20)
        assert running.returncode == 2
        assert words.format(**known) in errors
        assert "Traceback" not in errors
