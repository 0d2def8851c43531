"""The one conversion from feature rows to model input, for training and serving alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import Service, view
from pairity.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def model_matrix(rows: pl.DataFrame, service: Service) -> pd.DataFrame:
    """The service's features in its order, one row per row: numbers as float64 (null → NaN), categories as str.

    DataError names columns that are missing: a model is never fed fewer columns than it was trained on.
    """
    missing = [name for name in service.features if name not in rows.columns]
    if missing:
        raise DataError(
            f"rows for service {service.name} lack the features {', '.join(missing)}",
            "read them with the same feature service that the model was trained with",
        )
    types = {feature.name: feature.dtype for feature in view(service.view).features}
    columns = [
        pl.col(name) if types[name] == "string" else pl.col(name).cast(pl.Float64).fill_null(float("nan"))
        for name in service.features
    ]
    return rows.select(columns).to_pandas()
