"""MLflow's empty tables, made once: on every new database it runs all of its migrations, which takes a second."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing

_MODULES = ("mlflow.store.db.utils", "mlflow.store.model_registry.sqlalchemy_store")
_NAME = "_initialize_tables"
_made: list[bytes] = []
"""The content of the first database, as MLflow's migrations left it."""


def reuse_tables() -> None:
    """Where MLflow is imported: from the second database of this process on, copy the tables that it made in the first.

    It is for databases that have no tables yet. What MLflow does with one that has some is left alone.
    """
    modules = [sys.modules[name] for name in _MODULES if name in sys.modules]
    if modules and getattr(modules[0], _NAME) is not _initialize:
        _originals[:] = [getattr(modules[0], _NAME)]
    for module in modules:
        setattr(module, _NAME, _initialize)


_originals: list = []


def _initialize(engine):
    if engine.dialect.name != "sqlite":  # of a cluster
        _originals[0](engine)
        return
    if not _made:
        _originals[0](engine)
    with closing(engine.raw_connection()) as connection:
        database = connection.driver_connection
        if not _made:
            _made.append(database.serialize())
        else:
            with closing(sqlite3.connect(":memory:")) as memory:
                memory.deserialize(_made[0])
                memory.backup(database)
