"""Rolling regressions on ten factors by us, by polars-ols, by statsmodels and by one solve per window.

Ours is imported in its own job alone: polars-ols has an interpreter of its own, with the Polars that it was built for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.isolated_process import Answer, Job

WINDOW, FACTORS = 1_440, 10


def prepare_observations(folder: str, windows: int) -> None:
    """Write minute returns of ten correlated factors and of one coin that is exposed to them."""
    generator = np.random.default_rng(0)
    rows = windows + WINDOW - 1
    factors = generator.normal(0, 8e-4, (rows, 1)) + generator.normal(0, 3e-4, (rows, FACTORS))
    coin = factors @ generator.normal(0.1, 0.2, FACTORS) + generator.normal(0, 3e-4, rows)
    np.save(Path(folder) / "rows.npy", np.ascontiguousarray(np.column_stack([factors, coin])))


def fit_ours(folder: str, _windows: int) -> Job:
    from feature_repo.transforms.risk_kernels import minute_fits

    rows = _read(folder)
    minute_fits(rows[:3_000], WINDOW // 60, 0.0, 0.9)  # the first call compiles, which is not timed
    return _make_job(folder, "fit_ours", lambda: minute_fits(rows, WINDOW // 60, 0.0, 0.9)[WINDOW - 1 :])


def fit_with_statsmodels(folder: str, _windows: int) -> Job:
    from statsmodels.regression.rolling import RollingOLS
    from statsmodels.tools import add_constant

    rows = _read(folder)
    regressors, response = add_constant(rows[:, :-1]), rows[:, -1]

    def fit() -> np.ndarray:
        return RollingOLS(response, regressors, window=WINDOW).fit(params_only=True).params[WINDOW - 1 :]

    return _make_job(folder, "fit_with_statsmodels", fit)


def fit_with_solves(folder: str, windows: int) -> Job:
    rows = _read(folder)
    regressors, response = np.column_stack([np.ones(len(rows)), rows[:, :-1]]), rows[:, -1]

    def fit() -> np.ndarray:
        out = np.empty((windows, FACTORS + 1))
        for start in range(windows):
            x, y = regressors[start : start + WINDOW], response[start : start + WINDOW]
            out[start] = np.linalg.solve(x.T @ x, x.T @ y)
        return out

    return _make_job(folder, "fit_with_solves", fit)


def fit_with_polars_ols(folder: str, _windows: int) -> Job:
    import polars as pl
    import polars_ols  # noqa: F401 - registers the expressions

    rows = _read(folder)
    names = [f"x{place}" for place in range(FACTORS)]
    frame = pl.DataFrame({**{name: rows[:, place] for place, name in enumerate(names)}, "y": rows[:, -1]})
    fitted = pl.col("y").least_squares.rolling_ols(
        *(pl.col(name) for name in names),
        window_size=WINDOW,
        min_periods=WINDOW,
        mode="coefficients",
        add_intercept=True,
    )

    def fit() -> np.ndarray:
        coefficients = frame.select(fitted.alias("fit")).unnest("fit")[WINDOW - 1 :]
        return coefficients.select("const", *names).to_numpy()

    return _make_job(folder, "fit_with_polars_ols", fit)


def _read(folder: str) -> np.ndarray:
    rows: np.ndarray = np.load(Path(folder) / "rows.npy")
    return rows


def _make_job(folder: str, name: str, fit: Callable[[], np.ndarray]) -> Job:
    def job() -> Answer:
        fitted = fit()

        def answer() -> str:
            parameters = np.ascontiguousarray(fitted[:, : FACTORS + 1], dtype=np.float64)
            np.save(Path(folder) / f"{name}.npy", parameters)
            return hashlib.sha256(parameters.tobytes()).hexdigest()

        return answer

    return job
