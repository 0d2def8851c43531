"""Parameters of a request, as clients write them: numbers or strings, with fields that are unset or unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal
from paper_exchange.wire import Json, WireError, bad_parameter

# As the venue reads numbers: neither 1e3 nor +1, 1. or .5. How long one may be is for `bounded_numbers` to say.
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Params:
    """Parameters of a query or of one body object: number or string accepted, "" and null are absent."""

    def __init__(self, values: Mapping[str, Json]) -> None:
        self.values = {name: value for name, value in values.items() if value is not None and value != ""}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """Return the value as text (JSON true is "true")."""
        value = self.values.get(name, default)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (dict, list)):
            raise bad_parameter(name)
        return str(value)

    def required(self, name: str) -> str:
        """Return the value as text; 50014 where it is absent."""
        if name not in self.values:
            raise WireError("50014", f"Parameter {name} can not be empty.", http_status=400)
        return self.text(name)

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of `choices`; 51000 for anything else, 50014 where absent without a default."""
        value = self.required(name) if default is None else self.text(name, default)
        if value not in choices:
            raise bad_parameter(name)
        return value

    def number(self, name: str) -> Decimal | None:
        """Return the value as a Decimal, None where absent; 51000 where it is no plain decimal number of real size."""
        if name not in self.values:
            return None
        text = self.text(name)
        if not _PLAIN.fullmatch(text):
            raise bad_parameter(name)
        try:
            return parse_decimal(text)
        except OutOfBoundsError:
            raise bad_parameter(name) from None

    def whole(self, name: str) -> int | None:
        """Return the value as an int, None where absent; 51000 where it is not a whole number."""
        number = self.number(name)
        if number is None:
            return None
        if number != number.to_integral_value():
            raise bad_parameter(name)
        return int(number)

    def flag(self, name: str) -> bool:
        """Return True for JSON true and the text "true"; False where absent; 51000 otherwise."""
        return self.choice(name, ("true", "false"), "false") == "true"

    def rows(self, name: str) -> list[Params]:
        """Return a list of objects (`attachAlgoOrds`), empty where absent; 51000 where it is something else."""
        value = self.values.get(name, [])
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise bad_parameter(name)
        return [Params(row) for row in value]
