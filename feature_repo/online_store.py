"""The embedded online store: Feast's SQLite store, with exact times and a guard against going back in time.

Feast's own store keeps times as whole seconds of *local* time (an hour off where clocks change), and the last writer
wins. Here times are UTC microseconds, and a row is replaced only by a newer one: by event time, then by created time.
The rule is part of the SQL of the write, so it holds for pairity, for `feast materialize` and for both at once.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from feast.feature_view import FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from feature_repo.feast_home import resolve_below_home

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

StoredRow = tuple[datetime | None, datetime | None, dict[str, Value] | None]
"""Event time, created time and values of one entity; all None where nothing is stored."""


class NewestSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """`online_store:` section of feature_store.yaml; a relative `path` is below the data directory."""

    type: Literal["feature_repo.online_store.NewestSqliteOnlineStore"] = (
        "feature_repo.online_store.NewestSqliteOnlineStore"
    )


class NewestSqliteOnlineStore(SqliteOnlineStore):
    """SQLite online store in which the newest row wins, whatever the order of writes."""

    @staticmethod
    def _get_db_path(config: RepoConfig) -> str:
        return str(resolve_below_home(config.online_store.path))

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        """The store's one connection, closed when the store goes; Feast leaves it open, of which Python 3.13 warns."""
        if self._conn is None:
            weakref.finalize(self, super()._get_conn(config).close)
        return super()._get_conn(config)

    def plan(self, config: RepoConfig, desired_registry_proto: RegistryProto) -> list[InfraObject]:
        """Nothing to plan: tables are made on apply and at first use."""
        return []

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows in one transaction; cells that are stored with a newer time stay as they are."""
        name = self._existing_table(config, table)
        cells = [
            (_key(config, entity), feature, value.SerializeToString(), _ticks(event), _ticks(created))
            for entity, values, event, created in data
            for feature, value in values.items()
        ]
        connection = self._get_conn(config)
        with connection:
            connection.executemany(
                f"INSERT INTO {name} (entity_key, feature_name, value, event_ts, created_ts) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT(entity_key, feature_name) DO UPDATE SET "
                "value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts "
                "WHERE (excluded.event_ts, IFNULL(excluded.created_ts, 0)) >= (event_ts, IFNULL(created_ts, 0))",
                cells,
            )
        if progress is not None:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Return (event time, values) per entity, in order; (None, None) where nothing is stored."""
        rows = self.online_read_known(config, table, entity_keys, requested_features)
        return [(event, values) for event, _, values in rows]

    def online_read_known(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: Sequence[EntityKey],
        requested_features: Sequence[str] | None = None,
    ) -> list[StoredRow]:
        """Return event time, created time and values per entity, in order.

        A row carries the oldest time of its features: freshness is never overstated when some feature is older than the
        rest.
        """
        name = self._existing_table(config, table)
        keys = [_key(config, entity) for entity in entity_keys]
        wanted = set(requested_features) if requested_features else None
        # CAST: the columns are declared as timestamps, which Feast's converter would read as local seconds.
        cells = self._get_conn(config).execute(
            "SELECT entity_key, feature_name, value, CAST(event_ts AS INTEGER), CAST(created_ts AS INTEGER) "
            f"FROM {name} WHERE entity_key IN ({','.join('?' * len(keys))})",
            keys,
        )
        rows: dict[bytes, tuple[int, int | None, dict[str, Value]]] = {}
        for key, feature, content, event, created in cells:
            if wanted is not None and feature not in wanted:
                continue
            before = rows.get(key, (event, created, {}))
            oldest = min((before[0], before[1] or 0), (event, created or 0))
            rows[key] = (oldest[0], oldest[1] or None, before[2] | {feature: Value.FromString(content)})
        return [_row(rows.get(key)) for key in keys]

    def _existing_table(self, config: RepoConfig, table: FeatureView) -> str:
        """Return the quoted name of the view's table, created here if the database was deleted since `apply`."""
        name = compute_table_id(config.project, table, config.registry.enable_online_feature_view_versioning)
        quoted = '"' + name.replace('"', '""') + '"'
        self._get_conn(config).execute(
            f"CREATE TABLE IF NOT EXISTS {quoted} (entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, "
            "vector_value BLOB, event_ts timestamp, created_ts timestamp, PRIMARY KEY(entity_key, feature_name))"
        )
        return quoted


def _key(config: RepoConfig, entity: EntityKey) -> bytes:
    return bytes(serialize_entity_key(entity, entity_key_serialization_version=config.entity_key_serialization_version))


def _ticks(instant: datetime | None) -> int | None:
    """Return microseconds since the epoch; naive times are UTC."""
    if instant is None:
        return None
    aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    return int((aware - _EPOCH) // _TICK)


def _instant(ticks: int | None) -> datetime | None:
    return None if ticks is None else _EPOCH + ticks * _TICK


def _row(stored: tuple[int, int | None, dict[str, Value]] | None) -> StoredRow:
    return (None, None, None) if stored is None else (_instant(stored[0]), _instant(stored[1]), stored[2])
