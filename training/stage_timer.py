"""Stages of a training: announced, and timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pairity.progress import Progress


class StageTimer:
    """Announces stages and keeps how long each took, in seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the body as the stage `name`."""
        self._progress.stage(name, 1)
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began
        self._progress.advance(1)
