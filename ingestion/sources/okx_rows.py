"""Rows of OKX answers as rows of the lake: text to numbers and instants, refused where the protocol is broken."""

from __future__ import annotations

from typing import Any

import polars as pl

from feature_repo.raw_datasets import INSTANT, KNOWN_AT, RawDataset
from pairity.errors import VenueAnswerError
from pairity.timeline import HISTORY_LAG


class TimeOf:
    """Unix milliseconds of a row, checked: a row without a time breaks the protocol."""

    def __init__(self, key: int | str) -> None:
        self._key = key

    def __call__(self, row: Any) -> int:  # noqa: ANN401 - the venue's JSON
        """VenueAnswerError where the row has none."""
        try:
            return int(row[self._key])
        except (IndexError, KeyError, TypeError, ValueError):
            raise VenueAnswerError(f"the venue sent a row without a time: {row!r}") from None


def finish(dataset: RawDataset, raw: pl.DataFrame, what: str) -> pl.DataFrame:
    """Text to numbers and instants; VenueAnswerError shows the row that is not what the protocol promises."""
    time = pl.col(dataset.time).cast(pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
    numbers = [
        pl.col(name).cast(pl.String).replace("", None).cast(pl.Float64)
        for name in dataset.values
        if name in raw.columns
    ]
    try:
        typed = raw.select(time, *numbers)
    except pl.exceptions.InvalidOperationError as error:
        raise VenueAnswerError(f"the venue sent a {what} that is not a number: {error}") from None
    required = [name for name in typed.columns if name not in dataset.nullable]
    broken = typed.filter(pl.any_horizontal(pl.col(required).is_null()))
    if broken.height:
        raise VenueAnswerError(f"the venue sent a {what} with empty fields: {broken.row(0, named=True)}")
    known = (pl.col(dataset.time) + dataset.known_after + HISTORY_LAG).alias(KNOWN_AT)
    return dataset.conform(typed.with_columns(known)).unique(maintain_order=True).sort(dataset.time)
