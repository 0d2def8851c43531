"""`pairity registrations`: books that are looked at once, and what was written down before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER
from pairity.number_formats import format_fixed
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import AssetNames, Name, Note
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from training.books.last_look import BookLook

_MEASURES = ("net_return", "sharpe", "sharpe_low", "sharpe_high", "max_drawdown", "trades", "turnover")


@click.group(invoke_without_command=True)
@click.pass_context
def registrations(context: click.Context) -> None:
    """Pre-registrations of books: list them (as without a command), add one, take the last look."""
    if context.invoked_subcommand is None:
        context.invoke(list_all)


@registrations.command("list")
@reports_errors
@prints_tables()
def list_all() -> None:
    """One row per registration: what is looked at, since when it is fixed, and when it was looked at."""
    from pairity_cli.tables import print_table
    from training.books.registrations import list_own_looks, read_registrations
    from training.trials.ledger import TrialLedger

    settings = settings_from()
    found = read_registrations(settings)
    if not found:
        echo("no book is registered: pairity registrations add FAMILY")
        return
    looks = TrialLedger.of(settings).read().looks
    rows = []
    for one in found:
        own = list_own_looks(one, looks)
        rows.append(
            (
                one.name,
                f"{one.first:%Y-%m-%d %H:%M}",
                f"{one.last:%Y-%m-%d %H:%M}",
                f"{one.registered_at:%Y-%m-%d %H:%M}",
                ", ".join(f"{look.at:%Y-%m-%d %H:%M}" for look in own) or "not yet",
                "; ".join(look.reason for look in own if look.reason) or "–",
                one.expects,
            )
        )
    print_table(("registration", "first hour", "last hour", "registered", "looked at", "reasons", "expects"), rows)


@registrations.command()
@click.argument("family", type=Name(IDENTIFIER))
@click.option("--first", metavar="INSTANT", required=True, help="First bar close of the look.")
@click.option("--last", metavar="INSTANT", required=True, help="Last bar close of the look (included).")
@click.option("--expects", type=Note(), required=True, help="What you expect, in words; it is recorded.")
@reports_errors
def add(family: str, first: str, last: str, expects: str) -> None:
    """Fix the definition of a book and the hours of its last look, before anybody looks at them."""
    from pairity.timeline import parse_instant
    from training.books.registrations import register
    from training.books.stored_market import make_book_terms
    from training.books.study import choose_families
    from venue.clock import SystemClock

    settings, now = settings_from(), SystemClock().now()
    (chosen,) = choose_families([family])
    begin, end = (parse_instant(text, now=now, name=name) for text, name in ((first, "--first"), (last, "--last")))
    made, path = register(settings, chosen, make_book_terms(settings), first=begin, last=end, expects=expects, now=now)
    echo(f"{made.name} is registered: {made.first:%Y-%m-%d %H:%M} to {made.last:%Y-%m-%d %H:%M} UTC")
    if begin < now:
        echo("note: these hours have begun; whoever has looked at them already is asked for a reason at the look")
    echo(path)


@registrations.command()
@click.argument("family", type=Name(IDENTIFIER))
@click.option("--reason", type=Note(), help="Why hours that were looked at are looked at again; it is recorded.")
@click.option("--delisted", type=AssetNames(), metavar="A,B,…", help="Names that the venue ended before the last hour.")
@reports_errors
@prints_tables()
def look(family: str, reason: str | None, delisted: tuple[str, ...] | None) -> None:
    """Look at the registered hours, once: the look is written down before it is taken."""
    from training.books.last_look import look_at_book
    from venue.clock import SystemClock

    _show(look_at_book(settings_from(), family, SystemClock().now(), reason, delisted or ()))


def _show(seen: BookLook) -> None:
    from pairity.measures import MEASURES, format_measure
    from pairity_cli.tables import print_heading, print_line, print_table

    one = seen.registration
    print_heading(f"Last look at {one.name}")
    print_line(f"{one.first:%Y-%m-%d %H:%M} to {one.last:%Y-%m-%d %H:%M} UTC, after costs, look {seen.number}")
    print_line(f"registered {one.registered_at:%Y-%m-%d %H:%M} UTC; expected: {one.expects}")
    if seen.reason:
        print_line(f"again, because: {seen.reason}")
    if seen.delisted:
        print_line(f"ended before the last hour, as you say: {', '.join(seen.delisted)}")
    values = [format_measure(key, seen.metrics, one.last - one.first) for key in _MEASURES]
    print_table(tuple(MEASURES[key].title.strip() for key in _MEASURES), [tuple(values)])
    if seen.certainty is not None:
        print_line(f"t = {format_fixed(seen.certainty.t)} over {format_fixed(seen.certainty.years)} years")
    print_line(f"deflated Sharpe by all trials: {format_fixed(seen.deflated_sharpe)}")
    echo(f"run {seen.run_id}")
