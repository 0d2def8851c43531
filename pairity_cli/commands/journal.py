"""`pairity journal`: where the journal is, bringing its tables forward, and moving it."""

from __future__ import annotations

import click

from pairity.number_formats import format_count
from pairity_cli.context import NOTHING_TRADED, echo, reports_errors, settings_from


@click.group()
def journal() -> None:
    """Bring the journal's tables forward, and move it between its file and PostgreSQL.

    The trading process must not run meanwhile: it holds the journal.
    """


@journal.command()
@reports_errors
def upgrade() -> None:
    """Bring the tables of the journal to this program's version; pairity serve does the same when it starts."""
    from pairity.layout import Layout
    from serving.journal.upgrade import upgrade_journal

    place = Layout.of(settings_from()).journal_place
    upgraded = upgrade_journal(place)
    if upgraded is None:
        echo(NOTHING_TRADED)
    elif upgraded.before == upgraded.after:
        echo(f"the journal {place} has schema version {upgraded.after}: nothing to do")
    else:
        echo(f"the journal {place} went from schema version {upgraded.before} to {upgraded.after}")


@journal.command()
@click.option("--to", "target", type=click.Choice(["database", "file"]), required=True, help="Where it goes.")
@reports_errors
def move(target: str) -> None:
    """Move the journal from its file into PostgreSQL, or back; every row is compared. Needs the profile cluster.

    The journal that was moved away stays as it was, and is only read from then on. A move that was interrupted goes on.
    """
    from pairity.errors import ConfigError
    from pairity.layout import Layout
    from serving.journal.moving import move_journal

    layout = Layout.of(settings_from())
    database = layout.journal_database
    if database is None:
        raise ConfigError(
            "the profile embedded has a journal in a file, and no PostgreSQL to move it to or from",
            f"run: pairity --profile cluster journal move --to {target}",
        )
    places = (layout.journal, database) if target == "database" else (database, layout.journal)
    copied = move_journal(*places)
    echo(f"the journal is in {places[1]}: {format_count(copied.rows, 'row')}, SHA-256 {copied.digest}")
    profile = "cluster" if target == "database" else "embedded"
    echo(f"trade from it with the profile {profile}; {places[0]} stays as it was, and is only read")
