"""What a model was trained on, in lines, from the record of its run."""

from __future__ import annotations

from collections.abc import Mapping

from model_registry.connection import has_database, open_client, store_errors
from pairity.errors import MissingDataError
from pairity.layout import Layout

_UNKNOWN = "unknown"


def read_origin(layout: Layout, run_id: str) -> list[str]:
    """Return lines on a run's training rows, label, folds and code; a value that was not recorded is `unknown`.

    MissingDataError without a tracking store, RegistryError where the run cannot be read.
    """
    if not has_database(layout):
        raise MissingDataError(f"there are no runs in {layout.mlflow}", "use the data directory it was trained in")
    client = open_client(layout)
    with store_errors(layout):
        run = client.get_run(run_id)
    return describe_origin(dict(run.data.params), dict(run.data.tags))


def describe_origin(params: Mapping[str, str], tags: Mapping[str, str]) -> list[str]:
    """Return the lines of a run with these parameters and tags."""

    def of(name: str) -> str:
        return params.get(name, _UNKNOWN)

    return [
        f"training rows {of('split.train_rows')}, {_day(of('split.train_start'))} to "
        f"{_day(of('split.train_end'))} UTC, "
        f"{of('split.purged_rows')} purged before the test; digest {tags.get('training_digest', _UNKNOWN)[:16]}",
        f"tested on {of('split.test_rows')} rows, {_day(of('split.test_start'))} to {_day(of('split.test_end'))} UTC; "
        f"label {of('label.kind')} of {of('label.target')} within {of('label.horizon_bars')} hours, "
        f"rows {of('label.rows')}, weights {of('label.weights')}; seed {of('model.seed')}",
        f"trained with code {tags.get('code_revision', _UNKNOWN)[:12]}"
        + (" with changes that were not committed" if tags.get("code_dirty") == "true" else ""),
    ]


def _day(text: str) -> str:
    return text[:16]
