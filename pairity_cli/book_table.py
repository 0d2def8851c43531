"""Table of a book's decision: each name with its weights, its contracts, and why."""

from __future__ import annotations

from pairity.number_formats import format_exact, format_fixed, format_percent
from pairity_cli.tables import print_line, print_table
from serving.journal import BookRecord


def show_book(book: BookRecord) -> None:
    """Print what was decided of every name: weight that was held, target, contracts before and after, and why."""
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
        ],
    )
    for step in book.steps:
        print_line(step)
