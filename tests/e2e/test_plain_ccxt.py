"""A script that knows nothing of this project trades on the paper exchange."""

import ast
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("plain_ccxt_round_trip.py")


@contextmanager
def exchange(*arguments):
    command = [sys.executable, "-m", "serving.paper_exchange", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield running.stdout.readline().split()[2]
    finally:
        running.terminate()
        running.communicate(timeout=20)


def test_the_script_imports_nothing_of_the_project():
    imported = [
        node for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert {alias.name for node in imported for alias in node.names} == {"sys", "ccxt"}


@pytest.mark.e2e
def test_a_plain_ccxt_script_opens_and_closes_a_position_with_stops(tmp_path):
    with exchange("--clock", "stepped", "--seed", "3") as url:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, str(SCRIPT), url],
            capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("opened at ")


@pytest.mark.e2e
@pytest.mark.recorded
def test_the_same_script_on_recorded_data(tmp_path):
    data = os.environ.get("PAIRITY_RECORDED_DATA")
    if not data:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no folder of recorded data to play")
    with exchange("--clock", "stepped", "--market", "recorded", "--data", str(Path(data) / "okx_swap")) as url:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), url], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
