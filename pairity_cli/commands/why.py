"""`pairity why`."""

from __future__ import annotations

import click

from pairity.names import ORDER_ID, PAIR
from pairity_cli.context import reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables


@click.command()
@click.argument("pair", metavar="[PAIR|NAME|ORDER]", type=Name(PAIR, ORDER_ID), required=False)
@click.option(
    "--at",
    "instant",
    metavar="INSTANT",
    default="now",
    show_default=True,
    help="Instant (ISO time in UTC, an age such as 7h, or now); the newest decision up to then is explained.",
)
@reports_errors
@prints_tables()
def why(pair: str | None, instant: str) -> None:
    """Say why PAIR (such as XRP/ADA; default: every pair) was traded, or not, as the journal has it.

    Of a book every name is shown, with its weights and why; NAME (such as SOL) shows that one alone.

    The first reason against a pair is shown. docs/architecture.md lists where each reason is decided. Of an ORDER, by
    its client order id or the venue's, the whole chain behind it is shown: the same as pairity trace.
    """
    from pairity.errors import ConfigError
    from pairity.number_formats import format_fixed
    from pairity.timeline import HOUR, last_closed, parse_instant
    from pairity_cli.book_table import show_book
    from pairity_cli.commands.trace import show_chain
    from pairity_cli.tables import Cell, print_heading, print_line, print_table
    from serving.explanation import (
        ReasonLimits,
        explain_assessment,
        has_name,
        read_book,
        read_decision_at,
        select_assessments,
    )
    from venue.clock import SystemClock

    requested = parse_instant(instant, now=SystemClock().now(), name="--at")
    settings = settings_from()
    name = pair if pair is not None and not PAIR.accepts(pair) else None
    if name is not None and not has_name(settings, requested, name):
        if instant != "now":
            raise ConfigError(
                f"--at is for pairs, and for names of a book; {name} is none of the decision then, and an order has "
                "its own decision",
                "leave --at out for an order",
            )
        show_chain(name)
        return
    record = read_decision_at(settings, requested)
    book = read_book(settings, record)
    if book is not None and pair != name:
        raise ConfigError(
            f"the decision is one of a book ({book.family}), which has no pairs", "leave PAIR out: it lists every name"
        )
    assessments = () if book is not None else select_assessments(record, pair)
    print_heading(f"Bar closed at {record.event_timestamp:%Y-%m-%d %H:%M} UTC")
    print_line(
        f"decided {record.decision_time:%Y-%m-%d %H:%M:%S} UTC by {record.model_name} version {record.model_version}: "
        f"{record.decision.action}: {record.decision.reason}"
    )
    if last_closed(requested, HOUR) > record.event_timestamp:
        print_line(f"no later bar up to {requested:%Y-%m-%d %H:%M} UTC was decided")
    if book is not None:
        show_book(book, only=name)
        return
    limits = ReasonLimits.of(record.decision.scores)
    rows: list[tuple[Cell, ...]] = [
        (
            item.pair.pair_id,
            limits.write_z(item.z),
            limits.write_probability(item.probability),
            format_fixed(item.divergence_score, 3),
            explain_assessment(record, item),
        )
        for item in assessments
    ]
    print_table(("pair", "z", "probability", "score", "why"), rows)
