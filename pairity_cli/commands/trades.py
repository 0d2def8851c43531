"""`pairity trades`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity_cli.context import reports_errors, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity.number_formats import Figure
    from serving.books.round_trips import RoundTrip
    from serving.journal.reading import ReadingJournal
    from serving.views.trades import TradeFilter

_SHOWN = 50


@click.command()
@click.option("--since", metavar="INSTANT", help="Only what was closed from then on: ISO time in UTC, or an age as 7d.")
@click.option("--until", metavar="INSTANT", help="Only what was closed before.")
@click.option("--all", "everything", is_flag=True, help=f"All of them, and not the newest {_SHOWN}.")
@click.option("--export", type=click.Path(path_type=Path), help="Write all closed trades to this .csv file.")
@reports_errors
@prints_tables()
def trades(since: str | None, until: str | None, everything: bool, export: Path | None) -> None:
    """Closed trades of the journal: positions of pairs, and round trips of a book's names, the last one first.

    A name of a book is one trade from its first lot until nothing is left, or until it turns, whatever was added and
    taken off in between. One that is only made smaller is open: what that realised stands in the second table.
    """
    from contextlib import closing

    from pairity.layout import Layout
    from pairity.timeline import parse_range
    from serving.journal.reading import ReadingJournal
    from serving.views.name_trades import list_trips
    from serving.views.trades import TradeFilter
    from venue.clock import SystemClock

    now = SystemClock().now()
    first, last = parse_range(since, until, now=now)
    with closing(ReadingJournal.connect(Layout.of(settings_from()).journal_place)) as journal:
        wanted = TradeFilter(since=first, until=last)
        _show_closed(journal, wanted, None if everything else _SHOWN)
        _show_open([one for one in list_trips(journal) if one.closed_at is None])
        if export is not None:
            _export(journal, wanted, export)


def _show_closed(journal: ReadingJournal, wanted: TradeFilter, most: int | None) -> None:
    from decimal import Decimal

    from pairity.number_formats import format_count, format_exact, format_fixed, format_money, format_price
    from pairity_cli.tables import print_heading, print_line, print_table
    from serving.views.trades import list_trades

    def money(text: str | None) -> Figure:
        return format_money(None if text is None else Decimal(text))

    found = list_trades(journal, wanted)
    print_heading("Closed trades")
    print_table(
        (
            "closed, UTC", "opened, UTC", "trade", "side", "most contracts", "entry", "exit", "hours", "price, USDT",
            "fees, USDT", "funding, USDT", "result, USDT", "why closed", "opened by", "closed by",
        ),
        [
            (
                one.closed_at,
                one.opened_at,
                one.pair,
                one.direction,
                " / ".join(str(format_exact(Decimal(leg.contracts))) for leg in one.legs),
                " / ".join(str(format_price(leg.entry_price)) for leg in one.legs),
                format_price(None if one.exit_price is None else Decimal(one.exit_price)),
                format_fixed(one.hours_held, 1),
                money(one.price_usdt),
                money(one.fees_usdt),
                money(one.funding_usdt),
                money(one.result_usdt),
                one.exit_reason,
                one.entry_order_id or "–",
                one.exit_order_id or "–",
            )
            for one in found[:most]
        ],
    )  # fmt: skip
    known = [Decimal(one.result_usdt) for one in found if one.result_usdt is not None]
    unknown = len(found) - len(known)
    earned = format_money(sum(known, Decimal(0)))
    print_line(
        f"{format_count(len(found), 'closed trade')}, {earned} USDT after fees and funding"
        + (f"; of {unknown} the venue has not said everything yet" if unknown else "")
        + ("" if most is None or len(found) <= most else f"; the newest {most} are shown (all of them: --all)")
    )
    if found:
        print_line("why a trade was opened or closed: pairity why ORDER")


def _show_open(trips: list[RoundTrip]) -> None:
    from pairity.number_formats import format_exact, format_money
    from pairity_cli.tables import print_table

    if trips:
        print_table(
            (
                "opened, UTC", "name", "side", "contracts", "most", "price, USDT", "fees, USDT", "funding, USDT",
                "realised, USDT",
            ),
            [
                (
                    one.opened_at,
                    one.name,
                    "long" if one.side.sign > 0 else "short",
                    format_exact(one.left),
                    format_exact(one.most),
                    format_money(one.price_usdt),
                    format_money(one.fees_usdt),
                    format_money(one.funding_usdt),
                    format_money(one.realised_usdt),
                )
                for one in trips
            ],
            "Open names of the book, and what they realised so far",
        )  # fmt: skip


def _export(journal: ReadingJournal, wanted: TradeFilter, path: Path) -> None:
    from pairity.durable import replace_file
    from pairity.errors import ConfigError
    from pairity_cli.tables import print_line
    from serving.views.trades import render_csv

    if path.suffix != ".csv":
        raise ConfigError(f"--export {path} is no .csv file", "give it a name that ends in .csv")
    replace_file(path, render_csv(journal, wanted).encode())
    print_line(f"trades written to {path}")
