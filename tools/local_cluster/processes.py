"""Processes that outlive the command that starts them: started, noted in pid files, waited for, stopped.

A pid file has the pid and the instant at which the kernel started that process. A pid is given out again after a while:
a process that began at another instant is not ours, and is left alone.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HEALTH_S, STOP_S = 60.0, 20.0
_PAUSE_S = 0.1
_LAST_LINES = 8


class ClusterError(Exception):
    """What is wrong with the local cluster, and what to do about it."""


@dataclass(frozen=True)
class Service:
    """One process of the cluster."""

    name: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]
    environment: Mapping[str, str]
    user: str | None = None
    """The system's user to run as; None: whoever starts it."""
    stop_signal: signal.Signals = signal.SIGTERM


def start(service: Service, folder: Path) -> None:
    """Start a process, note its pid, and wait until it is healthy; ClusterError with its last lines where it is not."""
    log = folder / f"{service.name}.log"
    account = None if service.user is None else pwd.getpwnam(service.user)
    with log.open("ab") as output:
        process = subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(service.environment),
            cwd=None if account is None else "/",
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
            extra_groups=None if account is None else [],
            start_new_session=True,
        )
    _note(folder, service, process.pid)
    until = time.monotonic() + HEALTH_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ClusterError(f"{service.name} ended with {process.returncode}: {_tail(log)}")
        if service.is_healthy():
            return
        time.sleep(_PAUSE_S)
    raise ClusterError(f"{service.name} does not answer after {HEALTH_S:.0f} s: {_tail(log)}")


def stop(name: str, folder: Path) -> bool:
    """Stop the process of a pid file and remove the file; return whether one ran. Killed where it does not end."""
    path = folder / f"{name}.pid"
    pid = find_running(name, folder)
    if pid is not None:
        number = int(path.read_text().split()[2])
        _send(pid, signal.Signals(number))
        if not _wait(name, folder):
            _send(pid, signal.SIGKILL)
            _wait(name, folder)
    path.unlink(missing_ok=True)
    return pid is not None


def find_running(name: str, folder: Path) -> int | None:
    """Return the pid of a process that was started here and still runs; None otherwise."""
    try:
        pid, started, _ = (folder / f"{name}.pid").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if _started_at(int(pid)) == started else None


def _note(folder: Path, service: Service, pid: int) -> None:
    started = _started_at(pid)
    (folder / f"{service.name}.pid").write_text(f"{pid} {started} {int(service.stop_signal)}\n")


def _started_at(pid: int) -> str | None:
    """Return when the kernel started a process, in its own ticks; None where there is none, or a dead one."""
    try:
        # The name in brackets may hold anything, spaces and brackets included
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait(name: str, folder: Path) -> bool:
    until = time.monotonic() + STOP_S
    while time.monotonic() < until:
        if find_running(name, folder) is None:
            return True
        time.sleep(_PAUSE_S)
    return False


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
    return " / ".join(lines) or f"it wrote nothing to {log}"
