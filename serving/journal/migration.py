"""Bringing the tables of a journal from their version to this program's.

The scripts and their order are Alembic's. The version stays where every program looks for it, in the table `meta`, so
that it cannot disagree with one kept elsewhere. The caller holds the writer's lock, and the transaction in which
everything happens or nothing does.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, update

from serving.journal import tables

_SCRIPTS = Path(__file__).with_name("migrations")


def migrate(
    connection: Connection, scope: str | None = None, *, since: str = "base", to: str = tables.SCHEMA_VERSION
) -> None:
    """Carry out the scripts after version `since` up to version `to`, and note the version.

    `scope`: that of a new journal. A journal of an older version keeps its own.
    """
    # Heavy, and an embedded journal of the present version needs neither
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    scripts = list(ScriptDirectory(str(_SCRIPTS)).iterate_revisions(to, since))
    with Operations.context(MigrationContext.configure(connection)):
        for script in reversed(scripts):
            script.module.upgrade()
    version = {"value": to}
    if scope is None:
        connection.execute(update(tables.meta).where(tables.meta.c.key == "schema_version").values(version))
    else:
        rows = [{"key": "schema_version", **version}, {"key": "scope", "value": scope}]
        connection.execute(insert(tables.meta), rows)
