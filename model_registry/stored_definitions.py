"""What a file says of a family of books, and that this release makes the same book of its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_registry.scorer_card import CardReader
from pairity.books.families import BookFamily
from pairity.bounded_numbers import show
from pairity.number_formats import format_plain


def write_definition(family: BookFamily) -> dict[str, Any]:
    """Return the fields that define a family: its name, names of its universe, hours between decisions, band."""
    return {"family": family.name, "size": family.size, "every_hours": family.every_hours, "band": family.band}


def require_definition(reader: CardReader, card: Mapping[str, Any], family: BookFamily) -> None:
    """Refuse a file whose fields are not those of `family` as it is here."""
    if card["family"] != family.name:
        reader.refuse(f"its member is {show(str(card['family'])[:100])}, and {family.name} has its place there")
    for what, stored, here in (
        ("names", card["size"], family.size),
        ("hours between decisions", card["every_hours"], family.every_hours),
        ("band", card["band"], family.band),
    ):
        if type(stored) is not type(here) or stored != here:
            reader.refuse(
                f"{family.name} was judged with another definition ({what}: {show(str(stored)[:100])}); "
                f"this release trades {format_plain(here)}"
            )
