"""Types of settings: bases of sections, names, constrained values, and what a section with secrets shows of itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from pairity.asset_spelling import spell_asset
from pairity.names import ALIAS, ASSET, CURRENCY, EXCHANGE_CODE, IDENTIFIER, MODEL, VENUE
from pairity.schedule import parse_time_of_day

Fraction = Annotated[float, Field(gt=0, lt=1)]
NonNegativeFloat = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SectionWithSecrets(Section):
    """Base of sections with secrets: shown by names alone, and pickled without the secrets."""

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        for name, value in vars(self).items():
            yield name, None if value is None else ...

    def __getstate__(self) -> dict[Any, Any]:
        # What is pickled goes to another process or to a file, and no such process trades
        state = super().__getstate__()
        values = state["__dict__"].items()
        return state | {"__dict__": {name: _without_secrets(value) for name, value in values}}


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - of any setting
    if isinstance(value, dict):
        return {name: kept for name, kept in value.items() if not isinstance(kept, SecretStr)}
    return None if isinstance(value, SecretStr) else value


def _asset(name: str) -> str:
    """Return the asset however it is spelt: btc, BTC-USDT-SWAP and BTC/USDT:USDT are BTC."""
    return ASSET.require(spell_asset(name))


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("an instrument is listed twice (btc, BTC-USDT-SWAP, BTC/USDT:USDT and XBT are all BTC)")
    return names


def _positive_or_all(amount: float) -> float:
    if not (math.isfinite(amount) and amount > 0) and amount != -1:
        raise ValueError("write an amount above 0, or -1 for all that is available")
    return amount


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("there is no such time zone")
    return name


def _web_address(url: str) -> str:
    """Refuse what is no address: it could be a key. The message has nothing of it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it is not a web address: write it as http://127.0.0.1:8750")
    return require_no_credentials(url)


def require_no_credentials(url: str) -> str:
    """Refuse parts of an address that carry keys: it is shown where a venue does not answer, and on the status page."""
    if set("@?#") & set(url):
        raise ValueError("an address has no user name, query or fragment: keys are settings of their own")
    return url


def _time_of_day(text: str) -> str:
    parse_time_of_day(text)
    return text


def _plain_path(path: Path) -> Path:
    """Return a path that means the same as a file, in an address of a database and in a pattern."""
    try:
        path.expanduser()
    except RuntimeError:
        raise ValueError("it begins with the home of a user that does not exist") from None
    text = str(path)
    if not text.isprintable() or set(text) & set("?#%*[]"):
        raise ValueError("the path of the data directory has none of ? # % * [ ] and no control characters")
    return path


WebAddress = Annotated[str, AfterValidator(_web_address)]
Identifier = Annotated[str, AfterValidator(IDENTIFIER.require)]
Venue = Annotated[str, AfterValidator(VENUE.require)]
ModelName = Annotated[str, AfterValidator(MODEL.require)]
Alias = Annotated[str, AfterValidator(ALIAS.require)]
ExchangeCode = Annotated[str, AfterValidator(EXCHANGE_CODE.require)]
Currency = Annotated[str, AfterValidator(CURRENCY.require)]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
AmountOrAll = Annotated[float, AfterValidator(_positive_or_all)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
Asset = Annotated[str, AfterValidator(_asset)]
DataDirectory = Annotated[Path, AfterValidator(_plain_path)]
Assets = Annotated[tuple[Asset, ...], Field(min_length=2), AfterValidator(_distinct)]
