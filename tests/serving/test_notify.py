"""Word to the service manager, heard by a socket of the test."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.notify import Notifier, keeping_informed


class Manager:
    """The service manager's end of the line."""

    def __init__(self, address: str) -> None:
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.line.bind(address)
        self.line.setblocking(False)

    def heard(self) -> list[str]:
        words = []
        while True:
            try:
                words += self.line.recv(4096).decode().split("\n")
            except BlockingIOError:
                return words


@pytest.fixture(params=["path", "abstract"])
def managed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    name = f"pairity-{os.getpid()}-{request.node.name}"
    bound, named = (str(tmp_path / "s"), str(tmp_path / "s")) if request.param == "path" else (f"\0{name}", f"@{name}")
    manager = Manager(bound)
    yield manager, named
    manager.line.close()


def inform(notifier: Notifier, alive: list[bool], seconds: float) -> None:
    async def scenario() -> None:
        async with keeping_informed(notifier, lambda: alive[0]):
            await asyncio.sleep(seconds)
            alive[0] = False
            await asyncio.sleep(seconds)

    asyncio.run(scenario())


def test_ready_signs_of_life_and_stopping(managed: tuple[Manager, str]) -> None:
    manager, address = managed
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    notifier = Notifier.take(environment)
    assert environment == {"A": "b"}
    inform(notifier, [True], 0.17)
    heard = [word for word in manager.heard() if not word.startswith("STATUS=")]
    assert (heard[0], heard[-1]) == ("READY=1", "STOPPING=1")
    assert set(heard[1:-1]) == {"WATCHDOG=1"}
    assert 1 <= len(heard[1:-1]) <= 4  # none after the loop was alive no more


def test_without_a_manager_nothing_happens() -> None:
    notifier = Notifier.take({})
    assert notifier.interval_s is None
    inform(notifier, [True], 0)


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "x"},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "@gone", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": ""},
    ],
)
def test_a_manager_that_is_gone_or_means_another_process_is_no_trouble(environment: dict[str, str]) -> None:
    notifier = Notifier.take(environment)
    assert notifier.interval_s is None
    notifier.send("READY=1")


def test_a_manager_that_does_not_listen_holds_nobody_up(managed: tuple[Manager, str]) -> None:
    notifier = Notifier.take({"NOTIFY_SOCKET": managed[1]})
    for _ in range(2_000):  # more than the line takes
        notifier.send("WATCHDOG=1")
