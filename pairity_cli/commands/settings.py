"""`pairity settings`."""

from __future__ import annotations

import click

from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.table_output import prints_tables


@click.command()
@click.option("--accept", is_flag=True, help="Remember the present settings from now on, instead of those before.")
@reports_errors
@prints_tables()
def settings(accept: bool) -> None:
    """Show the settings that the data directory was made with beside the present ones.

    They are those that change what is stored: universe, venue, windows, the length of bars. Commands whose results
    would mix with what is stored refuse others, until they are accepted here.
    """
    from pairity.errors import DataError
    from pairity.home_settings import (
        EXCHANGE,
        INTERVAL,
        collect_values,
        find_differences,
        locate_record,
        read_remembered,
        remember,
        write_value,
    )
    from pairity.layout import Layout
    from pairity_cli.tables import Cell, Mark, print_table

    found = settings_from()
    layout, now = Layout.of(found), collect_values(found, interval=True)
    try:
        remembered = read_remembered(layout) or {}
    except DataError:
        if not accept:
            raise
        remembered = {}
    differs = {item.name for item in find_differences(remembered, now)}
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            write_value(remembered[name]) if name in remembered else None,
            write_value(value),
            Mark.NO if name in differs else Mark.YES if name in remembered else None,
        )
        for name, value in now.items()
    ]
    if EXCHANGE in remembered:
        rows.append((EXCHANGE, write_value(remembered[EXCHANGE]), None, None))
    print_table(("setting", "remembered", "now", "the same"), rows)
    if accept:
        # Exchange and interval may be of a command line: the next command that uses them says what they are
        kept = {name: value for name, value in now.items() if name != INTERVAL}
        remember(layout, kept, forget={EXCHANGE, INTERVAL})
        echo(f"the present settings are remembered from now on: {locate_record(layout)}")
    elif remembered:
        echo(f"{len(differs)} differs" if len(differs) == 1 else f"{len(differs)} differ")
    else:
        echo("nothing is remembered yet: the first command that stores something does it")
