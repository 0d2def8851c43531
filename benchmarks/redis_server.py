"""A Redis of its own for a measurement: on 127.0.0.1 at a free port, with nothing on the disk, gone afterwards."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WAIT_S = 20.0


@contextmanager
def running_redis(folder: Path) -> Iterator[str | None]:
    """Yield host:port of a Redis that was just started; None where `redis-server` is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with (folder / "redis.log").open("w") as log:
        server = subprocess.Popen([*command, "--dir", str(folder)], stdout=log, stderr=log)
        try:
            _wait_for(port)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=_WAIT_S)


def _wait_for(port: int) -> None:
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
