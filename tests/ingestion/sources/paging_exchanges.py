"""Exchanges that page in each way that is known, as pagers and as a server that ccxt's own clients ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@dataclass
class PagingExchange:
    """`way` is "oldest", "window", "newest" or "deaf" (to `since`: its newest rows, always).

    `cap` is the most rows of a page whatever was asked for; `heeds_until` False ignores the end of a page.
    """

    times: Sequence[int]
    way: str
    step_ms: int
    cap: int = 1000
    heeds_until: bool = True
    heeds_limit: bool = True
    silent: range = range(0)
    """Numbers of the questions (the first is 0) that are answered with nothing, as in maintenance."""
    asked: list[tuple[int, int, int | None]] = field(default_factory=list)

    def page(self, since: int, limit: int, until: int | None) -> list[int]:
        """The instants of one page, in any order that pleases the exchange."""
        self.asked.append((since, limit, until))
        if len(self.asked) - 1 in self.silent:
            return []
        end = until if self.heeds_until and until is not None else None
        size = min(limit, self.cap) if self.heeds_limit else self.cap
        if self.way == "deaf":
            return list(self.times[-size:])
        inside = [at for at in self.times if at >= since and (end is None or at <= end)]
        if self.way == "window":
            inside = [at for at in inside if at < since + limit * self.step_ms]
            return inside[-size:][::-1]
        return inside[:size] if self.way == "oldest" else inside[-size:][::-1]


def answer_of(exchange: PagingExchange, row: Callable[[int], object], names: tuple[str, str, str]):
    """A body for `web.files`: `names` are the parameters of start, limit and end."""
    start, limit, end = names

    def body(query: dict[str, str]) -> bytes:
        until = int(query[end]) if end in query else None
        return json.dumps([row(at) for at in exchange.page(int(query[start]), int(query[limit]), until)]).encode()

    return body
