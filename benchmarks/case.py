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
