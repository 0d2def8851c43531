"""A process that ends at one of its commits or requests, as `kill -9` ends it: nothing is written after it."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import partial

from serving.execution.okx import OkxVenue
from serving.journal import Journal


class KilledError(BaseException):
    """The process ends here."""


class Life:
    """Steps that a process has before it ends: `kill_at` is the number of the last one; 0: it lives on.

    A step is a transaction of the journal or a request to the venue. With `before` it ends right before the step is
    done. Whoever is dead does nothing more, whatever its cleaning up tries.
    """

    def __init__(self, kill_at: int = 0, *, before: bool = False) -> None:
        self.kill_at, self.before = kill_at, before
        self.counting = False
        self.steps: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether the process has ended."""
        return 0 < self.kill_at <= len(self.steps)

    def begin(self, what: str) -> None:
        """A step is about to be done."""
        if self.is_over:
            raise KilledError(f"{what} after the end")
        if self.counting and self.before:
            self._count(what)

    def end(self, what: str) -> None:
        """A step was done."""
        if self.counting and not (self.before or self.is_over):
            self._count(what)

    def _count(self, what: str) -> None:
        self.steps.append(what)
        if len(self.steps) == self.kill_at:
            raise KilledError(what)


class MortalJournal(Journal):
    """A journal whose commits are steps of a life."""

    life = Life()

    @contextmanager
    def _begin(self):
        self.life.begin("commit")
        with super()._begin() as connection:
            yield connection
        self.life.end("commit")


def open_mortal(life, path):
    journal = MortalJournal.open(path, durable=False)
    journal.life = life
    return journal


def make_mortal_venue(life):
    """Return a class of venues whose requests are steps of a life."""

    class MortalVenue(OkxVenue):
        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            if name.startswith("_") or not inspect.iscoroutinefunction(found):
                return found

            async def stepping(*args, **kwargs):
                life.begin(name)
                answer = await found(*args, **kwargs)
                life.end(name)
                return answer

            return stepping

    return MortalVenue


def give_life(monkeypatch, life):
    """Let the next process live `life`; returns the stand-ins that it needs."""
    monkeypatch.setattr("serving.process.OkxVenue", make_mortal_venue(life))
    return {"open_journal": partial(open_mortal, life)}
