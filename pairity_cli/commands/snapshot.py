"""`pairity snapshot`: named states of the data directory, from which a training is repeated."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity.names import SNAPSHOT_NAME
from pairity.number_formats import format_count, format_size
from pairity_cli.context import NOTHING_STORED, echo, is_empty, reports_errors, settings_from
from pairity_cli.parameters import Name, Note
from pairity_cli.references import SNAPSHOT
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from ingestion.snapshots import SavedSnapshot

_SHOWN = 20
_DAMAGED = 4


@click.group(invoke_without_command=True)
@click.pass_context
def snapshot(context: click.Context) -> None:
    """States of lake and features with a name: list them (as without a command), save, verify, copy, prune.

    A training is repeated from one, here or with another checkout, and gives the same model, byte for byte.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_saved)


@snapshot.command("list")
@reports_errors
@prints_tables()
def list_saved() -> None:
    """One row per snapshot, newest first: name, when, files, size, raw snapshot, code, note."""
    from ingestion.snapshots import list_snapshots
    from pairity.layout import Layout

    settings = settings_from()
    saved = list_snapshots(Layout.of(settings))
    if not saved:
        echo(NOTHING_STORED if is_empty(settings) else "no snapshot is saved: pairity snapshot save")
        return
    _show(saved)


@snapshot.command()
@click.argument("name", type=Name(SNAPSHOT_NAME), required=False)
@click.option("--note", type=Note(), help="What it is for; it is recorded.")
@reports_errors
@prints_tables()
def save(name: str | None, note: str | None) -> None:
    """Save the present state of lake, features, reference data and settings as NAME (by default the instant).

    Files are linked, not copied: a snapshot takes no room until the data directory has others in their place. It
    refuses to run beside a process that writes, such as `pairity serve`.
    """
    from ingestion.snapshots import name_snapshot, save_snapshot
    from pairity.layout import Layout
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.context import require_data

    settings = require_data(settings_from())
    layout, now = Layout.of(settings), datetime.now(UTC)
    with ConsoleProgress() as progress:
        saved = save_snapshot(layout, name or name_snapshot(layout, now), progress, now=now, note=note or "")
    _show([saved])
    echo(f"digest {saved.digest}")
    echo(f"a training on it, whenever: pairity snapshot copy {saved.name} FOLDER")


@snapshot.command()
@click.argument("name", type=SNAPSHOT, default="latest")
@reports_errors
@prints_tables()
def verify(name: str) -> None:
    """Read every file of a snapshot again; the exit code is 4 where one is missing, changed or was added."""
    from ingestion.snapshots import find_snapshot, verify_snapshot
    from pairity.layout import Layout
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.tables import print_table

    layout = Layout.of(settings_from())
    saved = find_snapshot(layout, name)
    with ConsoleProgress() as progress:
        found = verify_snapshot(layout, saved, progress)
    wrong = [(kind, path) for kind in ("missing", "changed", "extra") for path in getattr(found, kind)]
    if wrong:
        print_table(("what", "file"), wrong[:_SHOWN], "Not what was saved")
        if len(wrong) > _SHOWN:
            echo(f"and {format_count(len(wrong) - _SHOWN, 'file')} more")
    whole = f"{format_count(len(saved.files), 'file')}, {format_size(saved.size)}"
    echo(f"snapshot {saved.name}: {'DAMAGED' if wrong else 'as it was saved'}, {whole}; digest {saved.digest}")
    since = format_count(found.replaced_since, "file")
    echo(
        f"the data directory has {since} of it in another state now"
        if found.replaced_since
        else "nothing of it has changed in the data directory since"
    )
    if wrong:
        sys.exit(_DAMAGED)


