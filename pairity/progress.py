"""How long work tells about itself, without knowing who listens (a terminal with a bar and an ETA, or plain lines)."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener of one job's stages."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` steps begins; the one before it has ended."""
        ...

    def advance(self, steps: int = 1, note: str = "") -> None:
        """`steps` more steps of the current stage are done."""
        ...

    def say(self, line: str) -> None:
        """Something worth a line of its own happened."""
        ...


class Silent:
    """Nobody listens."""

    def stage(self, name: str, total: int) -> None:
        """Ignore."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""
