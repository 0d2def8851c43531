"""The model that decides, as the trading loop needs it."""

from __future__ import annotations

from typing import Protocol

from model_registry.records import ModelRef
from serving.models.scoring import Scorer


class DecidingModel(Protocol):
    """A model that scores every decision, and may be another one at the next."""

    scorer: Scorer
    suspended: str | None
    """Why nothing may be opened now; None where it may."""

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        ...

    def follow(self) -> list[str]:
        """Take over another version where one is due; return problems as messages, and raise none of them."""
        ...
