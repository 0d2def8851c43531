"""The grid of 27 points by us and by vectorbt, which gets our fills, and forests by three libraries."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from benchmarks import backtest_grid, fits, grid_inputs
from benchmarks.isolated_process import Job
from pairity.digest import digest_bytes
from pairity.settings import Settings

TREES = 60
"""Trees of the forests, of the product's 300: each tree is fitted by itself."""
VECTORBT = f"vectorbt {version('vectorbt')}, of our orders (decides nothing; equity equal to 1e-09)"


def prepare_grid(folder: str, hours: int) -> None:
    """Write the grid's inputs without funding, and our fills for vectorbt; assert that its equity is ours."""
    place = Path(folder)
    inputs = backtest_grid.remove_funding(grid_inputs.make_grid_inputs(hours))
    backtest_grid.check_against_vectorbt(backtest_grid.store_inputs(place / "inputs", inputs), place / "orders.npz")


def run_grid(folder: str, _hours: int) -> Job:
    return backtest_grid.run_our_grid(str(Path(folder) / "inputs"), 1)


def simulate_with_vectorbt(folder: str, _hours: int) -> Job:
    return backtest_grid.run_vectorbt(str(Path(folder) / "orders.npz"))


def prepare_nothing(_folder: str, _hours: int) -> None:
    """Do nothing: the rows of the forests are made from a seed by each job."""


def fit_our_forest(_folder: str, hours: int) -> Job:
    return fits.fit_our_forest(hours, 1, TREES)


def fit_plain_forest(_folder: str, hours: int) -> Job:
    return fits.fit_plain_forest(hours, 1, TREES)


def fit_lightgbm_forest(_folder: str, hours: int) -> Job:
    """Make the job of LightGBM's forest: as many trees of as many leaves at most, on 255 bins per feature."""
    import lightgbm

    labelled, settings = fits.make_rows(hours), Settings().model
    matrix, label = fits.make_plain_matrix(labelled), labelled["label"].to_numpy()
    parameters = {
        "objective": "binary",
        "boosting_type": "rf",
        "bagging_fraction": 0.632,
        "bagging_freq": 1,
        "feature_fraction_bynode": matrix.shape[1] ** -0.5,
        "max_depth": settings.max_depth or -1,
        "num_leaves": 2 ** min(settings.max_depth or 12, 12),
        "min_data_in_leaf": settings.min_samples_leaf,
        "scale_pos_weight": settings.positive_weight,
        "seed": settings.seed,
        "num_threads": 1,
        "verbosity": -1,
    }

    def job() -> str:
        data = lightgbm.Dataset(data=matrix, label=label)
        model = lightgbm.train(parameters, data, num_boost_round=TREES)
        return digest_bytes(model.predict(matrix[:1_000]).tobytes())

    return job
