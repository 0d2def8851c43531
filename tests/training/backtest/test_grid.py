import numpy as np
import pytest

from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import StrategySettings
from tests.training.generated import LAG, START, random_market
from training.backtest.engine import run_backtest
from training.backtest.grid import Grid, GridInputs, GridPoint, run_grid
from training.backtest.performance import KEYS, measure_performance
from training.backtest.policies import Strategy
from training.backtest.records import Terms

TERMS = Terms(initial_equity=1000.0, taker_fee_bps=5.0, slippage_bps=1.0)


def question(count=120, train_end=None, **settings):
    history, scores = random_market(5, count=count, assets=("BTC", "ETH", "SOL", "XRP"))
    return GridInputs(
        history=history,
        scores=scores,
        settings=StrategySettings(**settings),
        terms=TERMS,
        decision_lag=LAG,
        train_end=train_end,
    )


def test_the_reference_grid_has_27_points():
    points = Grid().list_points()
    assert len(points) == 27
    assert points[:2] == [GridPoint(0.8, 0.4, 0.75), GridPoint(0.8, 0.4, 0.85)]


def test_every_trial_is_a_backtest_of_its_own():
    inputs = question()
    found = run_grid(inputs, Grid(z_entry=(0.8, 1.5), probability_min=(0.5,), correlation_max=(0.2, 0.9)))
    assert found.returns.shape == (120, 4)
    for index, point in enumerate(found.points):
        strategy = StrategySettings(
            z_entry=point.z_entry, probability_min=point.probability_min, correlation_max=point.correlation_max
        )
        alone = run_backtest(inputs.history, inputs.scores, Strategy(strategy), TERMS, decision_lag=LAG, train_end=None)
        assert found.metrics[index] == measure_performance(alone)
        equity = 1000.0 * np.cumprod(1.0 + found.returns[:, index])
        assert equity == pytest.approx(alone.equity["equity"].to_numpy())
    table = found.table()
    assert set(table.columns) == {"z_entry", "probability_min", "correlation_max", *KEYS}
    assert table["trades"].n_unique() > 1


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_a_bit():
    inputs = question(60, legs="both", max_concurrent_positions=2)
    grid = Grid(z_entry=(0.8, 1.2), probability_min=(0.4, 0.6), correlation_max=(0.5,))
    one, two = run_grid(inputs, grid), run_grid(inputs, grid, workers=2)
    assert one.points == two.points
    assert one.metrics == two.metrics
    assert one.returns.tobytes() == two.returns.tobytes()


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid(z_entry=()), "0 points"),
        (Grid(z_entry=(1.0, 1.0)), "18 points, 9 of them different"),
        (Grid(z_entry=tuple(1 + i / 1000 for i in range(300))), "2700 points; at most 2000"),
        (Grid(z_entry=(-1.0,)), "cannot be run: Input should be greater than 0"),
        (Grid(z_entry=(0.2,)), "exit_z 0.3 must be below z_entry 0.2"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused_before_anything_runs(grid, message):
    with pytest.raises(ConfigError, match=message):
        run_grid(question(exit_z=0.3), grid)


def test_a_period_that_training_has_seen_is_refused_in_every_process():
    for workers in (1, 2):
        with pytest.raises(TimeRangeError, match="was trained on data up to"):
            run_grid(question(10, train_end=START), Grid((1.0,), (0.5,), (0.8, 0.9)), workers=workers)
