"""Runs of the tracking store, newest first, and the one that a person means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_registry.connection import has_database, open_client, store_errors
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.references import find_named
from training.tracking import PARENT_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


_NAME_TAG = "mlflow.runName"
_MOST_RUNS = 5000
_DEEPEST = 8
"""Runs above a run that are followed: a comparison has two, and what was changed by hand might go in a circle."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run that stands alone or has others below it: its id, name and record."""

    run_id: str
    name: str
    record: Run
    parent: str | None


def list_runs(layout: Layout, *, with_inner: bool = False) -> list[KnownRun]:
    """Return the runs, newest first; with `with_inner` those below another one too. None where nothing was logged.

    RegistryError where the store cannot be read.
    """
    if not has_database(layout):
        return []
    client = open_client(layout)
    with store_errors(layout):
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = client.search_runs(experiments, max_results=_MOST_RUNS)
    runs = sorted(found, key=lambda run: (-(run.info.start_time or 0), run.info.run_id))
    every = [_describe(run) for run in runs]
    return every if with_inner else [run for run in every if run.parent is None]


def find_newest_run(layout: Layout, experiment_id: str | None = None) -> KnownRun | None:
    """Return the newest run, of one experiment or of all, or that which it is below; None where nothing was logged.

    Unlike `list_runs` it reads a run or three, however many there are. RegistryError where the store cannot be read.
    """
    if not has_database(layout):
        return None
    client = open_client(layout)
    with store_errors(layout):
        experiments = (
            [experiment.experiment_id for experiment in client.search_experiments()]
            if experiment_id is None
            else [experiment_id]
        )
        runs = client.search_runs(experiments, max_results=1, order_by=["attributes.start_time DESC"])
        if not runs:
            return None
        newest = _describe(runs[0])
        for _ in range(_DEEPEST):
            above = None if newest.parent is None else _find_run(client, newest.parent)
            if above is None:
                break
            newest = _describe(above)
    return newest


def _find_run(client: MlflowClient, run_id: str) -> Run | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def list_families(layout: Layout, parent: Run) -> dict[str, Run]:
    """Return the runs of a comparison's families by family, in the order in which they were logged; often none.

    RegistryError where the store cannot be read.
    """
    client = open_client(layout)
    with store_errors(layout):
        below = client.search_runs(
            [parent.info.experiment_id],
            f"tags.`{PARENT_TAG}` = '{parent.info.run_id}'",
            max_results=_MOST_RUNS,
            order_by=["attributes.start_time ASC"],
        )
    return {run.data.params["family"]: run for run in below if "family" in run.data.params}


def _describe(run: Run) -> KnownRun:
    return KnownRun(
        run.info.run_id,
        str(run.data.tags.get(_NAME_TAG, run.info.run_id)),
        run,
        run.data.tags.get(PARENT_TAG),
    )


def find_known_run(layout: Layout, text: str) -> KnownRun:
    """Return the run that `text` is or begins; `latest` is the newest that is not below another one.

    UnknownNameError names the nearest, ConfigError says that several begin so, MissingDataError that there is none.
    """
    runs = list_runs(layout, with_inner=True)
    if not runs:
        raise MissingDataError(f"no run is logged below {layout.mlflow} yet", "run `pairity train` first")
    alone = [run.run_id for run in runs if run.parent is None]
    inner = [run.run_id for run in runs if run.parent is not None]
    chosen = find_named("run", text, [*alone, *inner])
    return next(run for run in runs if run.run_id == chosen)
