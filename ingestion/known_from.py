"""From when rows that are asked for again count as known: a person's choice, kept with what it was made for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KnownFrom = Literal["now", "then"]
"""`now`: from the run that brought them, because nobody had them before. `then`: from when they came or, of history, as
their source says; it is for history that nobody traded on, and what is trained on it sees rows that a process at that
time would not have seen."""
SAID: dict[KnownFrom, str] = {"now": "known from now on", "then": "known from then, as they came"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice for all rows that one run asks for again.

    `only_asked`: where it is `now`, rows of ranges that were never asked for before are a first load of history.
    """

    known_from: KnownFrom
    only_asked: bool = False

    @property
    def key(self) -> str:
        """Return a name for it, of a folder: see `CHOICES`."""
        return "asked" if self.only_asked and self.known_from == "now" else self.known_from


CHOICES = {choice.key: choice for choice in (Choice("now"), Choice("now", only_asked=True), Choice("then"))}
"""All choices that differ in what they do, by their keys. A `then` is the same whether or not a range was asked for."""
