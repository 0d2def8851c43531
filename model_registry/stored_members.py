"""Books of a combination in `book.json`: each with its definition, its fit, and what it had done until then.

Data of fixed shape, as everything in the file. Trees of a member lie beside it under the member's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_registry.combined_fits import CombinedFit, MemberFit
from model_registry.scorer_card import CardReader
from model_registry.stored_definitions import require_definition, write_definition
from model_registry.stored_fits import FIT_FILES, read_close, read_fit, write_fit
from pairity.books.combination import PAST_DAYS
from pairity.books.families import BOOK_FAMILIES, MEMBERS, BookFamily
from pairity.bounded_numbers import show

FIELDS = ("made_at", "members")
"""Fields of `book.json` that a combination alone has."""
_MEMBER_FIELDS = ("family", "size", "every_hours", "band", "begun", "past", "fit")
_MOST_EARNED = 10.0
"""Returns of a day beyond ten times the equity are none."""
MEMBER_FILES: Mapping[str, int] = {
    f"{member}_{name}": size for member in MEMBERS if BOOK_FAMILIES[member].learns for name, size in FIT_FILES.items()
}
"""Files of trees beside `book.json`, with the most bytes that each may have."""


def write_members(fit: CombinedFit) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what `book.json` holds of the books of a combination, and the files beside it."""
    files: dict[str, bytes] = {}
    members: list[dict[str, Any]] = []
    for name, own in fit.members.items():
        content, trees = (None, {}) if own.fit is None else write_fit(own.fit)
        files |= {f"{name}_{path}": text for path, text in trees.items()}
        members.append(
            {**write_definition(BOOK_FAMILIES[name]), "begun": own.begun, "past": list(own.past), "fit": content}
        )
    return {"made_at": fit.made_at.isoformat(), "members": members}, files


def read_members(
    reader: CardReader, family: BookFamily, card: Mapping[str, Any], files: Mapping[str, bytes], train_end: str
) -> CombinedFit:
    """Return the books of a combination; ModelIntegrityError for any other content.

    `card` has the fields of `FIELDS`, `files` are those of `MEMBER_FILES` that lie beside it; `train_end` is that of
    `read_fit`.
    """
    made_at, listed = read_close(reader, card["made_at"], train_end), card["members"]
    if not isinstance(listed, list) or len(listed) != len(family.members):
        reader.refuse(f"its members are not the {len(family.members)} of {family.name}")
    members: dict[str, MemberFit] = {}
    taken: set[str] = set()
    for one, book in zip(listed, family.books, strict=True):
        reader.require_fields(one, _MEMBER_FIELDS, f"its member {book.name}")
        require_definition(reader, one, book)
        own = {name[len(book.name) + 1 :]: text for name, text in files.items() if _is_of(name, book)}
        taken |= {f"{book.name}_{name}" for name in own}
        members[book.name] = _read_member(reader, family, book, one, own, train_end)
        found = members[book.name].fit
        if found is not None and found.made_at != made_at:
            reader.refuse(f"{book.name} was fitted at {found.made_at:%Y-%m-%d %H:%M} UTC, the others at another close")
    if strange := sorted(set(files) - taken):
        reader.refuse(f"beside it lie {', '.join(strange)[:200]}, of no member")
    return CombinedFit(made_at, members)


def _is_of(name: str, book: BookFamily) -> bool:
    prefix = f"{book.name}_"
    return name.startswith(prefix) and name[len(prefix) :] in FIT_FILES


def _read_member(
    reader: CardReader,
    family: BookFamily,
    book: BookFamily,
    content: Mapping[str, Any],
    files: Mapping[str, bytes],
    train_end: str,
) -> MemberFit:
    begun, past = content["begun"], content["past"]
    if type(begun) is not bool:
        reader.refuse(f"begun of {book.name} is {show(str(begun)[:100])}, not true or false")
    most = PAST_DAYS if family.follows_past else 0
    if not isinstance(past, list) or len(past) > most or (past and not begun):
        reader.refuse(f"past of {book.name} is no list of at most {most} numbers of a book that has begun")
    fit = content["fit"]
    if not book.learns:
        if fit is not None or files:
            reader.refuse(f"{book.name} learns nothing, and its part holds a fit")
        return MemberFit(None, begun, _read_past(reader, book, past))
    return MemberFit(read_fit(reader, book, fit, files, train_end), begun, _read_past(reader, book, past))


def _read_past(reader: CardReader, book: BookFamily, past: list[Any]) -> tuple[float, ...]:
    return reader.read_numbers(past, f"past of {book.name}", len(past), -_MOST_EARNED, _MOST_EARNED)
