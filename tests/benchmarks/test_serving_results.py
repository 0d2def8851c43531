"""Digests of results tell apart what differs in one bit, and nothing else."""

from __future__ import annotations

import math

import polars as pl
import pytest

from benchmarks.serving_results import digest_rows

ROWS = pl.DataFrame({"asset": ["BTC", None], "value": [0.0, 1.0]})


@pytest.mark.parametrize(
    "other",
    [
        ROWS.with_columns(value=pl.Series([-0.0, 1.0])),
        ROWS.with_columns(value=pl.Series([0.0, math.nextafter(1.0, 2.0)])),
        ROWS.with_columns(value=pl.Series([0.0, None])),
        ROWS.with_columns(asset=pl.Series(["BTC", ""])),
        ROWS.reverse(),
        ROWS.head(1),
        ROWS.rename({"value": "size"}),
        ROWS.cast({"value": pl.Float32}),
    ],
)
def test_a_difference_shows(other):
    assert digest_rows(other) != digest_rows(ROWS)


def test_how_rows_are_stored_does_not_show():
    assert digest_rows(pl.concat([ROWS.head(1), ROWS.tail(1)], rechunk=False)) == digest_rows(ROWS.clone())
    assert digest_rows(ROWS.clear()) == digest_rows(ROWS.head(0))
