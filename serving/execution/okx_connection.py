"""Calls of OKX's v5 API through the one checked client: reads, writes, lists in pages, look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pairity.errors import VenueAnswerError, VenueRejectedError, VenueUnreachableError
from serving.execution import okx_rows as rows
from serving.execution.venue_records import Missing, Unclear
from venue.okx_client import call, server_time

if TYPE_CHECKING:
    from ccxt.async_support import okx

ABSENT_CODES = frozenset({"51603"})
"""The only rejections that mean "no such order"; an empty list does not."""
_PAGE = 100


class OkxConnection:
    """Connection over a signed client of `make_client`; `retries` bounds the repetitions of reads."""

    def __init__(self, client: okx, *, retries: int) -> None:
        self._client = client
        self._retries = retries

    async def server_time(self) -> datetime:
        """Return the time of the venue's clock."""
        return await server_time(self._client, retries=self._retries)

    async def read(self, method: str, params: Mapping[str, Any]) -> list[Any]:
        """Return the rows that a read answers, repeated where the venue cannot be reached."""
        return await call(self._client, method, params, retries=self._retries)

    async def read_one(self, method: str, params: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """Return the one row that a read answers; VenueAnswerError names `path` for any other number of rows."""
        answer = await self.read(method, params)
        if len(answer) != 1 or not isinstance(answer[0], Mapping):
            raise VenueAnswerError(
                f"{path} answered {len(answer)} rows instead of one", "do not trade on it; try again"
            )
        return answer[0]

    async def read_pages(self, method: str, params: Mapping[str, Any], cursor: str) -> list[Any]:
        """Return all rows of a list that is paged newest first; `cursor` is the field that `after` continues from."""
        collected: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = await self.read(method, {**params, "limit": str(_PAGE), **after})
            collected += page
            if len(page) < _PAGE:
                return collected
            last = rows.text(page[-1], cursor)
            # A cursor that the venue ignores would give the first page for ever.
            if after.get("after") == last:
                raise VenueAnswerError(f"{method} gave the same page twice (after {last})", "try again later")
            after = {"after": last}

    async def write(self, method: str, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Any]:
        """Send a write once: a repeated one could take effect twice."""
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
