"""Real processes for end-to-end tests: the paper exchange, and pairity's commands in a data directory of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from pairity_cli.main import main

ROOT = Path(__file__).parents[2]
ASSETS = ("BTC", "ETH", "SOL", "XRP")


@dataclass
class Place:
    """A data directory with the environment in which commands run."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PAIRITY_")}
        return (
            clean
            | {
                "PYTHONPATH": str(ROOT),
                "PAIRITY_HOME": str(self.home),
                "PAIRITY_SIGNING_KEY": os.environ["PAIRITY_SIGNING_KEY"],
                "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
                "PAIRITY_EXCHANGE__RATE_LIMIT": "false",
                "PAIRITY_EXCHANGE__API_KEY": "paper",
                "PAIRITY_EXCHANGE__API_SECRET": "paper",
                "PAIRITY_EXCHANGE__API_PASSPHRASE": "paper",
                "PAIRITY_EXCHANGE__MAX_RETRIES": "1",
                "PAIRITY_MODEL__N_ESTIMATORS": "30",
                "PAIRITY_SERVE__PORT": "0",
            }
            | self.extra
        )

    def run(self, *arguments: str, timeout_s: float = 400, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, away from any pairity.toml or .env of the checkout."""
        self.home.mkdir(0o700, parents=True, exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "pairity_cli", *arguments],
            cwd=self.home.parent,
            text=True,
            capture_output=True,
            env=self.environment() | extra,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command and let it run."""
        self.home.mkdir(0o700, parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "pairity_cli", *arguments],
            cwd=self.home.parent,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment(),
        )


class Indoors(Place):
    """A data directory whose commands run in this process: seconds less each, for those that end with a refusal."""

    def run(self, *arguments: str, timeout_s: float = 400, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, with the environment that a process of its own would have; no time is limited."""
        self.home.mkdir(0o700, parents=True, exist_ok=True)
        ours = {name: None for name in os.environ if name.startswith("PAIRITY_")} | self.environment() | extra
        with contextlib.chdir(self.home.parent):
            done = CliRunner().invoke(main, arguments, env=ours)
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@dataclass(frozen=True)
class Running:
    """A running paper exchange."""

    url: str

    @property
    def control(self) -> str:
        return f"{self.url}/control"

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        content = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control}/{path}", content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def state(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.control}/state", timeout=60) as answer:
            return json.load(answer)


@contextlib.contextmanager
def paper_exchange(*options: str):
    """Run a paper exchange with a stepped clock and an open control."""
    command = [
        sys.executable,
        "-m",
        "pairity_cli",
        "paper-exchange",
        "--port",
        "0",
        "--clock",
        "stepped",
        "--control",
        "--no-rate-limits",
        *options,
    ]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line + process.stdout.read()
        yield Running(found[0])
    finally:
        process.terminate()
        process.communicate(timeout=20)
