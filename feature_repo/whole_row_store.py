"""Online stores of whole rows: what is written of an entity at once is one row, and the newest value wins.

What such a store is asked, by Feast value by value and by pairity in whole columns, is answered here; where the rows
lie is another class's business (`feature_repo.online_store`, `feature_repo.redis_online_store`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

import polars as pl
from feast.feature_view import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from feature_repo.online_content import pack_rows, pack_values, unpack_rows, unpack_values
from feature_repo.online_tables import NewRow, StoredRow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

KnownRow = tuple[datetime | None, datetime | None, dict[str, Value] | None]
"""Event time, created time and values of one entity; all None where nothing is stored."""
Batches = Iterable[tuple[Sequence[str], Iterable[NewRow]]]
"""Features, in ascending order, and the rows that have values of just these."""


class WholeRowStore(OnlineStore):
    """Online store in which the newest value wins, whatever the order of writes.

    Feast reads and writes value by value (`online_read`, `online_write_batch`). `read_frame` and `write_frame` do the
    same for whole columns of one view.
    """

    @abstractmethod
    def write_batches(self, config: RepoConfig, table: FeatureView, batches: Batches) -> int:
        """Write rows in one transaction; return how many were written because nothing newer was stored."""

    @abstractmethod
    def read_stored(
        self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]
    ) -> tuple[list[StoredRow], Mapping[int, Sequence[str]]]:
        """Return the rows of some entities, in no order, and the features of every set that they name."""

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows in one transaction; values that are stored with a newer time stay as they are.

        A row may have some of the view's features only: the others keep their values and times.
        """
        batches = (
            (features, [_make_row(config, features, row) for row in rows])
            for features, rows in groupby(data, key=lambda row: tuple(sorted(row[1])))
        )
        self.write_batches(config, table, batches)
        if progress is not None:
            progress(len(data))

    def write_frame(self, config: RepoConfig, table: FeatureView, rows: pl.DataFrame) -> int:
        """Write rows, one per entity; return how many were written because nothing newer was stored.

        The columns are the view's entity (String), event and created time (UTC, microseconds, not null), and features
        (Float64, Int64, String). Nulls are written like other values.
        """
        entity, event, created = _key_columns(table)
        features = sorted(set(rows.columns) - {entity, event, created})
        stored = zip(
            _name_keys(config, entity, rows[entity]),
            rows[event].to_physical(),
            rows[created].to_physical(),
            pack_rows([rows[name] for name in features]),
            strict=True,
        )
        return self.write_batches(config, table, [(features, stored)])

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
    ) -> list[KnownRow]:
        """Return event time, created time and values per entity, in order.

        A row carries the oldest time of its features: freshness is never overstated when some feature is older than the
        rest.
        """
        keys = [_key(config, entity) for entity in entity_keys]
        rows, sets = self.read_stored(config, table, keys)
        wanted = set(requested_features) if requested_features else None
        own: dict[bytes, list[StoredRow]] = {}
        for row in rows:
            own.setdefault(row.key, []).append(row)
        known = {key: _combine(several, sets, wanted) for key, several in own.items()}
        return [known.get(key, (None, None, None)) for key in keys]

    def read_frame(
        self, config: RepoConfig, table: FeatureView, names: Sequence[str], columns: Mapping[str, pl.DataType]
    ) -> pl.DataFrame | None:
        """Return one row per entity of `names`, in their order, all but the entity null where nothing is stored.

        `columns` names the view's entity, event and created time and some features, with the types to read them as.
        None where the features are not stored in whole rows of these types; `online_read_known` reads them all the
        same.
        """
        entity, event, created = _key_columns(table)
        keys = _name_keys(config, entity, names)
        rows, sets = self.read_stored(config, table, keys)
        features = [name for name in columns if name not in {entity, event, created}]
        used = {tuple(sets[row.feature_set]) for row in rows} or {tuple(features)}
        stored = used.pop()
        if used or not set(stored).issuperset(features):
            return None
        places = {name: (stored.index(name), columns[name]) for name in features}
        by_key = {row.key: row for row in rows}
        found = [by_key.get(key) for key in keys]
        values = unpack_rows([row and row.content for row in found], len(stored), places)
        if values is None:
            return None
        keys_and_times = [
            pl.Series(entity, names, columns[entity]),
            pl.Series(event, [row and row.event for row in found], pl.Int64).cast(columns[event]),
            pl.Series(created, [row and row.created for row in found], pl.Int64).cast(columns[created]),
        ]
        return values.with_columns(keys_and_times).select(*columns)


def name_table(config: RepoConfig, table: FeatureView) -> str:
    """Return the name under which the rows of a view lie."""
    return str(compute_table_id(config.project, table, config.registry.enable_online_feature_view_versioning))


def _key_columns(table: FeatureView) -> tuple[str, str, str]:
    """Return the columns of the view's one entity, event time and created time."""
    (entity,) = table.join_keys
    return entity, table.batch_source.timestamp_field, table.batch_source.created_timestamp_column


def _key(config: RepoConfig, entity: EntityKey) -> bytes:
    return bytes(serialize_entity_key(entity, entity_key_serialization_version=config.entity_key_serialization_version))


def _name_keys(config: RepoConfig, entity: str, names: Iterable[str]) -> list[bytes]:
    version = config.entity_key_serialization_version
    return [_name_key(entity, name, version) for name in names]


@lru_cache(maxsize=1 << 16)
def _name_key(entity: str, name: str, version: int) -> bytes:
    """Return the key of an entity by its name; remembered, because the universe is the same every hour."""
    key = EntityKey(join_keys=[entity], entity_values=[Value(string_val=name)])
    return bytes(serialize_entity_key(key, entity_key_serialization_version=version))


def _make_row(
    config: RepoConfig,
    features: Sequence[str],
    row: tuple[EntityKey, Mapping[str, Value], datetime, datetime | None],
) -> NewRow:
    entity, values, event, created = row
    known = None if created is None else _ticks(created)
    return _key(config, entity), _ticks(event), known, pack_values([values[name] for name in features])


def _combine(rows: Iterable[StoredRow], sets: Mapping[int, Sequence[str]], wanted: set[str] | None) -> KnownRow:
    """Return the newest value of each wanted feature, with the oldest of these values' times."""
    newest: dict[str, tuple[tuple[int, int, int], Value]] = {}
    for row in rows:
        features = sets[row.feature_set]
        age = row.event, row.created or 0, row.write
        for name, value in zip(features, unpack_values(row.content, len(features)), strict=True):
            if (wanted is None or name in wanted) and (name not in newest or newest[name][0] < age):
                newest[name] = age, value
    if not newest:
        return None, None, None
    event, created, _ = min(age for age, _ in newest.values())
    return _instant(event), _instant(created) if created else None, {name: value for name, (_, value) in newest.items()}


def _ticks(instant: datetime) -> int:
    """Return microseconds since the epoch; naive times are UTC."""
    aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    return int((aware - _EPOCH) // _TICK)


def _instant(ticks: int) -> datetime:
    return _EPOCH + ticks * _TICK
