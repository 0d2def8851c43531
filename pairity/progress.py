"""Progress reports of long work, whoever listens: a terminal with a bar and an ETA, or plain lines."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Listener to the stages of one job."""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps; the one before it has ended."""
        ...

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report `steps` more steps of the current stage as done."""
        ...

    def say(self, line: str) -> None:
        """Report something that is worth a line of its own."""
        ...


class SilentProgress:
    """Progress that discards everything."""

    def stage(self, name: str, total: int) -> None:
        """Ignore."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""
