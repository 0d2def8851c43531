"""`AsofOfflineStore`: Feast's offline store over Parquet files, by one as-of join per view in Polars.

It differs from Feast's own file stores on purpose. Entity rows are never dropped: features outside the TTL become null.
Duplicates and order are kept. The join does not grow with the product of labels and rows. feature_store.yaml names this
class. docs/point-in-time.md says exactly what it promises, beside Feast's DuckDB store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from feast import utils
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.value_type import ValueType

from feature_repo.asof_join import asof_join
from feature_repo.catalog import EVENT_TIME, VIEWS, find_view
from feature_repo.offline_files import make_schema, publish
from feature_repo.partitioned_joins import join_in_parts
from feature_repo.placeholders import bring
from feature_repo.retrieval_job import AsofRetrievalJob
from feature_repo.source_files import (
    UTC_TIME,
    StoredSource,
    filter_between,
    list_files,
    locate_source,
    require_file_source,
    scan_source,
    take_source,
)
from pairity.errors import ConfigError, DataError, JoinError, MissingDataError
from pairity.layout import Layout

_TYPES = {
    ValueType.STRING: pl.String(),
    ValueType.INT32: pl.Int32(),
    ValueType.INT64: pl.Int64(),
    ValueType.FLOAT: pl.Float32(),
    ValueType.DOUBLE: pl.Float64(),
    ValueType.BOOL: pl.Boolean(),
    ValueType.UNIX_TIMESTAMP: UTC_TIME,
}
_EVENT = "__event_time"
_CREATED = "__created_time"


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """`offline_store:` section of feature_store.yaml."""

    type: Literal["feature_repo.offline_store.AsofOfflineStore"] = "feature_repo.offline_store.AsofOfflineStore"
    scheduler: str | None = None
    """Address of Dask's scheduler, whose workers join; None: this process does."""
    home: str | None = None
    """Data directory with the files of the catalogue's views, whichever one the registry names; None: that one."""


