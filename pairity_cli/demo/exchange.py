"""The demo's own paper exchange: a separate process, reached over HTTP only."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pairity.child_environment import make_child_environment
from pairity.durable import open_log
from pairity.errors import VenueUnreachableError
from pairity.timeline import from_ms, to_ms

_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class DemoExchange:
    """A running exchange: where it listens, and what it plays. `instruments` are those with the finest bars."""

    url: str
    label: str
    recorded: bool
    now: datetime
    market_start: datetime
    market_end: datetime
    instruments: tuple[str, ...]
    ended: Mapping[str, datetime] = field(default_factory=dict)
    """When instruments are delisted while it plays, by name."""

    @property
    def control_url(self) -> str:
        """URL at which its clock is stepped."""
        return f"{self.url}/control"

    def advance(self, instant: datetime) -> None:
        """Step its clock to an instant."""
        _request_json(f"{self.control_url}/advance", {"to": to_ms(instant)})


@contextlib.contextmanager
def running_exchange(
    market: str, data: Path | None, seed: int, log: Path, options: Sequence[str] = ()
) -> Iterator[DemoExchange]:
    """Start a stepped paper exchange and yield it; it ends with the block.

    A recorded one stands at the market's first instant. `options` are further ones of its command. Raises
    VenueUnreachableError, with the process's message, where it does not start.
    """
    command = [
        sys.executable,
        "-m",
        "pairity_cli",
        "paper-exchange",
        "--market",
        market,
        "--port",
        "0",
        "--clock",
        "stepped",
        "--control",
        "--no-rate-limits",
        "--seed",
        str(seed),
        *options,
    ]
    if data is not None:
        command += ["--data", str(data)]
    # Errors go to a file, not to a pipe that nobody reads: a full pipe would stop the exchange.
    with open_log(log) as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=make_child_environment()
        )
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
    state = _request_json(f"{url}/control/state")
    finest = min(state["bar_ms"].values())
    return DemoExchange(
        url=url,
        label=state["market"],
        recorded=market == "recorded",
        now=from_ms(state["now_ms"]),
        market_start=from_ms(state["market_start_ms"]),
        market_end=from_ms(state["market_end_ms"]),
        instruments=tuple(name for name, bar_ms in state["bar_ms"].items() if bar_ms == finest),
        ended={name: from_ms(at_ms) for name, at_ms in state["ended_ms"].items()},
    )


def _request_json(url: str, body: dict[str, int] | None = None) -> Any:  # noqa: ANN401 - any JSON
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    # The exchange is a process of this machine: no proxy of the environment has a part in it.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=120) as answer:
        return json.load(answer)
