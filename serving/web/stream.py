"""Server-sent events: what changes, pushed to whoever listens.

One task looks once a second, however many listen, and only while somebody does. Every event has an id, and who comes
back with the last one that he saw gets what he missed, or is told to read everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from pairity.errors import PairityError
from serving.web.answers import Answers
from serving.web.changes import Changes, Event, Seen

MOST_STREAMS = 64
HEARTBEAT_S = 2.0
_LOOK_S = 1.0
_MOST_WAITING = 256
"""Events that may wait for one listener; one that does not take them is let go, and comes back."""
_REMEMBERED = 512
_LISTS = ("decision", "order", "trade", "event")
_END = b""


@dataclass(eq=False)
class _Listener:
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))


class FullError(PairityError):
    """As many streams as there may be are open."""


class Streams:
    """All streams of one application; for one event loop."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._listeners: set[_Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._changes = Changes()
        self._boot = secrets.token_hex(4)
        self._number = 0
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=_REMEMBERED)
        self._closed = False

    @property
    def count(self) -> int:
        """Number of open streams."""
        return len(self._listeners)

    def open(self, last_id: str | None = None) -> AsyncIterator[bytes]:
        """Return the stream of one listener, who has seen events up to `last_id`. Raises FullError at once."""
        if self._closed or len(self._listeners) >= MOST_STREAMS:
            raise FullError(f"{MOST_STREAMS} streams are open", "close one, or read the paths now and then")
        listener = _Listener()
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        return self._follow(listener, last_id)

    async def close(self) -> None:
        """End all streams."""
        self._closed = True
        for listener in list(self._listeners):
            _put(listener, _END)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, listener: _Listener, last_id: str | None) -> AsyncIterator[bytes]:
        try:
            for content in await self._greet(last_id):
                yield content
            while content := await listener.queue.get():
                yield content
        finally:
            self._listeners.discard(listener)

    async def _greet(self, last_id: str | None) -> list[bytes]:
        """Return what a listener must know to begin: what he missed, or the present state."""
        missed = self._find_missed(last_id)
        if missed is not None:
            return [b"retry: 1000\n\n", *missed]
        greeting = [b"retry: 1000\n\n"]
        with contextlib.suppress(Exception):  # it comes with the next look
            seen = await self._look()
            greeting += [_encode(Event("status", seen.status), self._name(self._number))]
            greeting += [_encode(Event("positions", seen.positions), self._name(self._number))]
        if last_id is not None:
            everything = json.dumps({"changed": "all"})
            greeting += [_encode(Event(kind, everything), self._name(self._number)) for kind in _LISTS]
        return greeting

    def _find_missed(self, last_id: str | None) -> list[bytes] | None:
        """Return the events after an id; None where nobody knows any more what they were."""
        boot, _, number = (last_id or "").partition("-")
        if boot != self._boot or not (number.isascii() and number.isdigit() and len(number) < 12):
            return None
        after = int(number)
        oldest = self._sent[0][0] if self._sent else self._number + 1
        if not oldest - 1 <= after <= self._number:
            return None
        return [content for own, content in self._sent if own > after]

    async def _run(self) -> None:
        """Look and send, as long as somebody listens."""
        loop = asyncio.get_running_loop()
        beat_s = loop.time()
        while self._listeners:
            looked = False
            with contextlib.suppress(Exception):  # the heartbeat goes on, and says nothing
                changed = list(self._changes.find(await self._look()))
                looked = True
                if changed:
                    self._answers.outdate()  # who hears of it asks for what it is about
                for event in changed:
                    self._send(event)
            if loop.time() >= beat_s:
                beat_s = loop.time() + HEARTBEAT_S - _LOOK_S / 2
                # Of a look that failed nothing is repeated: its time would make what is old seem young.
                self._send_all(_encode(self._changes.heartbeat() if looked else Event("heartbeat", "{}")))
            await asyncio.sleep(_LOOK_S)
        self._task = None
        # Nobody looks from here on: an id of before says nothing about what was missed.
        self._boot = secrets.token_hex(4)
        self._sent.clear()
        self._changes.forget()

    async def _look(self) -> Seen:
        return await self._answers.look(self._changes.look)

    def _send(self, event: Event) -> None:
        self._number += 1
        content = _encode(event, self._name(self._number))
        self._sent.append((self._number, content))
        self._send_all(content)

    def _send_all(self, content: bytes) -> None:
        for listener in list(self._listeners):
            _put(listener, content)

    def _name(self, number: int) -> str:
        return f"{self._boot}-{number}"


def _put(listener: _Listener, content: bytes) -> None:
    """Give a listener an event; one whose queue is full is ended."""
    if listener.queue.full():
        while not listener.queue.empty():
            listener.queue.get_nowait()
        content = _END
    listener.queue.put_nowait(content)


def _encode(event: Event, name: str | None = None) -> bytes:
    number = "" if name is None else f"id: {name}\n"
    return f"{number}event: {event.kind}\ndata: {event.data}\n\n".encode()