class AsofOfflineStore(OfflineStore):
    """Point-in-time joins over Parquet `FileSource`s; the module's docstring says what it promises."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | pl.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **_: Any,  # noqa: ANN401 - Feast's options for retrieval without entity rows
    ) -> RetrievalJob:
        """Return a job that joins every view to `entity_df` as of its event_timestamp (naive times are UTC).

        ConfigError where join keys or the event_timestamp are missing; the job raises JoinError if rows are lost.
        """
        labels = _labels(entity_df)
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        requested, _rest = utils._group_feature_refs(feature_refs, feature_views, on_demand)
        _require(labels, (key for declared, _features in requested for key in _join_keys(declared).values()))

        def evaluate() -> pl.DataFrame:
            joined = labels
            for declared, features in requested:
                joined = _join_view(
                    joined, declared, list(features), config, full_feature_names, filter_by_created_timestamp
                )
            if joined.height != labels.height:
                raise JoinError(f"{labels.height} entity rows went into the join, {joined.height} came out")
            return joined

        return AsofRetrievalJob(
            evaluate,
            full_feature_names=full_feature_names,
            on_demand=on_demand,
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=sorted(set(labels.columns) - {EVENT_TIME}),
                min_event_timestamp=labels[EVENT_TIME].min(),
                max_event_timestamp=labels[EVENT_TIME].max(),
            ),
            repo_path=config.repo_path,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Return a job for the newest row of each entity within [start_date, end_date]; serves materialization."""
        times = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]

        def evaluate() -> pl.DataFrame:
            columns = [*join_key_columns, *feature_name_columns, *times]
            rows = filter_between(_plain_scan(data_source, config, columns), timestamp_field, start_date, end_date)
            ordered = rows.select(columns).sort(*times, maintain_order=True).collect()
            if not join_key_columns:
                return ordered.tail(1).with_columns(pl.lit(DUMMY_ENTITY_VAL).alias(DUMMY_ENTITY_ID))
            return ordered.unique(join_key_columns, keep="last", maintain_order=True)

        return AsofRetrievalJob(evaluate, repo_path=config.repo_path)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Return a job for all rows, in all versions, within [start_date, end_date]."""
        created = [created_timestamp_column] if created_timestamp_column else []
        columns = list(dict.fromkeys([*join_key_columns, *feature_name_columns, timestamp_field, *created]))

        def evaluate() -> pl.DataFrame:
            rows = filter_between(_plain_scan(data_source, config, columns), timestamp_field, start_date, end_date)
            return rows.select(columns).collect()

        return AsofRetrievalJob(evaluate, repo_path=config.repo_path)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows through `feature_repo.offline_files.publish`: checked, atomic, no file rewritten."""
        declared = find_view(feature_view.name)
        path = locate_source(require_file_source(feature_view.batch_source), config)
        # …/features/<view>/month=*/*.parquet: the data directory is three folders above the files' folder.
        layout = Layout(path.parents[3])
        frame = pl.DataFrame(pl.from_arrow(table))
        publish(
            layout, declared, frame.select(pl.col(name).cast(dtype) for name, dtype in make_schema(declared).items())
        )
        if progress is not None:
            progress(table.num_rows)

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Raise DataError where files exist already and lack the time columns that the source declares."""
        source = require_file_source(data_source)
        if not list_files(source, config):
            return
        stored = dict(self.get_table_column_names_and_types_from_data_source(config, source))
        lacking = {source.timestamp_field, source.created_timestamp_column or source.timestamp_field} - set(stored)
        if lacking:
            raise DataError(
                f"the files of {source.name} lack {', '.join(sorted(lacking))}; they have {', '.join(stored)}",
                "correct the source's timestamp columns",
            )

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Return (column, Arrow type) of the source's first file, or of the catalogue's view without one."""
        source = require_file_source(data_source)
        if files := list_files(source, config):
            bring(files[0])
            arrow = pq.read_schema(files[0])
        elif (name := locate_source(source, config).parent.parent.name) in VIEWS:
            arrow = pl.DataFrame(schema=make_schema(VIEWS[name])).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        else:
            raise MissingDataError(f"no file at {source.path}", "write it first, or declare the view's schema")
        return [(field.name, str(field.type)) for field in arrow]


