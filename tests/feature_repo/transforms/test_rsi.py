import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.transforms.rsi import wilder_rsi
from tests.oracles.features_pandas import wilder
from tests.oracles.rsi_polars import with_wilder_rsi

# Wilder's worked example as published with 14 periods (closes, and the first values of the index).
CLOSES = [
    44.34,
    44.09,
    44.15,
    43.61,
    44.33,
    44.83,
    45.10,
    45.42,
    45.84,
    46.08,
    45.89,
    46.03,
    45.61,
    46.28,
    46.28,
    46.00,
]
FIRST = [70.46, 66.25]


def rsi(series, period=14):
    values = wilder_rsi(np.array([np.nan if value is None else value for value in series], dtype=float), period)
    return [None if np.isnan(value) else value for value in values.tolist()]


def test_the_published_example():
    assert rsi(CLOSES)[:14] == [None] * 14
    assert rsi(CLOSES)[14:] == pytest.approx(FIRST, abs=0.01)


@settings(deadline=None, max_examples=60)
@given(
    series=st.lists(st.one_of(st.none(), st.floats(1e-3, 1e3), st.sampled_from([1.0, 1.0, 2.0])), max_size=60),
    period=st.integers(2, 8),
)
def test_equals_the_loop_with_holes(series, period):
    expected = wilder([float("nan") if value is None else value for value in series], period)
    actual = [float("nan") if value is None else value for value in rsi(series, period)]
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_flat_has_no_strength_only_gains_is_100_only_losses_is_0():
    assert rsi([5.0] * 20) == [None] * 20
    assert rsi([5.0 * (1 + 2.0**-52 * (step % 2)) for step in range(20)]) == [None] * 20  # rounding is no move
    assert rsi([float(step) for step in range(1, 17)])[-2:] == [100.0, 100.0]
    assert rsi([float(20 - step) for step in range(16)])[-2:] == [0.0, 0.0]


def test_a_flat_stretch_after_moves_keeps_the_last_reading():
    values = rsi([*CLOSES, *[CLOSES[-1]] * 5])
    assert values[-5:] == pytest.approx([values[len(CLOSES) - 1]] * 5, rel=1e-12)


def test_a_hole_is_null_and_starts_anew():
    series = [*CLOSES, None, *CLOSES]
    values = rsi(series)
    assert values[16:17] == [None]
    assert values[17:] == rsi(CLOSES)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), period=st.integers(2, 40), size=st.floats(-8, 0.3), holes=st.integers(0, 4))
def test_the_bits_are_those_of_window_functions(seed, period, size, holes):
    """What was published before as window functions of Polars must not change by a bit."""
    draw = np.random.default_rng(seed)
    values = np.exp(np.cumsum(draw.normal(0, 10**size, period + 90))) * 10 ** draw.uniform(-6, 6)
    values[draw.integers(0, len(values), holes)] = np.nan
    frame = pl.LazyFrame({"x": values, "g": ["a"] * len(values)}).with_columns(pl.col("x").fill_nan(None))
    expected = with_wilder_rsi(frame, "x", "g", period, "rsi").collect()["rsi"].fill_null(np.nan).to_numpy()
    assert wilder_rsi(values, period).tobytes() == expected.tobytes()
