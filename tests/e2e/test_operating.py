"""The trading process as a service: ready, alive, asked, logged, backed up while it trades, and stopped.

Its keys are unique texts, and its venue repeats them in its answers; everything that was ever written or printed is
searched for them at the end.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from serving.backups import read_backup
from tests.e2e.running import ROOT, Place, Running
from tests.e2e.test_nothing_gets_out import VENUE

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]

KEYS = {
    "PAIRITY_EXCHANGE__API_KEY": "5d1e77c2-Key-4b0a-8f31-9aa0",
    "PAIRITY_EXCHANGE__API_SECRET": "A1B2Secret3C4D5E6F708192A3B4C5D6",
    "PAIRITY_EXCHANGE__API_PASSPHRASE": "Word/66+phrase=8&y",
    "PAIRITY_SERVE__STATUS_TOKEN": "reading-Token/42+of=this&test",
}
STOP_WITHIN_S = 120


class Manager(threading.Thread):
    """The service manager's end of the line, which keeps what it hears and when."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.words: list[str] = []
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.bind(str(path))
        self.start()

    def run(self) -> None:
        while True:
            self.words += self.line.recv(4096).decode().split("\n")

    def wait_for(self, word: str, process: subprocess.Popen[bytes], most_s: float) -> None:
        until = time.monotonic() + most_s
        while word not in self.words and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert word in self.words, "see the file `said` beside the data directory"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def forms(secret: str) -> set[bytes]:
    """What a secret can look like in bytes; not the product's list."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode()}
    found |= {quote_plus(secret).encode(), json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le")}
    for before in range(3):
        found.add(base64.b64encode(b"\0" * before + raw)[4 * (before > 0) : -4])
    return found


class Operated:
    """One life of a trading process under a service manager, and what was seen of it."""

    def __init__(self, root: Path, exchange: Running) -> None:
        self.root, self.said = root, []
        self.port = free_port()
        keys = KEYS | {"PAIRITY_SERVE__PORT": str(self.port), "PAIRITY_LOGS__LEVEL": "debug"}
        self.place = Place(root / "home", keys)
        self.options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for command in (("ingest", *self.options, "--since", "22d"), ("train", "--no-compare")):
            assert self.run(*command)[0] == 0
        self.manager = Manager(root / "notify")
        self.serve(exchange)

    def make_trouble(self, exchange: Running) -> None:
        """Let the venue refuse, break off, and repeat the keys in its answers."""
        mirrored = " ".join(KEYS.values())
        for text in (mirrored, quote(mirrored), json.dumps(mirrored), base64.b64encode(mirrored.encode()).decode()):
            for path in ("account/balance", "account/positions", "market/candles"):
                fault = {"kind": "code", "path": path, "count": 1, "params": {"code": "51000", "msg": f"bad {text}"}}
                exchange.post("faults", fault)
        for kind in ("reset", "abort_body", "rate_limit_html"):
            exchange.post("faults", {"kind": kind, "path": "account/positions", "count": 1, "params": {}})

    def run(self, *arguments: str, **extra: str) -> tuple[int, str]:
        done = self.place.run(*arguments, **extra)
        self.said.append(done.stdout + done.stderr)
        return done.returncode, done.stdout + done.stderr

    def serve(self, exchange: Running) -> None:
        environment = self.place.environment() | {
            "NOTIFY_SOCKET": str(self.root / "notify"),
            "WATCHDOG_USEC": "1000000",
        }
        with (self.root / "said").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "pairity_cli", "serve", *self.options],
                cwd=self.root,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        try:
            self.manager.wait_for("READY=1", process, 400)
            self.wait_for_decisions(2)
            self.make_trouble(exchange)
            self.wait_for_decisions(5)
            self.metrics = self.ask("/metrics")
            self.health = [self.run("health", question)[0] for question in ("alive", "trading")]
            for path in ("/status", "/health/fresh", "/health/none", "/none?token=%00"):
                self.ask(path)
            self.backups = [self.run("backup", str(self.root / "copies" / str(number))) for number in range(2)]
            self.refused = self.run("restore", str(self.root / "copies" / "0"), "--confirm", "REPLACE")
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            process.wait(STOP_WITHIN_S)
            self.took_s = time.monotonic() - begun
        finally:
            process.kill()
            process.wait()
        self.code = process.returncode

    def ask(self, path: str) -> str:
        token = KEYS["PAIRITY_SERVE__STATUS_TOKEN"]
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        self.said.append(text)
        return text

    def wait_for_decisions(self, count: int) -> None:
        until = time.monotonic() + 300
        while json.loads(self.ask("/status"))["cycles"] < count:
            assert time.monotonic() < until
            time.sleep(0.5)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Operated:
    root = tmp_path_factory.mktemp("operated")
    root.chmod(0o700)
    environment = {**os.environ, **KEYS, "PYTHONPATH": str(ROOT)}
    venue = subprocess.Popen(
        [sys.executable, "-c", VENUE], cwd=root, env=environment, text=True, stdout=subprocess.PIPE
    )
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", venue.stdout.readline())
        assert found
        return Operated(root, Running(found[0]))
    finally:
        venue.terminate()
        venue.communicate(timeout=30)


def test_the_manager_hears_ready_life_and_stopping(operated: Operated) -> None:
    words = [word for word in operated.manager.words if not word.startswith("STATUS=")]
    assert words[0] == "READY=1"
    assert "WATCHDOG=1" in words
    assert "STOPPING=1" in words


def test_it_ends_gracefully_and_in_time(operated: Operated) -> None:
    assert operated.code == 0
    assert operated.took_s < STOP_WITHIN_S


def test_it_is_alive_and_says_what_it_measured(operated: Operated) -> None:
    assert operated.health[0] == 0
    assert "pairity_decisions_total{" in operated.metrics
    assert re.search(r'pairity_venue_requests_total\{method="GET",outcome="ok"\} [1-9]', operated.metrics)
    assert re.search(r'pairity_step_seconds_count\{step="decision"\} [1-9]', operated.metrics)
    assert "pairity_equity_usdt " in operated.metrics
    assert "pairity_metric_failures_total 0.0" in operated.metrics


def test_backups_while_it_traded_are_whole_and_nothing_was_restored_under_it(operated: Operated) -> None:
    for number, (code, said) in enumerate(operated.backups):
        assert code == 0, said
        assert read_backup(operated.root / "copies" / str(number)).content.rows["decisions"] >= 2
    assert operated.refused[0] != 0
    assert "another process (pid" in operated.refused[1]


def test_the_log_has_progress_states_requests_and_errors(operated: Operated) -> None:
    path = operated.place.home / "logs" / "serve.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    loggers = {row["logger"] for row in rows}
    assert {"pairity.progress", "pairity.venue", "pairity.state", "pairity.serving"} <= loggers
    requests = [row["request"] for row in rows if "request" in row]
    assert {"method", "path", "outcome", "ms"} == set(requests[0])
    assert not [row for row in requests if "?" in row["path"]]
    assert {row["outcome"].split(" ")[0] for row in requests} >= {"ok", "refused"}
    assert [row for row in rows if "Traceback" in row.get("error", {}).get("traceback", "")]
    code, said = operated.run("logs", "--level", "warning")
    assert code == 0
    assert "guarding" in said


def test_no_secret_is_in_anything_that_was_written_or_printed(operated: Operated) -> None:
    everything = {"what was printed": "".join(operated.said).encode()}
    for path in operated.root.rglob("*"):
        if path.is_file():
            everything[str(path.relative_to(operated.root))] = path.read_bytes()
    assert "home/logs/serve.jsonl" in everything
    assert b"***" in everything["home/logs/serve.jsonl"]
    found = [
        (name, variable)
        for name, content in everything.items()
        for variable, secret in KEYS.items()
        for form in forms(secret)
        if form in content
    ]
    assert found == []