def _join_keys(feature_view: FeatureView) -> dict[str, str]:
    """Return stored key column → column of the entity rows."""
    mapping = feature_view.projection.join_key_map
    names = [column.name for column in feature_view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return {name: mapping.get(name, name) for name in names}


@dataclass(frozen=True)
class _ViewJoin:
    """The join of one view: plain data, so that it can be sent to a worker."""

    source: StoredSource
    keys: Mapping[str, str]
    """Stored key column → column of the entity rows."""
    features: Mapping[str, str]
    """Stored feature column → column of the result."""
    ttl: timedelta | None
    known_only: bool

    def of_part(self, labels: pl.DataFrame) -> pl.DataFrame:
        """Return the same for a part of the entity rows, with a look at the files that can matter to it alone."""
        return replace(self, source=self.narrow(labels))(labels)

    def narrow(self, labels: pl.DataFrame) -> StoredSource:
        """Return the source with the files that can matter to these entity rows."""
        first, last = labels[EVENT_TIME].min(), labels[EVENT_TIME].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        return self.source.within(first - self.ttl if self.ttl else None, last)

    def __call__(self, labels: pl.DataFrame) -> pl.DataFrame:
        """Return `labels` with the view's features beside them."""
        source = self.source
        rows = source.scan().select(
            *(pl.col(stored).alias(key) for stored, key in self.keys.items()),
            pl.col(source.event).alias(_EVENT),
            *([pl.col(source.created).alias(_CREATED)] if source.created else []),
            *(pl.col(stored).alias(shown) for stored, shown in self.features.items()),
        )
        return asof_join(
            labels,
            rows,
            keys=list(self.keys.values()),
            time=EVENT_TIME,
            event=_EVENT,
            created=_CREATED if source.created else None,
            columns=list(self.features.values()),
            ttl=self.ttl,
            known_only=self.known_only,
        )


def _join_view(
    labels: pl.DataFrame,
    feature_view: FeatureView,
    features: list[str],
    config: RepoConfig,
    full_feature_names: bool,
    known_only: bool,
) -> pl.DataFrame:
    source = require_file_source(feature_view.batch_source)
    prefix = f"{feature_view.projection.name_to_use()}__" if full_feature_names else ""
    named = {name: f"{prefix}{name}" for name in features}
    taken = [name for name in named.values() if name in labels.columns]
    if taken:
        raise ConfigError(
            f"the columns {', '.join(taken)} exist already in the entity rows", "rename them, or use full_feature_names"
        )
    stored_as = {str(new): str(old) for old, new in (source.field_mapping or {}).items()}
    join = _ViewJoin(
        source=take_source(source, config, _declared(feature_view, stored_as)),
        keys={stored_as.get(name, name): key for name, key in _join_keys(feature_view).items()},
        features={stored_as.get(name, name): shown for name, shown in named.items()},
        ttl=feature_view.ttl,
        known_only=known_only,
    )
    scheduler = config.offline_store.scheduler
    if scheduler is None:
        return join(labels)
    if labels.height:
        for path in join.narrow(labels).files:
            bring(path)  # here, not on workers, which need no object store then
    return join_in_parts(scheduler, feature_view.name, labels, list(join.keys.values()), join.of_part)


def _declared(feature_view: FeatureView, stored_as: dict[str, str]) -> dict[str, pl.DataType]:
    """Return the columns and types that a view's files will have, for a view without files yet."""
    source = require_file_source(feature_view.batch_source)
    times = [name for name in (source.timestamp_field, source.created_timestamp_column) if name]
    fields = [*feature_view.entity_columns, *feature_view.features]
    types = {
        stored_as.get(field.name, field.name): _TYPES.get(field.dtype.to_value_type(), pl.Null()) for field in fields
    }
    return types | dict.fromkeys(times, UTC_TIME)


def _plain_scan(data_source: DataSource, config: RepoConfig, columns: Iterable[str]) -> pl.LazyFrame:
    source: FileSource = require_file_source(data_source)
    times = {source.timestamp_field, source.created_timestamp_column}
    return scan_source(source, config, {name: UTC_TIME if name in times else pl.Null() for name in columns})


def _labels(entity_df: pd.DataFrame | pl.DataFrame | str | None) -> pl.DataFrame:
    """Return entity rows as Polars, event_timestamp in UTC microseconds; naive times are UTC, zones may be mixed."""
    if isinstance(entity_df, pl.DataFrame):  # one path for both: pandas reads every spelling of a time
        entity_df = entity_df.to_pandas()
    if not isinstance(entity_df, pd.DataFrame):
        what = "a retrieval without entity rows" if entity_df is None else f"entity rows as {type(entity_df).__name__}"
        raise ConfigError(
            f"{what}: the as-of store runs no SQL and joins to rows that it is given",
            f"pass a DataFrame with the join keys and an {EVENT_TIME} column",
        )
    if EVENT_TIME not in entity_df.columns:
        raise ConfigError(
            f"entity rows lack the column {EVENT_TIME}; they have {', '.join(map(str, entity_df.columns))}",
            "add the instant as of which each row is joined",
        )
    frame = entity_df.reset_index(drop=True)
    frame[EVENT_TIME] = pd.to_datetime(frame[EVENT_TIME], utc=True).dt.as_unit("us")
    if frame[EVENT_TIME].isna().any():
        raise ConfigError(
            f"{int(frame[EVENT_TIME].isna().sum())} entity rows have no {EVENT_TIME}", "give each row its instant"
        )
    return pl.from_pandas(frame).with_columns(pl.col(EVENT_TIME).cast(UTC_TIME))


def _require(labels: pl.DataFrame, keys: Iterable[str]) -> None:
    missing = [key for key in dict.fromkeys(keys) if key not in labels.columns]
    if missing:
        raise ConfigError(
            f"entity rows lack the join keys {', '.join(missing)}; they have {', '.join(labels.columns)}",
            "add one column per join key",
        )
