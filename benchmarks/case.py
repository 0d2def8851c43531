"""One measurement: ours, a peer on the same input, and a check that both answer the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    ours: Callable[[], object]
    peer: str
    theirs: Callable[[], object]
    check: Callable[[], None]
    peer_rounds: int = 3
    rounds: int = 5
    peer_seconds: Callable[[], float] | None = None
    """Where the peer runs in a process of its own: what it took; `theirs` is not timed then."""
    ours_seconds: Callable[[], float] | None = None
    """The same of ours."""
    note: Callable[[], str] | None = None
    """Something measured beside the time, told below the table."""
