"""A champion by the calendar: which version decides at which instant is known before the replay begins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from model_registry.records import ModelRef
from model_registry.stored_books import StoredBook
from pairity.errors import ConfigError
from pairity.timeline import Clock
from serving.models.scoring import Scorer


class Promotion(NamedTuple):
    """From when on a version decides."""

    at: datetime
    scorer: Scorer


@dataclass(frozen=True, slots=True)
class ScheduledBook:
    """Version of a book that decides from the beginning of a replay to its end."""

    ref: ModelRef
    book: StoredBook
    suspended: str | None = None

    def follow(self) -> list[str]:
        """Take over nothing: no other version is due."""
        return []


class ScheduledChampion:
    """Champion of a replay. The first of `promotions` decides from the start, whatever its instant.

    ConfigError where there is none, and where they are not in the order of time.
    """

    suspended: str | None = None

    def __init__(self, promotions: Sequence[Promotion]) -> None:
        if not promotions:
            raise ConfigError("no model decides in this replay", "give it one")
        if any(later.at <= earlier.at for earlier, later in itertools.pairwise(promotions)):
            raise ConfigError("the promotions of a replay are not in the order of time", "sort them")
        self._promotions = tuple(promotions)
        self._clock: Clock | None = None
        self.scorer = promotions[0].scorer

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        return self.scorer.ref

    def attach(self, clock: Clock) -> None:
        """Go by this clock from now on."""
        self._clock = clock

    def follow(self) -> list[str]:
        """Take over the version that is due at the clock's instant."""
        if self._clock is not None:
            now = self._clock.now()
            self.scorer = [one.scorer for one in self._promotions if one.at <= now or one is self._promotions[0]][-1]
        return []
