"""The demo's own paper exchange: a separate process, spoken to over HTTP only."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pairity.errors import VenueUnreachableError
from pairity.timeline import from_ms, to_ms

_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class DemoExchange:
    """Where the exchange listens, and what it plays. `instruments` are those with the finest bars there are."""

    url: str
    label: str
    recorded: bool
    now: datetime
    market_start: datetime
    market_end: datetime
    instruments: tuple[str, ...]

    @property
    def control_url(self) -> str:
        """Where its clock is stepped."""
        return f"{self.url}/control"

    def advance(self, instant: datetime) -> None:
        """Step its clock."""
        _json(f"{self.control_url}/advance", {"to": to_ms(instant)})


@contextlib.contextmanager
def running_exchange(market: str, data: Path | None, seed: int, log: Path) -> Iterator[DemoExchange]:
    """A stepped paper exchange; it ends with the block. Recorded ones stand at the market's first instant."""
    command = [sys.executable, "-m", "pairity_cli", "paper-exchange", "--market", market, "--port", "0",
               "--clock", "stepped", "--control", "--no-rate-limits", "--seed", str(seed)]  # fmt: skip
    if data is not None:
        command += ["--data", str(data)]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield _describe(_wait_until_ready(process, log), market)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if match := _READY.search(line):
            return match[0]
    process.wait()
    raise VenueUnreachableError(f"the paper exchange did not start: {log.read_text().strip() or 'no message'}")


def _describe(url: str, market: str) -> DemoExchange:
    state = _json(f"{url}/control/state")
    finest = min(state["bar_ms"].values())
    return DemoExchange(
        url=url,
        label=state["market"],
        recorded=market == "recorded",
        now=from_ms(state["now_ms"]),
        market_start=from_ms(state["market_start_ms"]),
        market_end=from_ms(state["market_end_ms"]),
        instruments=tuple(name for name, bar_ms in state["bar_ms"].items() if bar_ms == finest),
    )


def _json(url: str, body: dict[str, int] | None = None) -> Any:  # noqa: ANN401 - whatever JSON the exchange answers
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)
