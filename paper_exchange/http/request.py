"""One request as a handler sees it, and what a handler may ask of the engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.envelope import Json, WireError
from paper_exchange.market.market import Market


class Engine(Protocol):
    """The account side, as the server frame uses it."""

    def settle_until(self, now_ms: int) -> None:
        """Process bars, stops and funding up to and including `now_ms`; a second call changes nothing."""
        ...


class Params:
    """Parameters of a query or of one body object: number or string accepted, "" and null are absent."""

    def __init__(self, values: Mapping[str, Json]) -> None:
        self.values = {name: value for name, value in values.items() if value is not None and value != ""}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """The value as text (JSON true is "true")."""
        value = self.values.get(name, default)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (dict, list)):
            raise bad_parameter(name)
        return str(value)

    def required(self, name: str) -> str:
        """The value as text; 50014 where it is absent."""
        if name not in self.values:
            raise WireError("50014", f"Parameter {name} can not be empty.", http_status=400)
        return self.text(name)

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of `choices`; 51000 for anything else, 50014 where absent without a default."""
        value = self.required(name) if default is None else self.text(name, default)
        if value not in choices:
            raise bad_parameter(name)
        return value

    def number(self, name: str) -> Decimal | None:
        """The value as a finite Decimal, None where absent; 51000 where it is not a number."""
        if name not in self.values:
            return None
        try:
            number = Decimal(self.text(name))
        except InvalidOperation:
            raise bad_parameter(name) from None
        if not number.is_finite():
            raise bad_parameter(name)
        return number

    def whole(self, name: str) -> int | None:
        """The value as an int, None where absent; 51000 where it is not a whole number."""
        number = self.number(name)
        if number is None:
            return None
        if number != number.to_integral_value():
            raise bad_parameter(name)
        return int(number)

    def flag(self, name: str) -> bool:
        """True for JSON true and the text "true"; False where absent; 51000 otherwise."""
        return self.choice(name, ("true", "false"), "false") == "true"

    def rows(self, name: str) -> list[Params]:
        """A list of objects (`attachAlgoOrds`), empty where absent; 51000 where it is something else."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise bad_parameter(name)
        return [Params(row) for row in value]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `params` is the query or the body object; `rows` the elements of the body, one for an object."""

    method: str
    path: str
    params: Params
    rows: Sequence[Params]
    headers: Mapping[str, str]
    now_ms: int
    market: Market
    engine: Any
    """The account engine (`Engine` and more: private handlers know its full type); None serves public calls only."""
    faults: FaultPlan


Handler = Callable[[Call], list[Json] | dict[str, Json]]
"""A list becomes `ok(list)`; a dict is the whole envelope (batch answers carry code, inTime and outTime themselves)."""

Routes = Mapping[tuple[str, str], Handler]
"""Handlers by (METHOD, path), e.g. ("GET", "/api/v5/public/time")."""


def parse_body(body: bytes) -> list[dict[str, Json]]:
    """Objects of a POST body (object or array; numbers become text, exactly as written); 50002 where it is not JSON."""
    if not body:
        return [{}]
    try:
        parsed = json.loads(body, parse_float=str, parse_int=str)
    except ValueError:
        raise WireError("50002", "JSON syntax error", http_status=400) from None
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(row, dict) for row in rows):
        raise WireError("50002", "JSON syntax error", http_status=400)
    return rows


def bad_parameter(name: str) -> WireError:
    """51000, which the venue answers with HTTP 200."""
    return WireError("51000", f"Parameter {name} error")
