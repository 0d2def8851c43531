"""The embedded online store: Feast's SQLite store, with whole rows, exact times and a guard against going back in time.

Feast's own store keeps one row per value, and times as whole seconds of *local* time (an hour off where clocks change);
the last writer wins. Here what is written of an entity at once is one row, times are UTC microseconds, and a value is
replaced only by a newer one: by event time, then by created time. The rule is part of the SQL of the write, so it holds
for pairity, for `feast materialize` and for both at once.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from feast.entity import Entity
from feast.feature_view import FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RepoConfig

from feature_repo.feast_home import resolve_below_home
from feature_repo.online_tables import (
    StoredRow,
    drop_table,
    forget_features,
    open_table,
    read_rows,
    read_sets,
    write_rows,
)
from feature_repo.whole_row_store import Batches, WholeRowStore, name_table
from pairity.bounded_files import require_plain_database
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import DataError, LakeCorruptError


class NewestSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """`online_store:` section of feature_store.yaml; a relative `path` is below the data directory."""

    type: Literal["feature_repo.online_store.NewestSqliteOnlineStore"] = (
        "feature_repo.online_store.NewestSqliteOnlineStore"
    )


class NewestSqliteOnlineStore(WholeRowStore, SqliteOnlineStore):
    """SQLite online store in which the newest value wins, whatever the order of writes."""

    @staticmethod
    def _get_db_path(config: RepoConfig) -> str:
        return str(resolve_below_home(config.online_store.path))

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        """The store's one connection, closed when the store goes; Feast leaves it open, of which Python 3.13 warns."""
        if self._conn is None:
            try:
                require_plain_database(Path(self._get_db_path(config)))
                connection = super()._get_conn(config)
                weakref.finalize(self, connection.close)
                # A log beside the file: readers do not wait for a writer. It need not be on the disk at once: what a
                # power cut takes away is in the offline files, and until it is written again its features count as
                # stale.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
            except sqlite3.OperationalError as error:  # locked, no room, no right: nothing is wrong with the file
                raise DataError(
                    f"the online store {self._get_db_path(config)} cannot be opened now: {error}",
                    "try again; if it stays so, look for a process that holds it, at the disk's room and at its rights",
                ) from None
            except (sqlite3.DatabaseError, OutOfBoundsError) as error:
                raise LakeCorruptError(
                    f"the online store {self._get_db_path(config)} cannot be opened: {error}",
                    "delete it and run pairity features: everything in it is in the offline files",
                ) from None
        return super()._get_conn(config)

    def plan(self, config: RepoConfig, desired_registry_proto: RegistryProto) -> list[InfraObject]:
        """Nothing to plan: tables are made on apply and at first use."""
        return []

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make the tables of new views, drop those of views that are gone, and forget features that are gone."""
        for table in tables_to_keep:
            declared = {field.name for field in table.features}
            forget_features(self._get_conn(config), self._open_table(config, table), declared)
        for table in tables_to_delete:
            drop_table(self._get_conn(config), name_table(config, table))

    def write_batches(self, config: RepoConfig, table: FeatureView, batches: Batches) -> int:
        """Write rows in one transaction; return how many were written because nothing newer was stored."""
        return write_rows(self._get_conn(config), self._open_table(config, table), batches)

    def read_stored(
        self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]
    ) -> tuple[list[StoredRow], Mapping[int, Sequence[str]]]:
        """Return the rows of some entities, in no order, and the features of every set."""
        connection = self._get_conn(config)
        rows = read_rows(connection, self._open_table(config, table), keys)
        return rows, read_sets(connection)

    def _open_table(self, config: RepoConfig, table: FeatureView) -> str:
        """Return the quoted name of the view's table, created here if the database was deleted since `apply`."""
        return open_table(self._get_conn(config), name_table(config, table))
