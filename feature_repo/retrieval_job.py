"""`AsofRetrievalJob`: the result of `AsofOfflineStore`, computed when it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from feature_repo.source_files import resolve_local_path
from pairity.durable import replace_file_with
from pairity.errors import ConfigError, DataError


class AsofRetrievalJob(RetrievalJob):
    """A retrieval; every call that reads its result runs it. Feast computes on-demand views on top of it."""

    def __init__(
        self,
        evaluate: Callable[[], pl.DataFrame],
        *,
        full_feature_names: bool = False,
        on_demand: list[OnDemandFeatureView] | None = None,
        metadata: RetrievalMetadata | None = None,
        repo_path: Path | None = None,
    ) -> None:
        self._evaluate = evaluate
        self._full_feature_names = full_feature_names
        self._on_demand = on_demand or []
        self._metadata = metadata
        self._repo_path = repo_path

    @property
    def full_feature_names(self) -> bool:
        """Whether columns are named view__feature."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views that Feast computes on top of the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Features, keys and range of event times that were requested."""
        return self._metadata

    def to_polars(self) -> pl.DataFrame:
        """Return the rows with all columns, on-demand ones included; times in UTC microseconds."""
        return pl.DataFrame(pl.from_arrow(self.to_arrow()))

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._evaluate().to_pandas()

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return self._evaluate().to_arrow(compat_level=pl.CompatLevel.oldest())

    def persist(
        self, storage: SavedDatasetStorage, allow_overwrite: bool | None = False, timeout: int | None = None
    ) -> None:
        """Write the result to one Parquet file atomically; DataError if the file exists and may not be replaced."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise ConfigError(
                f"a {type(storage).__name__} cannot hold this data set", "use SavedDatasetFileStorage with a path"
            )
        path = resolve_local_path(storage.file_options.uri, self._repo_path)
        if path.exists() and not allow_overwrite:
            raise DataError(f"the saved data set {path} exists", "choose another path, or pass allow_overwrite=True")
        replace_file_with(path, self.to_polars().write_parquet)

    def supports_remote_storage_export(self) -> bool:
        """Return False: results stay on this machine."""
        return False

    def to_sql(self) -> str:
        """Raise ConfigError: there is no SQL behind this store."""
        raise ConfigError("the as-of store runs no SQL", "use to_df, to_arrow or to_polars")
