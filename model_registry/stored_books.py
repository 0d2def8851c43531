"""`book.json` of a registered book: its family and everything besides code and data that it was judged with.

The file is the book's definition: data of fixed shape, parsed within limits. Every field must be there, of its type and
within its bounds; nothing else may be. A book that learns has its fit in it, too (format 2, `stored_fits`), and one
that combines others has these with theirs (format 3, `stored_members`). The release that reads it must still make the
same book of the family's name: another band, or another number of names, is another book, which no gate has seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from model_registry.combined_fits import CombinedFit
from model_registry.records import FAMILY_TAG
from model_registry.scorer_card import CardReader
from model_registry.stored_definitions import require_definition, write_definition
from model_registry.stored_fits import FIT_FILES, LearntFit, read_fit, write_fit
from model_registry.stored_members import FIELDS, MEMBER_FILES, read_members, write_members
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.books.limits import BookLimits
from pairity.bounded_json import JsonLimits, parse_json
from pairity.bounded_numbers import OutOfBoundsError, show

BOOK_FILE = "book.json"
BOOK_MAX_BYTES = 256 << 10
_FORMAT, _WITH_FIT, _WITH_MEMBERS = 1, 2, 3
_LIMITS = JsonLimits(size=BOOK_MAX_BYTES, depth=8, values=8_000)
_FIELDS = (
    "format",
    "family",
    "size",
    "every_hours",
    "band",
    "limits",
    "costs",
    "venue",
    "universe",
    "code_sha256",
    "registration",
)
_FIT = "fit"
_MORE: Mapping[int, tuple[str, ...]] = {_FORMAT: (), _WITH_FIT: (_FIT,), _WITH_MEMBERS: FIELDS}
"""Fields that a format has besides those of all."""
_NO_FILES: Mapping[str, bytes] = MappingProxyType({})
_COSTS = ("initial_equity_usdt", "fee_bps", "slippage_bps", "impact")
_HIGHEST = {"volatility": 5.0, "gross": 10.0, "net": 10.0, "margin": 125.0}
_MOST_COST = 1e12
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

StoredFit = LearntFit | CombinedFit
"""What a version holds of one moment."""
BOOK_FILES: Mapping[str, int] = {**FIT_FILES, **MEMBER_FILES}
"""Files of trees beside `book.json`, with the most bytes that each may have."""
STORED_BOOKS: Mapping[str, BookFamily] = {name: one for name, one in BOOK_FAMILIES.items() if one.is_choice}
"""Families of books that can be registered and trade: rules, those that learn, with their fit, and combinations."""
UNTRADED = "it is there for comparison alone"
"""Why other families of books are not among `STORED_BOOKS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBook:
    """Definition of one registered book."""

    family: BookFamily
    limits: BookLimits
    costs: Mapping[str, float]
    """What trading it was taken to cost, and the equity that it began with, when it was judged."""
    venue: str
    universe: tuple[str, ...]
    """Names that it may choose from."""
    code: str
    """Digest of the source that made and traded it when it was judged."""
    registration: str | None
    """Name of the newest pre-registration of its family then; None where it was never registered."""
    fit: StoredFit | None = None
    """What it learnt, or its books did; None for a rule."""

    def to_files(self) -> dict[str, bytes]:
        """Return the files by name, `book.json` first; the same book gives the same bytes."""
        family, limits = self.family, self.limits
        more, files = _write_fit(self.fit)
        content = {
            "format": _choose_format(family),
            **write_definition(family),
            "limits": {name: getattr(limits, name) for name in _HIGHEST},
            "costs": {name: self.costs[name] for name in _COSTS},
            "venue": self.venue,
            "universe": list(self.universe),
            "code_sha256": self.code,
            "registration": self.registration,
            **more,
        }
        return {BOOK_FILE: (json.dumps(content, indent=1, allow_nan=False) + "\n").encode(), **files}


def read_book(
    content: bytes, tags: Mapping[str, str], place: str, files: Mapping[str, bytes] = _NO_FILES
) -> StoredBook:
    """Return the book of a file; ModelIntegrityError, which names `place`, where it is not the one of `tags`.

    `tags` name the family, the universe and the last instant that it has seen (not compared where they were not
    recorded); `files`: the trees that lie beside the file, by name.
    """
    reader = CardReader(place)
    try:
        card = parse_json(content, _LIMITS)
    except OutOfBoundsError as error:
        reader.refuse(f"{BOOK_FILE} {error.what}")
    named = card.get("format") if isinstance(card, dict) else None
    form = named if type(named) is int and named in _MORE else _FORMAT
    reader.require_fields(card, (*_FIELDS, *_MORE[form]), BOOK_FILE)
    if type(named) is not int or named not in _MORE:
        known = f"{_FORMAT}, {_WITH_FIT} or {_WITH_MEMBERS}"
        reader.refuse(f"{BOOK_FILE} is of the format {show(str(named)[:100])}, not {known}")
    family = _read_family(reader, card, tags.get(FAMILY_TAG, ""))
    if form != _choose_format(family):
        reader.refuse(f"{family.name} {_explain_format(family, form)}")
    if files and form == _FORMAT:
        reader.refuse(f"beside it lie {', '.join(sorted(files))}, and nothing of it is learnt")
    reader.require_fields(card["limits"], tuple(_HIGHEST), "its limits")
    reader.require_fields(card["costs"], _COSTS, "its costs")
    limits = {
        name: None if card["limits"][name] is None else reader.read_number(card["limits"][name], name, 0.0, most)
        for name, most in _HIGHEST.items()
    }
    universe, (venue,) = reader.read_names(card["universe"], "universe"), reader.read_names([card["venue"]], "venue")
    if tags.get("universe", "") not in {"", ",".join(universe)}:
        reader.refuse(f"its names are {', '.join(universe)[:200]}, and those of its version {tags['universe'][:200]}")
    code, registration = card["code_sha256"], card["registration"]
    if not isinstance(code, str) or not _DIGEST.fullmatch(code):
        reader.refuse("code_sha256 is no digest")
    return StoredBook(
        family=family,
        limits=BookLimits(**limits),
        costs={name: reader.read_number(card["costs"][name], name, 0.0, _MOST_COST) for name in _COSTS},
        venue=venue,
        universe=universe,
        code=code,
        registration=None if registration is None else reader.read_names([registration], "registration")[0],
        fit=_read_fit(reader, family, card, files, tags.get("train_end", "")),
    )


def _choose_format(family: BookFamily) -> int:
    return _WITH_MEMBERS if family.members else _WITH_FIT if family.learns else _FORMAT


def _explain_format(family: BookFamily, found: int) -> str:
    """Return why a file of another format than that of its family is none of it."""
    does = {_FORMAT: "learns nothing", _WITH_FIT: "learns", _WITH_MEMBERS: "combines books"}[_choose_format(family)]
    held = {_FORMAT: "no fit", _WITH_FIT: "a fit", _WITH_MEMBERS: "books that are combined"}[found]
    return f"{does}, and its file holds {held}"


def _write_fit(fit: StoredFit | None) -> tuple[dict[str, Any], dict[str, bytes]]:
    if fit is None:
        return {}, {}
    if isinstance(fit, CombinedFit):
        return write_members(fit)
    content, files = write_fit(fit)
    return {_FIT: content}, files


def _read_fit(
    reader: CardReader, family: BookFamily, card: Mapping[str, Any], files: Mapping[str, bytes], train_end: str
) -> StoredFit | None:
    if family.members:
        return read_members(reader, family, card, files, train_end)
    return read_fit(reader, family, card[_FIT], files, train_end) if family.learns else None


def _read_family(reader: CardReader, card: Mapping[str, Any], tagged: str) -> BookFamily:
    """Return the family of a file, which must be that of the version, and the same book as here."""
    named = card["family"]
    if not isinstance(named, str) or named not in STORED_BOOKS:
        reader.refuse(f"its family is {show(str(named)[:100])}, which is no book that can be registered")
    if named != tagged:
        reader.refuse(f"its family is {tagged[:100]}, and its file holds {named}")
    family = STORED_BOOKS[named]
    require_definition(reader, card, family)
    return family
