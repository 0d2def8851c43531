"""`pairity logs`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pairity_cli.context import echo, reports_errors, settings_from

if TYPE_CHECKING:
    from serving.logs.reading import Line

_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option("--follow", is_flag=True, help="Go on with lines as they come, until Ctrl-C.")
@click.option("--since", default=None, metavar="INSTANT", help="First instant: ISO time, or an age such as 2h.")
@click.option("--level", type=click.Choice(_LEVELS), default="info", show_default=True, help="Least level.")
@click.option("--json", "as_json", is_flag=True, help="The lines as they are stored.")
@reports_errors
def logs(follow: bool, since: str | None, level: str, as_json: bool) -> None:
    """Show what the trading process logged: progress, changes of state, requests to the venue, errors."""
    from pairity.errors import MissingDataError
    from pairity.layout import Layout
    from pairity.timeline import parse_instant
    from serving.logs.reading import Selection, follow_lines, read_lines
    from serving.logs.rotation import list_parts

    path = Layout.of(settings_from()).log
    first = None if since is None else parse_instant(since, now=datetime.now(UTC), name="--since")
    if not follow and not list_parts(path):
        raise MissingDataError(f"there is no log at {path}", "it is written by: pairity serve")
    selection = Selection(first, level)
    try:
        for line in follow_lines(path, selection) if follow else read_lines(path, selection):
            echo(json.dumps(line.row) if as_json else format_line(line))
    except KeyboardInterrupt:
        return


def format_line(line: Line) -> str:
    """Return a line as people read it; a traceback follows on lines of its own."""
    from pairity.printable import printable_line

    text = f"{line.at:%Y-%m-%d %H:%M:%S} {line.level:<7} {line.logger.removeprefix('pairity.')}: {line.text}"
    error = line.row.get("error")
    if isinstance(error, dict) and (trace := str(error.get("traceback", ""))):
        indented = "\n".join(f"    {printable_line(part)}" for part in trace.rstrip("\n").split("\n"))
        return f"{printable_line(text)}\n{indented}"
    return printable_line(text)
