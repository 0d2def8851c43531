"""Answers of the reading API: each is made once for all who ask at the same time, and kept for a moment."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from pairity.errors import JournalError, PairityError
from serving.views.base import Inputs
from serving.web.sources import Reader, Sources

T = TypeVar("T")
_MOST_KEPT = 512
_BUSY_S = 3.0
"""Seconds for which a kept answer goes on being given while a decision is being made: a new one would delay it."""
_MOST_WAITING = 64
"""Most different questions that may wait for a thread: further ones are told to come back."""


class Pace(Enum):
    """Which thread makes an answer, and for how many seconds it is the same for everybody."""

    QUICK = 0.5
    SLOW = 5.0
    RARE = 60.0


class BusyError(PairityError):
    """Too many different questions wait for their answers."""


@dataclass(frozen=True, slots=True)
class _Kept:
    content: bytes
    until_s: float
    age: int


class Answers:
    """Answers to the questions of all readers. Nothing here is for more than one event loop."""

    def __init__(self, sources: Sources, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._quick = Reader(sources, "quick")
        self._slow = Reader(sources, "slow")
        self._monotonic = monotonic
        self.charge: Callable[[float], None] = lambda seconds: None
        """Who is told of the seconds of a processor that an answer took."""
        self.is_busy: Callable[[], bool] = lambda: False
        """Whether a decision is being made."""
        self._age = 0
        self._kept: OrderedDict[object, _Kept] = OrderedDict()
        self._coming: dict[object, asyncio.Task[bytes]] = {}

    async def find(self, question: object, view: Callable[[Inputs], BaseModel | str], pace: Pace) -> bytes:
        """Return the answer to a question (anything hashable) as bytes: the kept one, the one that is being made, or
        what `view` says now.

        Raises what `view` raises, JournalError, and BusyError.
        """
        kept = self._kept.get(question)
        if kept is not None and self._is_good(kept):
            return kept.content
        task = self._coming.get(question)
        if task is None:
            if len(self._coming) >= _MOST_WAITING:
                raise BusyError(f"{_MOST_WAITING} questions wait for their answers", "ask again in a second")
            task = asyncio.ensure_future(self._make(question, view, pace))
            self._coming[question] = task
            task.add_done_callback(lambda done: self._end(question, done))
        # Shielded: whoever asked first may hang up, and the others wait for the same answer.
        return await asyncio.shield(task)

    def outdate(self) -> None:
        """Keep no answer any longer: something has changed. While a decision is made they are given all the same."""
        self._age += 1

    def _is_good(self, kept: _Kept) -> bool:
        busy = self.is_busy()
        if kept.age != self._age and not busy:
            return False
        return self._monotonic() < kept.until_s + (_BUSY_S if busy else 0.0)

    async def look(self, view: Callable[[Inputs], T]) -> T:
        """Return what `view` says now, for one who keeps it himself. Raises what it raises, and JournalError."""
        return await self._read(self._quick, view)

    async def _read(self, reader: Reader, view: Callable[[Inputs], T]) -> T:
        try:
            return await reader.read(view)
        finally:
            self.charge(reader.take_used())

    def close(self) -> None:
        """End the threads."""
        for task in self._coming.values():
            task.cancel()
        self._quick.close()
        self._slow.close()

    async def _make(self, question: object, view: Callable[[Inputs], BaseModel | str], pace: Pace) -> bytes:
        reader, age = self._quick if pace is Pace.QUICK else self._slow, self._age
        content = await self._read(reader, lambda seen: encode(view(seen)))
        self._kept[question] = _Kept(content, self._monotonic() + pace.value, age)
        self._kept.move_to_end(question)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return content

    def _end(self, question: object, done: asyncio.Task[bytes]) -> None:
        self._coming.pop(question, None)
        if not done.cancelled():
            done.exception()  # asked for: nobody may be waiting any more


def encode(answer: BaseModel | str) -> bytes:
    """Return the bytes of an answer: JSON of a model, text as it is."""
    return answer.encode() if isinstance(answer, str) else answer.model_dump_json().encode()


def explain_failure(error: Exception) -> tuple[int, str, str]:
    """Return status, what and remedy for an error that is not the caller's."""
    if isinstance(error, BusyError):
        return 429, error.what, error.remedy
    if isinstance(error, JournalError):
        return 503, error.what, error.remedy
    if isinstance(error, PairityError):
        return 500, error.what, error.remedy
    if isinstance(error, SQLAlchemyError):
        return 503, "the journal cannot be read now", "ask again in a moment"
    return 500, f"the answer could not be made: {type(error).__name__}", "look into the log of the trading process"
