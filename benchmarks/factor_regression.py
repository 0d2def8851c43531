"""Rolling regression on ten factors at every minute, against statsmodels and one numpy solve per window."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.case import Case
from feature_repo.transforms.risk_kernels import minute_fits

WINDOWS, WINDOW, FACTORS = 86_394, 1_440, 10


def observations() -> np.ndarray:
    """Minute returns of ten correlated factors and of one coin that is exposed to them."""
    generator = np.random.default_rng(0)
    rows = WINDOWS + WINDOW - 1
    market = generator.normal(0, 8e-4, (rows, 1))
    factors = market + generator.normal(0, 3e-4, (rows, FACTORS))
    coin = factors @ generator.normal(0.1, 0.2, FACTORS) + generator.normal(0, 3e-4, rows)
    return np.ascontiguousarray(np.column_stack([factors, coin]))


def cases(_scratch: Path) -> Iterator[Case]:
    from statsmodels.regression.rolling import RollingOLS
    from statsmodels.tools import add_constant

    rows = observations()
    regressors, response = add_constant(rows[:, :-1]), rows[:, -1]

    def ours() -> np.ndarray:
        return minute_fits(rows, WINDOW // 60, 0.0, 0.9)[WINDOW - 1 :]

    def rolling() -> np.ndarray:
        return RollingOLS(response, regressors, window=WINDOW).fit(params_only=True).params[WINDOW - 1 :]

    def solves() -> np.ndarray:
        out = np.empty((WINDOWS, FACTORS + 1))
        for start in range(WINDOWS):
            x, y = regressors[start : start + WINDOW], response[start : start + WINDOW]
            out[start] = np.linalg.solve(x.T @ x, x.T @ y)
        return out

    def exact(at: int) -> np.ndarray:
        q, r = np.linalg.qr(regressors[at : at + WINDOW])
        return np.linalg.solve(r, q.T @ response[at : at + WINDOW])

    def check() -> None:
        mine, theirs, sampled = ours()[:, : FACTORS + 1], rolling(), range(0, WINDOWS, 997)
        truth = np.array([exact(at) for at in sampled])
        errors = [np.abs(found[::997] - truth).max() for found in (mine, theirs)]
        print(f"largest error against QR: ours {errors[0]:.1e}, RollingOLS {errors[1]:.1e}")
        np.testing.assert_allclose(mine[::997], truth, rtol=1e-7, atol=1e-9)

    name = f"rolling regression, {WINDOWS:,} windows × {FACTORS} regressors × {WINDOW:,} rows (with R²)"
    yield Case(name, ours, f"statsmodels {version('statsmodels')} RollingOLS (parameters only)", rolling, check)
    yield Case(name, ours, f"numpy {np.__version__} solve per window", solves, lambda: None, peer_rounds=1)
