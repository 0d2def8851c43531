"""The process under a service manager and as a container's first process, with a position open all the time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.e2e.running import paper_exchange
from tests.e2e.supervisors import Container, Gate, ServiceManager, can_contain
from tests.e2e.test_operating import free_port
from tests.e2e.test_two_homes import Home, positions, stops, until
from tests.serving.trading import BTC

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
TOKEN = "a-token-that-controls"
STOP_S = 60.0


class Held:
    """A home with a position and its stop on an exchange behind a gate."""

    def __init__(self, folder, exchange):
        folder.chmod(0o755)
        self.folder, self.exchange = folder, exchange
        self.gate = Gate(urlsplit(exchange.url).port)
        self.home = Home(folder, self.gate.url, "held", "BTC", "1")
        self.port = free_port()
        self.home.place.extra |= {
            "PAIRITY_SERVE__PORT": str(self.port),
            "PAIRITY_SERVE__CONTROL_TOKEN": TOKEN,
            "PAIRITY_SERVE__LEASE": "false",
        }

    def ask(self, path, body=None):
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", content, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except (urllib.error.URLError, OSError):
            return 0, {}

    def act(self, action):
        return self.ask(f"/api/v1/actions/{action}", {"reason": "a test", "confirmation": action.upper()})

    def is_watched(self):
        _, status = self.ask("/status")
        return bool(status.get("watched")) and status["trading"] != "halted"

    def is_protected(self):
        held = positions(self.exchange.url)
        return list(held) == [BTC] and BTC in stops(self.exchange.url)


@pytest.fixture
def held(tmp_path):
    with paper_exchange("--seed", "11", "--clock", "real") as exchange:
        made = Held(tmp_path, exchange)
        yield made
        made.gate.close()


@pytest.fixture
def manager(held):
    made = ServiceManager(held.home.place, held.folder, watchdog_s=15.0, stop_s=STOP_S)
    yield made
    made.close()


def test_a_service_stops_in_time_restarts_and_waits_for_its_venue(held, manager):
    manager.start()
    until(lambda: manager.has_heard("READY=1") and held.is_watched(), 200)
    until(lambda: manager.has_heard("WATCHDOG=1"), 60)
    assert held.is_protected()
    # Stopped with a position open: in time, cleanly, and the stop stays on the venue.
    assert manager.stop() < STOP_S / 2
    until(lambda: manager.ends)
    assert manager.ends == [0]
    assert manager.has_heard("STOPPING=1")
    assert held.is_protected()

    # Killed, and hung: both are started again, and take the position up.
    manager.start()
    until(held.is_watched, 200)
    os.kill(manager.process.pid, signal.SIGKILL)
    until(lambda: len(manager.ends) == 2)
    until(held.is_watched, 200)
    os.kill(manager.process.pid, signal.SIGSTOP)
    until(lambda: len(manager.ends) == 3, 90)
    until(held.is_watched, 200)
    _, status = held.ask("/status")
    assert not [cause for cause in status["causes"] if cause != "opening"], status["causes"]
    assert held.is_protected()

    # Started while the venue is away: there to be seen, and asked.
    held.gate.shut()
    os.kill(manager.process.pid, signal.SIGKILL)
    until(lambda: len(manager.ends) == 4)
    until(lambda: "waiting for the venue since" in held.ask("/health/trading")[1].get("why", ""), 200)
    assert held.ask("/health/alive")[0] == 200
    assert held.ask("/health/trading")[0] == 503
    assert any("STATUS=starting" in word for word in manager.words)
    assert held.act("resume")[0] == 409
    assert held.act("halt")[0] == 202
    assert manager.stop() < 10, "a start that waits is over at once"
    until(lambda: manager.ends[4:] == [0])
    manager.start()
    until(lambda: "waiting for the venue since" in held.ask("/health/trading")[1].get("why", ""), 200)
    held.gate.open = True
    until(lambda: held.ask("/status")[1].get("trading") == "halted", 200)
    assert "a test" in held.ask("/status")[1]["trading_reason"]
    assert held.is_protected()
    assert manager.stop() < STOP_S / 2
    assert "Traceback" not in (held.folder / "said").read_text()


@pytest.mark.skipif(not can_contain(), reason="namespaces and another user need root")
def test_the_first_process_of_a_container_heeds_the_signal_with_a_read_only_root(held):
    with contextlib.ExitStack() as stack:
        container = Container(held.home.place, held.folder)
        stack.callback(container.close)
        until(held.is_watched, 200)
        assert held.is_protected()
        code, took_s = container.stop(STOP_S)
        assert (code, took_s < STOP_S / 2) == (0, True)
        assert held.is_protected()

    held.gate.shut()
    for folder in held.folder.glob("scratch"):
        folder.rmdir()
    with contextlib.ExitStack() as stack:
        container = Container(held.home.place, held.folder)
        stack.callback(container.close)
        until(lambda: "waiting for the venue since" in held.ask("/health/trading")[1].get("why", ""), 200)
        code, took_s = container.stop(STOP_S)
        assert (code, took_s < 10) == (0, True), "nothing but a handler lets number 1 heed SIGTERM"
    assert "Traceback" not in (held.folder / "said").read_text()
