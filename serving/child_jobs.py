"""Jobs as processes of their own beside the trading process: started, watched, ended with their parent.

A job gets the settings of this process, credentials excepted. Decisions are never delayed by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from pairity.child_environment import make_child_environment
from pairity.durable import open_log
from pairity.number_formats import format_plain
from pairity.secret_names import SECRET_SETTINGS
from pairity.service_variables import list_service_variables
from pairity.setting_types import Section
from pairity.settings import DOTENV_VARIABLE, IGNORE_DOTENV, SIGNING_KEY_VARIABLE, Settings

_STOP_S = 15.0
_NOT_FOR_JOBS = frozenset({"exchange", "sources", "alerts"})
"""Sections of settings with secrets: a job needs no venue and no source, and tells nobody."""


class DailyJob(Protocol):
    """A job that the loop starts when it falls due; `name` is what messages call it."""

    name: str

    def due(self) -> datetime:
        """Return when to start it next; an instant that has passed means at once."""

    async def start(self, due: datetime) -> None:
        """Start the one that was due then, and return at once; a stepped clock may be kept waiting."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """End of a job: its exit code (negative: the signal that ended it) and its last line."""

    exit_code: int
    summary: str

    def __str__(self) -> str:
        return self.summary if self.exit_code == 0 else f"failed with exit code {self.exit_code}: {self.summary}"


class JobOutput(NamedTuple):
    """What a job printed: its exit code, standard output as it is, standard error as text."""

    exit_code: int
    out: bytes
    err: str


async def run_job(settings: Settings, command: Sequence[str], log: Path, limit_hours: float) -> JobEnd:
    """Run a job, its output in the file `log`, and return its end.

    A job that takes longer than `limit_hours` is terminated, as is a cancelled one. It gets the settings of this
    process, credentials excepted, and a session of its own: Ctrl-C reaches it through us.
    """
    with open_log(log) as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=make_environment(settings),
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(limit_hours * 3600):
            code = await process.wait()
    except TimeoutError:
        await _terminate(process)
        return JobEnd(process.returncode or 1, f"ended: it took more than {format_plain(limit_hours)} h")
    finally:
        await _terminate(process)
    return JobEnd(code, _read_last_line(log, code))


async def read_job(settings: Settings, command: Sequence[str], *, limit_s: float, niceness: int) -> JobOutput:
    """Run a job with low priority, and return what it printed; TimeoutError where it takes longer than `limit_s`.

    A cancelled one is ended, and so is one that takes too long.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=make_environment(settings),
        start_new_session=True,
    )
    try:
        with contextlib.suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate()
    finally:
        await _terminate(process)
    return JobOutput(process.returncode or 0, out, err.decode(errors="replace"))


def make_environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a job reads these very settings, wherever they came from, and no credentials.

    It does not read `.env` either: what that file says of other sections is passed on, and the keys are not. On a
    cluster the passwords of its services are, and the variables by which their libraries are set up: the job works
    there, and they open no account at a venue.
    """
    ours = {
        **list_service_variables(settings),
        "PAIRITY_HOME": str(settings.root),
        "PAIRITY_PROFILE": settings.profile,
        DOTENV_VARIABLE: IGNORE_DOTENV,
    }
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section) and name not in _NOT_FOR_JOBS:
            # A secret is dumped as asterisks, which are no token: it is left out.
            plain = value.model_dump(mode="json", exclude=set(SECRET_SETTINGS.get(name, ())))
            if name == "cluster" and settings.profile == "cluster":
                plain |= settings.cluster.reveal_passwords()
            ours[f"PAIRITY_{name.upper()}"] = json.dumps(plain)
    if SIGNING_KEY_VARIABLE in os.environ:
        ours[SIGNING_KEY_VARIABLE] = os.environ[SIGNING_KEY_VARIABLE]  # a path: the job signs with our key
    return make_child_environment(ours)


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """Terminate a process, wait, and kill it if it does not end; do nothing where it has ended."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _read_last_line(log: Path, code: int) -> str:
    """Return the last line of a job's output; after a failure its error message, if there is one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if code != 0:
        lines = [line for line in lines if line.startswith("error: ")] or lines
    return lines[-1].removeprefix("error: ") if lines else "no output"
