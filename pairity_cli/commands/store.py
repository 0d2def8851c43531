"""`pairity store`: lake and features in an object store, as this data directory and others share them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pairity.number_formats import format_count, format_size
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from ingestion.published.directory import Directory
    from pairity.settings import Settings

_SHOWN = 20


@click.group(invoke_without_command=True)
@click.pass_context
def store(context: click.Context) -> None:
    """Lake and features in the object store of `cluster.lake`: how this data directory stands to it, publish, prune."""
    if context.invoked_subcommand is None:
        context.invoke(status)


@store.command()
@reports_errors
@prints_tables()
def status() -> None:
    """Which state is published, which one is here, what is not published yet, and how many bytes are here."""
    from ingestion.published.pruning import may_run
    from ingestion.published.standing import look
    from pairity_cli.tables import print_table

    directory = _require_directory(settings_from())
    found = look(directory)
    root = found.head.root
    rows = [
        ("object store", directory.objects.address),
        ("published state", "none" if root is None else f"{root.number}, by {root.published_by or 'unknown'}"),
        ("published at, UTC", "never" if root is None else f"{root.published_at:%Y-%m-%d %H:%M:%S}"),
        ("state here", found.base.number or "none"),
        ("published files", f"{format_count(found.files, 'file')}, {format_size(found.size)}"),
        ("of them here", f"{format_count(found.files_here, 'file')}, {format_size(found.size_here)}"),
        ("not published yet", format_count(len(found.own), "file")),
        ("kept apart", format_count(found.set_aside, "file")),
    ]
    print_table(("what", "value"), rows)
    for path in found.own[:_SHOWN]:
        echo(f"not published: {path}")
    if len(found.own) > _SHOWN:
        echo(f"and {format_count(len(found.own) - _SHOWN, 'file')} more")
    if root is not None and root.is_pruning:
        at = f"{root.published_at:%Y-%m-%d %H:%M} UTC"
        if may_run(root, datetime.now(UTC)):
            echo(
                f"a pruning by {root.published_by} is under way, at work at {at}: nobody can publish until it has ended"
            )
        else:
            echo(f"a pruning was killed after {at}: pairity store prune --confirm REMOVE finishes it")
    if found.own:
        echo("publish what is here: pairity store publish")


@store.command()
@reports_errors
def publish() -> None:
    """Publish what this data directory has and the store has not, on top of what others have published.

    Objects that the store has lost are sent again, where their bytes are here.
    """
    from ingestion.lake import Lake
    from ingestion.published import publishing
    from ingestion.published.publication import resend
    from pairity.layout import Layout

    settings = settings_from()
    directory = _require_directory(settings)
    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    with publishing(lake, settings, say=echo) as outcome:
        pass
    with lake.writing():
        again = resend(directory)
    assert outcome.publication is not None
    if not outcome.publication.files:
        echo(f"state {outcome.publication.number} of {directory.objects.address} has all that is here")
    if again:
        echo(f"{format_count(again, 'object')} that the store had lost sent again")
    if outcome.features_are_due:
        echo("others were faster: run pairity features for what follows from both")


@store.command()
@reports_errors
def fetch() -> None:
    """Fetch all bytes of the newest published state: for work without the store, or for a copy of this folder."""
    from ingestion.published import follow
    from ingestion.published.cache import bring_all

    settings = settings_from()
    directory = _require_directory(settings)
    follow(settings)
    echo(f"{format_count(bring_all(directory.root), 'file')} fetched from {directory.objects.address}")


@store.command()
@click.option("--confirm", type=click.Choice(["REMOVE"]), help="Delete them; without it they are only counted.")
@reports_errors
def prune(confirm: str | None) -> None:
    """Delete objects that the published state does not name, for good: of killed jobs, and of states before it.

    A job of another machine that still needs an older state is told so, and is to be repeated. Nobody can publish
    meanwhile.
    """
    from ingestion.published import pruning

    objects = _require_directory(settings_from()).objects
    if confirm is None:
        found = pruning.find_orphans(objects)
        what = f"{format_count(len(found.objects), 'object')}, {format_size(found.size)}"
        echo(f"would be deleted: {what}; {found.kept:,} stay. Repeat with --confirm REMOVE")
        return
    done = pruning.prune(objects, now=datetime.now(UTC))
    echo(f"{format_count(len(done.objects), 'object')} deleted, {format_size(done.size)} freed; {done.kept:,} stay")


def _require_directory(settings: Settings) -> Directory:
    from ingestion.published.session import open_directory
    from pairity.errors import ConfigError

    directory = open_directory(settings)
    if directory is None:
        raise ConfigError("no object store of the lake is set", "set cluster.lake, for example s3://bucket/pairity")
    return directory
