"""Progress that is logged, and handed on to whoever listened before."""

from __future__ import annotations

import logging

from pairity.progress import Progress

_LOG = logging.getLogger("pairity.progress")


class LoggedProgress:
    """A `Progress` around another one."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage."""
        self._stage = name
        _LOG.info("%s begin", name)
        self._progress.stage(name, total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report steps as done."""
        if note:
            _LOG.info("%s: %s", self._stage, note)
        self._progress.advance(steps, note)

    def say(self, line: str) -> None:
        """Report something that is worth a line of its own."""
        _LOG.info("%s", line)
        self._progress.say(line)
