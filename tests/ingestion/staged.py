"""What lies in staging, as tests look at it."""

from __future__ import annotations

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.staging import Staging


def rows_of(staging: Staging, dataset: str, asset: str) -> pl.DataFrame:
    """All staged rows of one instrument in the dataset's columns."""
    months = [staging.read(dataset, month) for month in staging.months(dataset)]
    rows = pl.concat([DATASETS[dataset].empty().insert_column(0, pl.Series("asset", [], pl.String)), *months])
    return rows.filter(pl.col("asset") == asset).drop("asset")


def everything(staging: Staging) -> dict[tuple, object]:
    """Rows and coverage of all that is staged, for comparison."""
    return {
        (dataset, month): (staging.read(dataset, month).rows(), staging.covered(dataset, month))
        for dataset in staging.datasets()
        for month in staging.months(dataset)
    }


def staged_assets(staging: Staging) -> set[tuple[str, str]]:
    """(dataset, asset) of everything with rows or coverage."""
    places = [(dataset, month) for dataset in staging.datasets() for month in staging.months(dataset)]
    return {
        (dataset, asset)
        for dataset, month in places
        for asset in {*staging.read(dataset, month)["asset"], *staging.covered(dataset, month)}
    }
