"""Calls of OKX's v5 API through the one checked client: reads, writes, lists in pages, look-ups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pairity.errors import VenueAnswerError, VenueRejectedError, VenueUnreachableError
from serving.execution import okx_rows as rows
from serving.execution.venue_records import Missing, Unclear
from venue.okx_client import Sleep, call, server_time

if TYPE_CHECKING:
    from ccxt.async_support import okx

ABSENT_CODES = frozenset({"51603"})
"""The only rejections that mean "no such order"; an empty list does not."""
PAGE = 100
"""Rows that are asked for at once."""
_LARGEST_PAGE = 4 * PAGE
"""More rows than that are no page: a thousand such answers would fill the memory."""
_LONGEST_LIST_S = 300.0
T = TypeVar("T")


class Pages(NamedTuple):
    """How a list is paged: `cursor` is the field that `after` continues from, `most` the pages that it can have."""

    cursor: str
    most: int


class OkxConnection:
    """Connection over a signed client of `make_client`; `retries` bounds the repetitions of reads, `sleep` waits."""

    def __init__(self, client: okx, *, retries: int, sleep: Sleep = asyncio.sleep) -> None:
        self._client = client
        self._retries = retries
        self._sleep = sleep
        self.sent = 0
        """Number of writes that were begun."""

    async def server_time(self) -> datetime:
        """Return the time of the venue's clock."""
        return await server_time(self._client, retries=self._retries)

    async def read(self, method: str, params: Mapping[str, Any]) -> list[Any]:
        """Return the rows that a read answers, repeated where the venue cannot be reached."""
        return await call(self._client, method, params, retries=self._retries, sleep=self._sleep)

    async def read_one(self, method: str, params: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """Return the one row that a read answers; VenueAnswerError names `path` for any other number of rows."""
        answer = await self.read(method, params)
        if len(answer) != 1 or not isinstance(answer[0], Mapping):
            raise VenueAnswerError(
                f"{path} answered {len(answer)} rows instead of one", "do not trade on it; try again"
            )
        return answer[0]

    async def read_all(self, method: str, params: Mapping[str, Any], reader: Callable[[rows.Row], T | None]) -> list[T]:
        """Return what `reader` makes of the rows that a read answers; rows of which it makes None are left out."""
        return _parse_all(method, reader, await self.read(method, params))

    async def read_pages(
        self, method: str, params: Mapping[str, Any], pages: Pages, reader: Callable[[rows.Row], T | None]
    ) -> list[T]:
        """Return what `reader` makes of all rows of a list that is paged newest first, as `read_all` does.

        VenueAnswerError for a list that does not go on, or does not end within `pages.most`; VenueUnreachableError
        where it takes longer than five minutes.
        """
        collected: list[T] = []
        try:
            async with asyncio.timeout(_LONGEST_LIST_S):
                async for page in self._pages(method, params, pages):
                    collected += _parse_all(method, reader, page)
        except TimeoutError:
            raise VenueUnreachableError(
                f"{method} did not give its list within {_LONGEST_LIST_S} s", "try again later"
            ) from None
        return collected

    async def _pages(self, method: str, params: Mapping[str, Any], pages: Pages) -> AsyncIterator[list[Any]]:
        seen: set[str] = set()
        after: dict[str, str] = {}
        for _ in range(pages.most):
            page = await self.read(method, {**params, "limit": str(PAGE), **after})
            if len(page) > _LARGEST_PAGE:
                raise VenueAnswerError(f"{method} answered {len(page)} rows, and {PAGE} are a page", "try again later")
            yield page
            if len(page) < PAGE:
                return
            last = rows.parse(method, lambda row: rows.text(row, pages.cursor), page[-1])
            # A cursor that the venue ignores would give the first page for ever.
            if last in seen:
                raise VenueAnswerError(f"{method} gave the same page twice (after {last})", "try again later")
            seen.add(last)
            after = {"after": last}
        raise VenueAnswerError(
            f"{method} gave {pages.most} full pages and did not end: the limit for what was asked",
            "close what rests on the account in such numbers, or try again later",
        )

    async def write(self, method: str, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Any]:
        """Send a write once: a repeated one could take effect twice."""
        self.sent += 1
        return await call(self._client, method, params, retries=0)

    async def look_up(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any] | Missing | Unclear:
        """Return the row of one order, or what its absence means; one request, errors become `Unclear`."""
        try:
            answer = await call(self._client, method, params, retries=0)
        except VenueRejectedError as error:
            return Missing(error.what) if error.code in ABSENT_CODES else Unclear(error.what)
        except (VenueUnreachableError, VenueAnswerError) as error:
            return Unclear(error.what)
        if len(answer) != 1 or not isinstance(answer[0], Mapping):
            return Unclear(f"{method} answered {len(answer)} rows instead of one")
        return answer[0]


def _parse_all(method: str, reader: Callable[[rows.Row], T | None], answer: Sequence[Any]) -> list[T]:
    return [read for row in answer if (read := rows.parse(method, reader, row)) is not None]
