"""I/O boundaries of a trading process: counted, named, and one of them deadly.

A boundary lies before and after each thing that leaves the process: a request to the venue (before: not sent; after:
processed there, and the reply is lost), a commit of the journal that changes it, and a change of a file's name (a
rename, a removal: how `pairity.durable` makes a file count). Product code knows nothing of it: what is wrapped here is
what it calls.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

KINDS = (
    "request not sent",
    "reply lost",
    "before a commit",
    "after a commit",
    "before a file",
    "after a file",
)


class Boundary(NamedTuple):
    """One boundary: its kind (of KINDS), what the process was doing, and what crosses it."""

    kind: str
    stage: str
    what: str


@dataclass
class Boundaries:
    """Boundaries of this process since `begin`, of which number `kill_at` (from 0) ends it with SIGKILL."""

    kill_at: int | None = None
    root: Path = Path("/")
    seen: list[Boundary] = field(default_factory=list)
    stage: str | None = None

    def begin(self, stage: str) -> None:
        """Count from here on, under a name for what the process does now."""
        self.stage = stage

    def cross(self, kind: str, what: str) -> None:
        """Count one, and die there if it is the one."""
        if self.stage is None:
            return
        if len(self.seen) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(Boundary(kind, self.stage, what))

    def install(self) -> None:
        """Wrap what requests, commits and changes of files go through, for the rest of this process."""
        self._wrap_requests()
        self._wrap_commits()
        for name in ("replace", "rename", "unlink"):
            setattr(os, name, self._around_file(name, getattr(os, name)))

    def _wrap_requests(self) -> None:
        from venue.okx_session import VenueSession

        send, cross = VenueSession._send, self.cross

        @asynccontextmanager
        async def crossing(session: Any, method: str, url: Any, **request: Any) -> AsyncIterator[Any]:
            what = f"{method} {url.path.removeprefix('/api/v5/')}"
            cross("request not sent", what)
            async with send(session, method, url, **request) as answer:
                cross("reply lost", what)
                yield answer

        VenueSession._send = crossing  # type: ignore[method-assign, assignment]

    def _wrap_commits(self) -> None:
        from sqlalchemy.engine.default import DefaultDialect

        commit, cross = DefaultDialect.do_commit, self.cross

        def crossing(dialect: Any, connection: Any) -> None:
            # The driver begins by itself before the first change: a commit without one only ends a reading.
            changes = isinstance(connection.driver_connection, sqlite3.Connection) and (
                connection.driver_connection.in_transaction
            )
            if changes:
                cross("before a commit", "journal")
            commit(dialect, connection)
            if changes:
                cross("after a commit", "journal")

        DefaultDialect.do_commit = crossing  # type: ignore[method-assign]

    def _around_file(self, name: str, change: Callable[..., None]) -> Callable[..., None]:
        def crossing(path: Any, *others: Any, **options: Any) -> None:
            target = Path(os.fspath(others[0] if others else path))
            ours = self.root in target.parents
            if ours:
                self.cross("before a file", f"{name} {target.name}")
            change(path, *others, **options)
            if ours:
                self.cross("after a file", f"{name} {target.name}")

        return crossing
