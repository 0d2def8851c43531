"""Types of settings that more is asked of than a number or a text: names, shares, times of day."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from pairity.names import ALIAS, ASSET, CURRENCY, EXCHANGE_CODE, IDENTIFIER, MODEL, VENUE
from pairity.schedule import parse_time_of_day


def _asset(name: str) -> str:
    """Return the asset in capitals. Only ASCII is raised: the capitals of other letters can be more than one letter."""
    return ASSET.require(name.upper() if name.isascii() else name)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("an instrument is listed twice")
    return names


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("there is no such time zone")
    return name


def _time_of_day(text: str) -> str:
    parse_time_of_day(text)
    return text


def _plain_path(path: Path) -> Path:
    """Return a path that means the same as a file, in an address of a database and in a pattern."""
    text = str(path)
    if not text.isprintable() or set(text) & set("?#%*[]"):
        raise ValueError("the path of the data directory has none of ? # % * [ ] and no control characters")
    return path


Fraction = Annotated[float, Field(gt=0, lt=1)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Identifier = Annotated[str, AfterValidator(IDENTIFIER.require)]
Venue = Annotated[str, AfterValidator(VENUE.require)]
ModelName = Annotated[str, AfterValidator(MODEL.require)]
Alias = Annotated[str, AfterValidator(ALIAS.require)]
ExchangeCode = Annotated[str, AfterValidator(EXCHANGE_CODE.require)]
Currency = Annotated[str, AfterValidator(CURRENCY.require)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Asset = Annotated[str, AfterValidator(_asset)]
DataDirectory = Annotated[Path, AfterValidator(_plain_path)]
Assets = Annotated[tuple[Asset, ...], Field(min_length=2, max_length=200), AfterValidator(_distinct)]
