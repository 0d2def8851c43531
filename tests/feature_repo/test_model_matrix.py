"""The one conversion from feature rows to model input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.model_matrix import build_model_matrix
from pairity.errors import DataError
from tests.feature_repo.rows import make_rows

CATEGORIES = ("base_asset", "quote_asset")


def finite_rows(**chosen):
    """Stores must keep infinities; a model must not get them."""
    floats = pl.selectors.float()
    return make_rows(PAIR_HOURLY, **chosen).with_columns(
        pl.when(floats.is_infinite()).then(1.5).otherwise(floats).name.keep()
    )


def test_columns_follow_the_service_whatever_the_rows_look_like():
    rows = finite_rows()
    matrix = build_model_matrix(rows.select(reversed(rows.columns)).with_columns(extra=1), PAIR_FOREST_FEATURES)
    assert tuple(matrix.columns) == PAIR_FOREST_FEATURES.features
    assert len(matrix) == rows.height
    numbers = [name for name in matrix.columns if name not in CATEGORIES]
    assert {matrix[name].dtype for name in numbers} == {np.dtype("float64")}
    assert {type(value) for name in CATEGORIES for value in matrix[name]} == {str}


def test_bits_are_kept_and_nulls_become_not_a_number():
    rows = finite_rows(entities=["A"], hours=[0]).with_columns(
        z_score=pl.Series([-0.0]), spread_rsi=pl.Series([5e-324]), half_life_h=pl.lit(None, pl.Float64)
    )
    matrix = build_model_matrix(rows, PAIR_FOREST_FEATURES)
    assert np.signbit(matrix["z_score"][0])
    assert matrix["spread_rsi"][0] == 5e-324
    assert np.isnan(matrix["half_life_h"][0])


def test_one_row_gives_what_it_gives_among_many():
    rows = finite_rows(hours=range(9))
    whole = build_model_matrix(rows, PAIR_FOREST_FEATURES)
    alone = pd.concat(
        [build_model_matrix(rows[i], PAIR_FOREST_FEATURES) for i in range(rows.height)], ignore_index=True
    )
    pd.testing.assert_frame_equal(whole, alone)


def test_missing_columns_are_named_and_no_rows_are_no_rows():
    rows = finite_rows()
    with pytest.raises(DataError, match="lack the features z_score, vol_ratio"):
        build_model_matrix(rows.drop("vol_ratio", "z_score"), PAIR_FOREST_FEATURES)
    assert build_model_matrix(rows[:0], PAIR_FOREST_FEATURES).shape == (0, len(PAIR_FOREST_FEATURES.features))


def test_an_infinite_feature_is_refused_by_name():
    rows = finite_rows().with_columns(z_score=float("inf"), vol_ratio=float("-inf"))
    with pytest.raises(DataError, match="infinite values of z_score, vol_ratio in rows for service pair_forest_v1"):
        build_model_matrix(rows, PAIR_FOREST_FEATURES)
    assert build_model_matrix(rows.with_columns(z_score=1.0, vol_ratio=float("nan")), PAIR_FOREST_FEATURES).shape[0] > 0
