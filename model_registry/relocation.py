"""Places of files in MLflow's database, moved along with the data directory.

MLflow writes absolute addresses of artifacts into its database. Our own readers find the files of runs and models from
their ids; MLflow's clients and the tracking UI go where the database says. So a directory that was moved, copied or
mounted elsewhere gets its addresses rewritten when it is opened, in one transaction: a process that is killed in
between leaves all of them as they were, and the next one begins again. Where the database cannot be written, everything
stays as it is: what only reads resolves an address by `resolve_address`.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pairity.layout import Layout

_LOG = logging.getLogger("pairity.registry")
_BUSY_TIMEOUT_S = 30.0
_STORE = ("mlflow", "artifacts")
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Columns that hold addresses of files below the artifact store."""
_WITHOUT_WRITING = ("readonly", "read-only", "unable to open")


def follow_move(layout: Layout, database: Path) -> int:
    """Rewrite the addresses of a moved data directory in its database, and return how many there were.

    An address is one of ours where an experiment keeps its files in a folder `mlflow/artifacts` on this machine; other
    addresses stay. 0 where nothing was moved and where the database cannot be written. Raises sqlite3.Error.
    """
    if not find_former_stores(layout, database):
        return 0
    try:
        with closing(sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            # Asked again: another process may have been faster
            former = _read_former_stores(connection, layout)
            changed = sum(_rewrite(connection, layout, store) for store in former)
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if any(word in str(error) for word in _WITHOUT_WRITING):
            return 0
        raise
    for store in former:
        _LOG.info("the data directory was moved here from %s; %s addresses of files follow it", store, changed)
    return changed


def find_former_stores(layout: Layout, database: Path) -> list[str]:
    """Return the addresses of artifact stores that the database names and that are not this directory's."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)) as connection:
        return _read_former_stores(connection, layout)


def resolve_address(layout: Layout, database: Path, address: str) -> str:
    """Return where a file of an address lies now, whether or not the database could follow a move."""
    for store in find_former_stores(layout, database):
        if address.startswith(f"{store}/"):
            return _store_of(layout).as_uri() + address.removeprefix(store)
    return address


def _read_former_stores(connection: sqlite3.Connection, layout: Layout) -> list[str]:
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "experiments" not in known:
        return []
    named = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    return sorted(address for (address,) in named if isinstance(address, str) and _is_former(layout, address))


def _is_former(layout: Layout, address: str) -> bool:
    """Return whether an address is an artifact store in another place. One that is reached by a link is the same."""
    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc or parts.query or parts.fragment:
        return False
    place = Path(unquote(parts.path))
    if place.parts[-2:] != _STORE or "\0" in parts.path:
        return False
    store = _store_of(layout)
    return place != store and place.resolve() != store.resolve()


def _rewrite(connection: sqlite3.Connection, layout: Layout, former: str) -> int:
    store = _store_of(layout).as_uri()
    changed = sum(_replace_prefix(connection, table, column, former, store) for table, column in _ADDRESSES)
    # Where the rows of a run came from is JSON with a plain path
    before, after = (_as_json(path) for path in (Path(unquote(urlsplit(former).path)).parents[1], layout.root))
    return changed + _replace_prefix(connection, "datasets", "dataset_source", before, after)


def _replace_prefix(connection: sqlite3.Connection, table: str, column: str, before: str, after: str) -> int:
    """Put `after` for `before` at the beginning of a column's values, up to a slash or the end."""
    # Tables and columns of an older MLflow may be missing
    if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
        return 0
    begin = f"substr({column}, 1, length(:before))"
    following = f"substr({column}, length(:before) + 1, 1)"
    return connection.execute(
        f"UPDATE {table} SET {column} = :after || substr({column}, length(:before) + 1) "
        f"WHERE {begin} = :before AND {following} IN ('', '/')",
        {"before": before, "after": after},
    ).rowcount


def _as_json(root: Path) -> str:
    return '{"uri": ' + json.dumps(str(root))[:-1]


def _store_of(layout: Layout) -> Path:
    return layout.mlflow.joinpath(_STORE[1])
