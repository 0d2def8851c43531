"""Trials that the tracking store knows of: the more that were made, the better the best one looks by luck."""

from __future__ import annotations

from model_registry.connection import open_client, store_errors
from pairity.layout import Layout
from training.evaluation.sharpe import HOURS_PER_YEAR
from training.run_records import GRID_METRIC, TRIAL_METRIC


def read_trial_sharpes(layout: Layout) -> list[float]:
    """Return the Sharpe ratio per hour of every trial in the tracking store.

    Every run with a backtested model counts, whatever its experiment, and every setting of its grid. A trial without
    trades has no ratio and is left out. RegistryError where the store cannot be used.
    """
    client = open_client(layout)
    values: list[float] = []
    with store_errors(layout):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        token = None
        while True:
            # The filter is on a value that no ratio reaches: it selects the runs that have the metric at all
            page = client.search_runs(experiments, f"metrics.{TRIAL_METRIC} > -1e9", page_token=token)
            for run in page:
                values.append(run.data.metrics[TRIAL_METRIC])
                if GRID_METRIC in run.data.metrics:
                    values += [point.value for point in client.get_metric_history(run.info.run_id, GRID_METRIC)]
            token = page.token
            if not token:
                break
    return [value / HOURS_PER_YEAR**0.5 for value in values if value == value]  # noqa: PLR0124 - NaN: not defined
