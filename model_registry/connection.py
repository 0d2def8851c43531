"""The connection to MLflow: its database, no telemetry, no chatter. Nothing else in the product sets MLflow up."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar, cast

from feature_repo.postgres import ensure_schema
from model_registry.relocation import follow_move
from pairity.bounded_files import require_plain_database
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import make_folder
from pairity.errors import PairityError, RegistryError
from pairity.layout import TRACKING_SCHEMA, Layout

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_QUIET = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "GIT_PYTHON_REFRESH": "quiet"}
_CHATTY_LOGGERS = (
    "alembic",
    "mlflow.store.db.utils",
    "mlflow.tracking._model_registry.fluent",
    "mlflow.models.model",
)
_BUSY_TIMEOUT_S = 30.0
_READABLE = "try again; if it stays so, put mlflow.db back from a copy"
_RESTORE = "find out who put it there, and restore mlflow.db from a copy"
_TRIGGER_OF_MLFLOW = ("prevent_secrets_aad_mutation", "secrets")
_FOREIGN_CODE = """
    SELECT CASE type WHEN 'table' THEN 'virtual table' ELSE type END FROM sqlite_master
    WHERE type = 'view' OR (type = 'trigger' AND (name, tbl_name) <> (?, ?))
    OR (type = 'table' AND sql LIKE 'CREATE VIRTUAL%') LIMIT 1
"""
_State = tuple[tuple[int, int, int], ...]
_looked_at: dict[Path, _State] = {}
"""The state in which a database had no foreign code: the trading process asks before every decision."""
_read_before: dict[tuple[Path, str], tuple[_State, object]] = {}
"""What was read from a database, and the state in which it was then."""
_SETTLED_S = 1.0
"""Age of a database's last change from which on another change would have another time: clocks of files are coarse."""
T = TypeVar("T")
# MLflow reports an unknown model or version by the first code, an unknown alias by the second.
_MISSING_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


def prepare_environment() -> None:
    """Set the environment variables that keep MLflow quiet, for this process and its children."""
    os.environ.update(_NO_TELEMETRY)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def load_mlflow(layout: Layout) -> ModuleType:
    """Import MLflow, point it at the layout's database, and return it."""
    prepare_environment()  # before the first import: MLflow starts its telemetry when it is imported
    if "mlflow" not in sys.modules:
        # MLflow 3.17 maps a relation with a loader that SQLAlchemy 2.1 deprecates: nothing that our users could mend
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
    import mlflow

    for logger in map(logging.getLogger, _CHATTY_LOGGERS):
        if logger.level != logging.WARNING:  # setting a level makes every logger of the process ask for its own again
            logger.setLevel(logging.WARNING)
    mlflow.set_tracking_uri(layout.tracking_uri)
    mlflow.set_registry_uri(layout.tracking_uri)
    return sys.modules["mlflow"]


def database_file(layout: Layout) -> Path:
    """Return the path of MLflow's database; the file need not exist."""
    return layout.mlflow / "mlflow.db"


def has_database(layout: Layout) -> bool:
    """Return whether anything was ever written: readers ask first, because connecting would create a database.

    One in PostgreSQL is taken to be there.
    """
    return layout.tracking_database is not None or database_file(layout).exists()


def open_client(layout: Layout) -> MlflowClient:
    """Return a client of the layout's database, which is created if it does not exist.

    Raises RegistryError where the database cannot be used; in PostgreSQL, DataError or ConfigError (`postgres_errors`).
    """
    mlflow = load_mlflow(layout)
    with store_errors(layout):
        make_folder(layout.mlflow)
        if layout.tracking_database is None:
            _require_database(layout)
        else:  # MLflow would retry for minutes before it said that nothing answers
            ensure_schema(layout.tracking_database, TRACKING_SCHEMA)
        return mlflow.MlflowClient(tracking_uri=layout.tracking_uri, registry_uri=layout.tracking_uri)


def read_once(layout: Layout, what: str, read: Callable[[], T]) -> T:
    """Return what `read` returns; while nothing was written to the layout's database, what it returned before.

    `what` names the question. The trading process asks the same before every decision, and MLflow's answer costs more
    than all else of it. An error is not remembered, and neither is an answer from a database that has just changed.
    PostgreSQL is asked each time: a file of other times that lies here tells nothing about it.
    """
    if layout.tracking_database is not None:
        return read()
    key = database_file(layout), what
    before = _state_of(key[0])
    known = _read_before.get(key)
    if known is not None and before and known[0] == before:
        return cast("T", known[1])
    answer = read()
    if before and _state_of(key[0]) == before and _is_settled(before):
        _read_before[key] = before, answer
    else:
        _read_before.pop(key, None)
    return answer


def _is_settled(state: _State) -> bool:
    return all(changed_ns / 1e9 < time.time() - _SETTLED_S for _, changed_ns, _ in state)


@contextmanager
def store_errors(layout: Layout, missing: Callable[[], PairityError] | None = None) -> Iterator[None]:
    """Turn failures of the tracking store into RegistryError.

    With `missing`, the error that it makes is raised where the store answers that the requested thing does not exist.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        if missing is not None and isinstance(error, MlflowException) and error.error_code in _MISSING_CODES:
            raise missing() from None
        # SQLAlchemy appends the statement and its parameters: only the first line says what happened
        lines = str(error).strip().splitlines()
        raise RegistryError(
            f"the tracking store {layout.tracking_place} cannot be used: {lines[0] if lines else type(error).__name__}",
            _READABLE,
        ) from error


def _require_database(layout: Layout) -> None:
    """Raise sqlite3.Error for a file that is no database: MLflow would retry for minutes before it said so.

    Where the data directory was moved, the addresses of files in the database follow it.

    RegistryError for anything but a file, and for a database that has views, virtual tables or triggers besides
    MLflow's own: each is code that runs inside SQLite when a table is read or written, and it need not end.
    """
    path = database_file(layout)
    try:
        require_plain_database(path)
    except OutOfBoundsError as error:
        raise RegistryError(f"the tracking store {path.as_uri()} cannot be used: {error.what}", _READABLE) from None
    now = _state_of(path)
    if now and _looked_at.get(path) != now:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)) as database:
            foreign = database.execute(_FOREIGN_CODE, _TRIGGER_OF_MLFLOW).fetchone()
        if foreign is not None:
            raise RegistryError(f"the tracking store {path} has a {foreign[0]} that MLflow did not make", _RESTORE)
        follow_move(layout, path)
        _looked_at[path] = _state_of(path)


def _state_of(path: Path) -> _State:
    """Return what changes with every write to a database, and cannot be set back; empty where there is none."""
    if not path.exists():
        return ()
    places = [path, *(path.with_name(f"{path.name}-{kind}") for kind in ("wal", "journal"))]
    found = [place.stat() for place in places if place.exists()]
    return tuple((status.st_ino, status.st_ctime_ns, status.st_size) for status in found)
