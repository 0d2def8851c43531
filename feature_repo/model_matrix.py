"""The one conversion from feature rows to model input (the design matrix), for training and serving alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from feature_repo.catalog import Service, find_view
from pairity.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def list_categories(service: Service) -> tuple[str, ...]:
    """Return the features of `service` that are text, in its order."""
    types = {feature.name: feature.dtype for feature in find_view(service.view).features}
    return tuple(name for name in service.features if types[name] == "string")


def build_model_matrix(rows: pl.DataFrame, service: Service) -> pd.DataFrame:
    """Return rows × features of `service`, in its order: numbers as float64 (null → NaN), categories as str.

    Rows keep their order. DataError names the columns that are missing: a model is never fed fewer columns than it was
    trained on. It also names columns with an infinite value: transforms give finite numbers or null, so an infinity
    was not computed by one.
    """
    missing = [name for name in service.features if name not in rows.columns]
    if missing:
        raise DataError(
            f"rows for service {service.name} lack the features {', '.join(missing)}",
            "read them with the same feature service that the model was trained with",
        )
    types = {feature.name: feature.dtype for feature in find_view(service.view).features}
    columns = [
        pl.col(name) if types[name] == "string" else pl.col(name).cast(pl.Float64).fill_null(float("nan"))
        for name in service.features
    ]
    numbers = [name for name in service.features if types[name] == "float64"]
    endless = rows.select(pl.col(name).cast(pl.Float64).is_infinite().any().alias(name) for name in numbers)
    if bad := [name for name in numbers if endless[name].any()]:
        raise DataError(
            f"infinite values of {', '.join(bad)} in rows for service {service.name}",
            "compute the features again: pairity features; every transform gives a finite number or null",
        )
    return rows.select(columns).to_pandas()
