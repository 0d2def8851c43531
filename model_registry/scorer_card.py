"""`model.json` of a stored model that is no forest: its family, its features, its categories, and how it scores.

The file is data of fixed shape. It is parsed within limits, and every field must be there, of its type and within its
bounds; nothing else may be. The family stands in it too, so that a version's label and its files cannot be swapped
apart from each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pairity.bounded_json import JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError, show
from pairity.errors import ModelIntegrityError
from pairity.number_formats import format_plain

CARD_FILE = "model.json"
CARD_MAX_BYTES = 1 << 20
_FORMAT = 1
_LIMITS = JsonLimits(size=CARD_MAX_BYTES, depth=6, values=20_000)
_MOST_NAMES = 1000
_MOST_CHARACTERS = 100
_FIELDS = ("format", "family", "features", "categories", "scorer")


@dataclass(frozen=True, slots=True)
class ScorerCard:
    """What a model's file says; `scorer` is checked by whoever builds the scorer."""

    family: str
    features: tuple[str, ...]
    """Columns of the model matrix, in order."""
    categories: Mapping[str, tuple[str, ...]]
    """Values of each column of text, in the order of their places: a value is scored as its place."""
    scorer: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Return the file; the same card gives the same bytes."""
        content = {
            "format": _FORMAT,
            "family": self.family,
            "features": list(self.features),
            "categories": {name: list(values) for name, values in self.categories.items()},
            "scorer": dict(self.scorer),
        }
        return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


class CardReader:
    """Reads one card, field by field; raises the refusal of the model in `place`."""

    def __init__(self, place: str) -> None:
        self.place = place

    def read(self, content: bytes) -> ScorerCard:
        """Return the card of a file; ModelIntegrityError for any other content."""
        try:
            card = parse_json(content, _LIMITS)
        except OutOfBoundsError as error:
            self.refuse(f"{CARD_FILE} {error.what}")
        self.require_fields(card, _FIELDS, CARD_FILE)
        if type(card["format"]) is not int or card["format"] != _FORMAT:
            self.refuse(f"{CARD_FILE} is of the format {show(str(card['format'])[:100])}, not {_FORMAT}")
        features = self.read_names(card["features"], "features")
        categories = card["categories"]
        if not isinstance(categories, dict) or not set(categories) <= set(features):
            self.refuse("its categories belong to no features")
        return ScorerCard(
            family=self._read_name(card["family"], "family"),
            features=features,
            categories={name: self.read_names(values, name) for name, values in categories.items()},
            scorer=self._read_scorer(card["scorer"]),
        )

    def require_fields(self, value: object, names: Sequence[str], what: str) -> None:
        """Refuse what is no object with exactly these fields."""
        if not isinstance(value, dict) or set(value) != set(names):
            self.refuse(f"{what} does not have the fields {', '.join(names)}")

    def read_names(self, value: object, what: str) -> tuple[str, ...]:
        """Return a list of texts, each of them once."""
        if not isinstance(value, list) or not 0 < len(value) <= _MOST_NAMES:
            self.refuse(f"{what} is no list of names")
        names = tuple(self._read_name(one, what) for one in value)
        if len(set(names)) != len(names):
            self.refuse(f"{what} has a name twice")
        return names

    def read_numbers(self, value: object, what: str, count: int, low: float, high: float) -> tuple[float, ...]:
        """Return a list of `count` floats from `low` to `high`; integers are none."""
        if not isinstance(value, list) or len(value) != count:
            self.refuse(f"{what} is no list of {count} numbers")
        return tuple(self.read_number(one, what, low, high) for one in value)

    def read_number(self, value: object, what: str, low: float, high: float) -> float:
        """Return a float from `low` to `high`; an integer is none."""
        if type(value) is not float or not low <= value <= high:
            self.refuse(
                f"{what} is {show(str(value)[:100])}, not a number from {format_plain(low)} to {format_plain(high)}"
            )
        return value

    def refuse(self, why: str) -> NoReturn:
        """Raise the error that says why the model is not loaded."""
        raise ModelIntegrityError(
            f"the model in {self.place} is refused: {why}",
            "nothing of it was run; train again, or restore the directory from a copy",
        )

    def _read_name(self, value: object, what: str) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS or not value.isprintable():
            self.refuse(f"{what} holds {show(str(value)[:100])}, which is no name")
        return value

    def _read_scorer(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.refuse("it does not say how it scores")
        return value
