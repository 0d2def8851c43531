"""One measurement: ours, a peer on the same input, and a check that both answer the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: two callables that answer the same, and how often each is timed."""

    name: str
    ours: Callable[[], object]
    peer: str
    theirs: Callable[[], object]
    check: Callable[[], None]
    peer_rounds: int = 3
    rounds: int = 5
    peer_seconds: Callable[[], float] | None = None
    """Seconds of a peer that runs in a process of its own; `theirs` is not timed then."""
    ours_seconds: Callable[[], float] | None = None
    """The same for ours."""
    note: Callable[[], str] | None = None
    """Text of a note below the table: what else was measured."""
