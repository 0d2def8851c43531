"""The model or book that decides, as the trading loops need it."""

from __future__ import annotations

from typing import Protocol

from model_registry.records import ModelRef
from model_registry.stored_books import StoredBook
from serving.models.scoring import Scorer


class DecidingVersion(Protocol):
    """A version that decides, and may be another one at the next decision."""

    @property
    def suspended(self) -> str | None:
        """Why nothing may be opened now; None where it may."""
        ...

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        ...

    def follow(self) -> list[str]:
        """Take over another version where one is due; return problems as messages, and raise none of them."""
        ...


class DecidingModel(DecidingVersion, Protocol):
    """A model that scores every decision."""

    scorer: Scorer


class DecidingBook(DecidingVersion, Protocol):
    """A version that is a book."""

    @property
    def book(self) -> StoredBook:
        """What the version defines."""
        ...
