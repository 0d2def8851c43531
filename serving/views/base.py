"""What all views share: their inputs, the base of their models, pages with a cursor, times and texts."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal.reading import ReadingJournal
from serving.sightings import Sightings
from serving.status import Status

T = TypeVar("T")
Amount = Annotated[str, Field(description="An exact decimal number, as journalled.", examples=["-0.99999"])]
MOST_ITEMS = 500


class View(BaseModel):
    """Base of everything that the API answers with; NaN and infinities are written as null."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Page(View, Generic[T]):
    """A part of a list, newest first; `next` continues it as `?before=`, null at its end."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Inputs of a view: `now` is the instant of the clock in use."""

    journal: ReadingJournal
    status: Status
    sightings: Sightings
    settings: Settings
    layout: Layout
    now: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a list is wanted: `limit` items that come before the cursor `before`."""

    limit: int
    before: str | None = None

    def keys(self, count: int) -> tuple[str, ...] | None:
        """Return the keys of the item behind which the part begins; None for the newest one.

        ConfigError for a cursor that no list of `count` keys gave out.
        """
        return None if self.before is None else read_cursor(self.before, count)

    def page(self, items: list[T], keys: list[tuple[str, ...]]) -> Page[T]:
        """Return the page of up to `limit` of the items; there is a next one where one more was read."""
        more = len(items) > self.limit
        following = make_cursor(keys[self.limit - 1]) if more else None
        return Page(items=items[: self.limit], next=following)


def make_cursor(keys: tuple[str, ...]) -> str:
    """Return the text by which a list goes on behind an item with these keys.

    >>> read_cursor(make_cursor(("2025-03-18", "a")), 2)
    ('2025-03-18', 'a')
    """
    return base64.urlsafe_b64encode(json.dumps(keys, ensure_ascii=False).encode()).decode().rstrip("=")


def read_cursor(cursor: str, count: int) -> tuple[str, ...]:
    """Return the keys of a cursor; ConfigError for any text that is none of `count` keys."""
    try:
        keys = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        keys = None
    if not isinstance(keys, list) or len(keys) != count or not all(isinstance(key, str) for key in keys):
        raise ConfigError("before is not a cursor of this list", "use the value of `next` of an earlier answer")
    return tuple(key.encode("utf-8", "replace").decode() for key in keys)


def parse_time(text: str | None) -> datetime | None:
    """Return the instant of a journalled or shown text in UTC; None for None."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def seconds_since(now: datetime, then: datetime | None) -> float | None:
    """Return the age of an instant in seconds, never below 0; None where it is not known."""
    return None if then is None else max((now - then).total_seconds(), 0.0)


def hours_between(since: datetime, until: datetime) -> float:
    """Return the hours from one instant to another, to a hundredth."""
    return round((until - since).total_seconds() / 3600, 2)


def amount(value: Decimal | None) -> str | None:
    """Return the plain text of a decimal, without an exponent; None stays None.

    >>> amount(Decimal("1E-7")), amount(Decimal("20.50"))
    ('0.0000001', '20.50')
    """
    return None if value is None else format(value, "f")


def as_number(value: Decimal | float | str | None) -> float | None:
    """Return a number for drawing; None stays None."""
    return None if value is None else float(value)
