"""`AsofOfflineStore`: Feast's offline store over Parquet files, by one as-of join per view in Polars.

Differs from Feast's own file stores on purpose: entity rows are never dropped (rows outside the TTL become null),
duplicates and order are kept, and the join does not grow with the product of labels and rows. Used by naming this class
in feature_store.yaml.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import polars as pl
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.saved_dataset import SavedDatasetStorage

from feature_repo.asof_join import asof_join
from pairity.errors import ConfigError, DataError, JoinError

_UTC = pl.Datetime("us", "UTC")


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """`offline_store:` section of feature_store.yaml."""

    type: Literal["feature_repo.asof_store.AsofOfflineStore"] = "feature_repo.asof_store.AsofOfflineStore"


class AsofRetrievalJob(RetrievalJob):
    """A retrieval that runs when its result is asked for."""

    def __init__(
        self,
        evaluate: Callable[[], pl.DataFrame],
        *,
        full_feature_names: bool,
        on_demand: list[OnDemandFeatureView],
        metadata: RetrievalMetadata | None,
        repo_path: Path | None,
    ) -> None:
        self._evaluate = evaluate
        self._full_feature_names = full_feature_names
        self._on_demand = on_demand
        self._metadata = metadata
        self._repo_path = repo_path

    @property
    def full_feature_names(self) -> bool:
        """Whether columns are called view__feature."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views that Feast computes on top of the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked for."""
        return self._metadata

    def to_polars(self) -> pl.DataFrame:
        """The joined rows, times in UTC."""
        return self._evaluate()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._evaluate().to_pandas()

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._evaluate().to_arrow(compat_level=pl.CompatLevel.oldest())

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool | None = False, timeout: int | None = None
    ) -> None:
        """Write the result to one Parquet file, atomically; an existing one only if asked to."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise ConfigError(
                f"a {type(storage).__name__} cannot hold this data set", "use SavedDatasetFileStorage with a path"
            )
        path = _local(storage.file_options.uri, self._repo_path)
        if path.exists() and not allow_overwrite:
            raise DataError(f"the saved data set {path} exists", "choose another path, or pass allow_overwrite=True")
        _write(self._evaluate(), path)

    def supports_remote_storage_export(self) -> bool:
        """Results stay on this machine."""
        return False

    def to_sql(self) -> str:
        """There is no SQL behind this store."""
        raise ConfigError("the as-of store runs no SQL", "use to_df, to_arrow or to_polars")


class AsofOfflineStore(OfflineStore):
    """Point-in-time joins over Parquet `FileSource`s; see the module's text for what it promises."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **_: Any,  # noqa: ANN401 - Feast's options for retrieval without entity rows
    ) -> RetrievalJob:
        """Join every view to `entity_df` as of its event_timestamp (naive times are UTC)."""

        if not isinstance(entity_df, pd.DataFrame):
            raise ConfigError(
                f"entity rows must be a pandas DataFrame, not {type(entity_df).__name__}",
                f"pass the entities and an {DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL} column; SQL is not run here",
            )
        if DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL not in entity_df.columns:
            raise ConfigError(
                f"entity rows lack the column {DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL}; they have "
                f"{', '.join(map(str, entity_df.columns))}",
                "add the instant as of which each row is asked",
            )
        labels = _labels(entity_df)
        contexts = _contexts(feature_refs, feature_views, registry, project, config)
        keys = sorted({key for _, _, keys in contexts for key in keys})
        _require(labels, keys)

        def evaluate() -> pl.DataFrame:
            joined = labels
            for view, features, join_keys in contexts:
                joined = _join_view(
                    joined, view, features, join_keys, config, full_feature_names, filter_by_created_timestamp
                )
            if joined.height != labels.height:
                raise JoinError(f"{labels.height} entity rows went into the join, {joined.height} came out")
            return joined

        times = labels[DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL]
        return AsofRetrievalJob(
            evaluate,
            full_feature_names=full_feature_names,
            on_demand=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=sorted(set(labels.columns) - {DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL}),
                min_event_timestamp=times.min(),
                max_event_timestamp=times.max(),
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
        """The newest row of each entity within [start_date, end_date]; serves materialization."""
        times = [timestamp_field, *([created_timestamp_column] if created_timestamp_column else [])]

        def evaluate() -> pl.DataFrame:
            rows = _between(_scan(data_source, config), timestamp_field, start_date, end_date)
            columns = [*join_key_columns, *feature_name_columns, *times]
            ordered = rows.select(columns).sort(*times).collect()
            if not join_key_columns:
                return ordered.tail(1).with_columns(pl.lit("").alias(DUMMY_ENTITY_ID))
            return ordered.unique(join_key_columns, keep="last", maintain_order=True)

        return _plain_job(evaluate, config)

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
        """All rows, all versions, within [start_date, end_date]."""
        created = [created_timestamp_column] if created_timestamp_column else []
        columns = [*join_key_columns, *feature_name_columns, timestamp_field, *created]

        def evaluate() -> pl.DataFrame:
            rows = _between(_scan(data_source, config), timestamp_field, start_date, end_date)
            return rows.select(list(dict.fromkeys(columns))).collect()

        return _plain_job(evaluate, config)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows through `feature_repo.files.publish`: validated, atomic, nothing rewritten."""
        from feature_repo.catalog import view
        from feature_repo.files import publish, schema
        from pairity.layout import Layout

        declared = view(feature_view.name)
        source = _file_source(feature_view.batch_source)
        # …/features/<view>/month=*/*.parquet lies four levels below the data directory.
        layout = Layout(_local(source.path, config.repo_path).parents[3])
        frame = pl.DataFrame(pl.from_arrow(table))
        publish(layout, declared, frame.select(declared.columns).cast(schema(declared)))
        if progress is not None:
            progress(table.num_rows)


def _contexts(
    refs: list[str], views: list[FeatureView], registry: BaseRegistry, project: str, config: RepoConfig
) -> list[tuple[FeatureView, list[str], list[str]]]:
    """(view, requested features, join keys) for every view that is asked for."""
    from feast import utils

    on_demand = OnDemandFeatureView.get_requested_odfvs(refs, project, registry)
    requested, _ = utils._group_feature_refs(refs, views, on_demand)
    contexts = []
    for view, features in requested:
        mapping = view.projection.join_key_map
        keys = [mapping.get(column.name, column.name) for column in view.entity_columns]
        contexts.append((view, list(features), [key for key in keys if key != DUMMY_ENTITY_ID]))
    return contexts


def _join_view(
    labels: pl.DataFrame,
    view: FeatureView,
    features: list[str],
    keys: list[str],
    config: RepoConfig,
    full_feature_names: bool,
    known_only: bool,
) -> pl.DataFrame:
    source = _file_source(view.batch_source)
    event, created = str(source.timestamp_field), str(source.created_timestamp_column or "")
    stored = dict(zip([str(column.name) for column in view.entity_columns], keys, strict=False))
    prefix = f"{view.projection.name_to_use()}__" if full_feature_names else ""
    named = {name: f"{prefix}{name}" for name in features}
    taken = [name for name in named.values() if name in labels.columns]
    if taken:
        raise ConfigError(
            f"the columns {', '.join(taken)} exist already in the entity rows", "rename them, or use full_feature_names"
        )
    unmapped = {str(new): str(old) for old, new in (source.field_mapping or {}).items()}
    rows = _scan(source, config).select(
        *(pl.col(unmapped.get(name, name)).alias(key) for name, key in stored.items()),
        pl.col(event).alias("__event_time"),
        *([pl.col(created).alias("__created_time")] if created else []),
        *(pl.col(unmapped.get(name, name)).alias(shown) for name, shown in named.items()),
    )
    return asof_join(
        labels,
        rows,
        keys=keys,
        time=DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL,
        event="__event_time",
        created="__created_time" if created else None,
        columns=list(named.values()),
        ttl=view.ttl,
        known_only=known_only,
    )


def _labels(entity_df: pd.DataFrame) -> pl.DataFrame:
    """Entity rows as Polars, event_timestamp in UTC microseconds; naive and mixed-zone times are understood."""
    time = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
    if entity_df[time].isna().any():
        raise ConfigError(
            f"{int(entity_df[time].isna().sum())} entity rows have no {time}", "give each row its instant"
        )
    frame = entity_df.reset_index(drop=True)
    frame[time] = pd.to_datetime(frame[time], utc=True).dt.as_unit("us")
    return pl.from_pandas(frame).with_columns(pl.col(time).cast(_UTC))


def _require(labels: pl.DataFrame, keys: Iterable[str]) -> None:
    missing = [key for key in keys if key not in labels.columns]
    if missing:
        raise ConfigError(
            f"entity rows lack the join keys {', '.join(missing)}; they have {', '.join(labels.columns)}",
            "add one column per join key",
        )


def _scan(source: DataSource | None, config: RepoConfig) -> pl.LazyFrame:
    """Lazy rows of a file source; its times as UTC microseconds, whatever unit they were stored in."""
    file_source = _file_source(source)
    pattern = str(_local(file_source.path, config.repo_path))
    frame = pl.scan_parquet(pattern, hive_partitioning=False, missing_columns="raise")
    times = [name for name in (file_source.timestamp_field, file_source.created_timestamp_column) if name]
    stored = frame.collect_schema()
    return frame.with_columns(_as_utc(name, stored[name]) for name in times)


def _as_utc(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.col(name).cast(_UTC)


def _file_source(source: DataSource | None) -> FileSource:
    if not isinstance(source, FileSource):
        raise ConfigError(
            f"the as-of store reads Parquet files, not a {type(source).__name__}",
            "use a FileSource with a Parquet path",
        )
    return source


def _between(rows: pl.LazyFrame, time: str, start: datetime | None, end: datetime | None) -> pl.LazyFrame:
    if start is not None:
        rows = rows.filter(pl.col(time) >= _aware(start))
    if end is not None:
        rows = rows.filter(pl.col(time) <= _aware(end))
    return rows


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _plain_job(evaluate: Callable[[], pl.DataFrame], config: RepoConfig) -> AsofRetrievalJob:
    return AsofRetrievalJob(evaluate, full_feature_names=False, on_demand=[], metadata=None, repo_path=config.repo_path)


def _local(uri: str, repo_path: Path | None) -> Path:
    path = Path(uri.removeprefix("file://"))
    return path if path.is_absolute() or repo_path is None else repo_path / path


def _write(rows: pl.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    rows.write_parquet(temporary)
    temporary.replace(path)
