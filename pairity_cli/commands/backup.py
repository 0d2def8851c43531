"""`pairity backup` and `pairity restore`."""

from __future__ import annotations

from pathlib import Path

import click

from pairity.number_formats import format_count
from pairity_cli.context import echo, reports_errors, settings_from


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@reports_errors
def backup(target: Path) -> None:
    """Copy the journal and its archive into the new folder TARGET, also while the trading process writes.

    The copy is verified. It holds what was traded and why, and no key.
    """
    from pairity.layout import Layout
    from serving.backups import make_backup

    made = make_backup(Layout.of(settings_from()).journal_place, target.absolute())
    rows = made.content.rows
    echo(
        f"backup in {made.folder}: {format_count(rows.get('decisions', 0), 'decision')}, "
        f"{format_count(rows.get('intents', 0), 'order')}"
    )
    echo(f"newest entry {made.content.newest or 'none'}; verified; restore it with: pairity restore {made.folder}")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--confirm", type=click.Choice(["REPLACE"]), help="Also where the journal here is newer.")
@reports_errors
def restore(source: Path, confirm: str | None) -> None:
    """Put the journal of the backup SOURCE in the place of the one here, which is kept under another name.

    The trading process must not run. It will start halted: look at the account first, then pairity resume.
    """
    from pairity.layout import Layout
    from serving.backups import restore_backup

    done = restore_backup(Layout.of(settings_from()).journal_place, source.absolute(), word=confirm)
    echo(f"{done.journal} is that of {done.backup.made_at:%Y-%m-%d %H:%M} UTC, newest {done.backup.content.newest}")
    if done.kept is not None:
        echo(f"the one before it is {done.kept}")
    if done.requests is not None:
        echo(f"requests that waited are in {done.requests}: ask again for what is still meant")
    echo("trading is halted: compare pairity account with what you expect, then run pairity resume")