@snapshot.command()
@click.argument("name", type=SNAPSHOT)
@click.argument("target", type=click.Path(path_type=Path))
@reports_errors
@prints_tables()
def copy(name: str, target: Path) -> None:
    """Write a snapshot into the new data directory TARGET, each file checked: on another disk, for another checkout."""
    from ingestion.snapshots import copy_snapshot, find_snapshot
    from pairity.layout import Layout
    from pairity_cli.console import ConsoleProgress

    layout, folder = Layout.of(settings_from()), target.absolute()
    saved = find_snapshot(layout, name)
    with ConsoleProgress() as progress:
        copy_snapshot(layout, saved, folder, progress)
    echo(f"{format_count(len(saved.files), 'file')}, {format_size(saved.size)}, each as it was saved: {folder}")
    instant = f"{saved.saved_at:%Y-%m-%dT%H:%M:%S.%fZ}"
    echo(f"a training on it: PAIRITY_HOME={folder} pairity train --as-known-at {instant}")


@snapshot.command()
@click.argument("name", type=SNAPSHOT)
@reports_errors
@prints_tables()
def push(name: str) -> None:
    """Write a snapshot to the object store of `cluster.object_store`, where other machines can pull it.

    It is there whole or not at all; files that are there already are not sent again.
    """
    from ingestion.snapshots import find_snapshot
    from ingestion.snapshots.object_store import push_snapshot, require_object_store
    from pairity.layout import Layout
    from pairity_cli.console import ConsoleProgress

    settings = settings_from()
    layout, address = Layout.of(settings), require_object_store(settings.cluster.object_store)
    saved = find_snapshot(layout, name)
    with ConsoleProgress() as progress:
        new = push_snapshot(layout, saved, address, progress)
    echo(f"snapshot {saved.name}: {format_count(len(saved.files), 'file')}, {new} of them new, in {address}")


@snapshot.command()
@click.argument("name", type=Name(SNAPSHOT_NAME))
@reports_errors
@prints_tables()
def pull(name: str) -> None:
    """Fetch a snapshot from the object store of `cluster.object_store`, each file checked."""
    from ingestion.snapshots.object_store import pull_snapshot, require_object_store
    from pairity.layout import Layout
    from pairity_cli.console import ConsoleProgress

    settings = settings_from()
    address = require_object_store(settings.cluster.object_store)
    with ConsoleProgress() as progress:
        saved = pull_snapshot(Layout.of(settings), name, address, progress)
    _show([saved])
    echo(f"digest {saved.digest}")


@snapshot.command()
@click.argument("names", type=SNAPSHOT, nargs=-1)
@click.option("--keep", type=click.IntRange(1), help="Instead of NAMES: all but so many of the newest.")
@click.option("--confirm", type=click.Choice(["REMOVE"]), help="Remove them; without it they are only listed.")
@reports_errors
@prints_tables()
def prune(names: tuple[str, ...], keep: int | None, confirm: str | None) -> None:
    """Remove snapshots for good; the data directory and other snapshots keep their files."""
    from ingestion.snapshots import count_freed_bytes, find_snapshot, list_snapshots, remove_snapshots
    from pairity.errors import ConfigError
    from pairity.layout import Layout

    if bool(names) == (keep is not None):
        raise ConfigError("prune needs names or --keep, and not both", "pairity snapshot prune --keep 5")
    layout = Layout.of(settings_from())
    doomed = list_snapshots(layout)[keep:] if keep else [find_snapshot(layout, name) for name in dict.fromkeys(names)]
    doomed = list({saved.name: saved for saved in doomed}.values())
    if not doomed:
        echo(f"nothing to remove: {format_count(len(list_snapshots(layout)), 'snapshot')} saved")
        return
    _show(doomed)
    freed = format_size(count_freed_bytes(layout, doomed))
    if confirm is None:
        echo(f"would be removed, which frees {freed}: repeat with --confirm REMOVE")
        return
    remove_snapshots(layout, doomed)
    echo(f"{format_count(len(doomed), 'snapshot')} removed, {freed} freed")


def _show(saved: list[SavedSnapshot]) -> None:
    from pairity_cli.tables import print_table

    print_table(
        ("name", "saved, UTC", "files", "size", "raw snapshot", "code", "note"),
        [
            (
                one.name,
                one.saved_at,
                len(one.files),
                format_size(one.size),
                (one.snapshot_id or "none")[:16],
                one.code_revision[:12],
                one.note,
            )
            for one in saved
        ],
    )
