"""Table of a book's decision: each name with its weights, its contracts, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pairity.number_formats import format_exact, format_fixed, format_percent, format_plain
from pairity.timeline import format_instant
from pairity_cli.exact_values import write_exactly
from pairity_cli.tables import print_heading, print_line, print_table
from serving.journal import BookRecord

if TYPE_CHECKING:
    from serving.books.lineage import WeightRecomputation
    from serving.books.volatility import VolatilityRecomputation


def show_book(book: BookRecord, only: str | None = None) -> None:
    """Print what was decided of every name, or of `only`: weight that was held, target, contracts, and why."""
    print_line(f"{book.family}, equity {format_fixed(book.equity_usdt)} USDT at the bar's closes")
    print_table(
        ("name", "held", "target", "contracts", "wanted", "traded", "why"),
        [
            (
                one.name,
                format_percent(one.weight, signed=True),
                format_percent(one.target, signed=True),
                format_exact(one.held),
                format_exact(one.contracts),
                one.cause,
                one.why,
            )
            for one in book.names
            if only is None or one.name == only
        ],
    )
    for step in book.steps:
        print_line(step)


def show_weight(weight: WeightRecomputation, known: Mapping[tuple[str, str], datetime]) -> None:
    """Print the weight behind an order, computed again, and the features of its name and of the name's pairs.

    `known`: by service and entity, since when a vector's row was known here.
    """
    if not weight.own:
        print_line(f"no features of {weight.name} in the journal")
        return
    same = "the same float" if weight.is_same else "NOT THE SAME"
    print_line(f"weight in the journal {weight.recorded!r}, computed again {weight.again!r}: {same}")
    for vector in weight.own:
        event = format_instant(vector.event_timestamp) if vector.event_timestamp else "unknown"
        print_heading(f"Features of {vector.entity} ({vector.service}), event time {event}")
        since = known.get((vector.service, vector.entity))
        if since is not None:
            print_line(f"known here since {since:%Y-%m-%d %H:%M:%S} UTC")
        print_table(("feature", "value"), [(name, write_exactly(value)) for name, value in vector.values.items()])


def show_volatility(one: VolatilityRecomputation) -> None:
    """Print the volatility that the target was compared with, and what it is when measured again."""
    recorded = one.recorded
    same = one.fault or ("the same float" if one.is_same else "NOT THE SAME")
    print_line(
        f"volatility of the book over sixty days in the journal {recorded.value!r} (target "
        f"{format_plain(recorded.target)}, {len(recorded.names)} names, as known at "
        f"{recorded.known_at:%Y-%m-%d %H:%M:%S} UTC), measured again {one.again!r}: {same}"
    )
