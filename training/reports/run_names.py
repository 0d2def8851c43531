"""Names of runs: what it is, over which days, and which settings differ from the first run of its kind.

A name is given once. The tracking UI shows it in tables and beside curves, so no two runs of an experiment share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from model_registry.connection import has_database, open_client, store_errors
from pairity.layout import Layout
from training.tracking import format_param

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SUBJECT_TAG = "subject"
"""What a run is about, without days and settings: a family, a comparison, what was backtested."""
_MOST_CHANGES, _LONGEST_VALUE, _MOST_NAMESAKES = 3, 24, 1000
_COMPARED = 5000  # MLflow cuts longer values
_UNQUOTABLE = str.maketrans("", "", "'\"`\\%\n\r")


@dataclass(frozen=True, slots=True)
class RunName:
    """Name of a run, and its ending by itself: the runs below it end alike."""

    days: str
    ending: str
    """Settings that differ, and a number where even so the name was taken: `, seed 7 #2`. Often empty."""
    subject: str
    changes: Mapping[str, str]
    """Settings that differ from the first run of the kind, all of them: `section.setting` → value as logged."""

    def __str__(self) -> str:
        return f"{self.subject} {self.days}{self.ending}"


def name_run(
    layout: Layout,
    experiment: str,
    subject: str,
    hours: tuple[datetime, datetime],
    params: Mapping[str, object],
) -> RunName:
    """Return a name that no run of the experiment (its name) has yet.

    `hours`: first and last bar close of what is tested; `params`: as they will be logged. Only those of the form
    `section.setting` are compared. RegistryError where the tracking store cannot be read.
    """
    subject = subject.translate(_UNQUOTABLE)
    days = f"{hours[0]:%Y-%m-%d} to {hours[1]:%Y-%m-%d}"
    if not has_database(layout):
        return RunName(days, "", subject, {})
    client = open_client(layout)
    with store_errors(layout):
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return RunName(days, "", subject, {})
        first = _find_first(client, found.experiment_id, subject)
        changes = {} if first is None else _find_changes(params, first.data.params)
        name = RunName(days, _join_changes(changes), subject, changes)
        taken = _list_names(client, found.experiment_id, str(name))
    number = 2
    while f"{name} #{number}" in taken:
        number += 1
    return replace(name, ending=f"{name.ending} #{number}") if str(name) in taken else name


def _find_first(client: MlflowClient, experiment_id: str, subject: str) -> Run | None:
    runs = client.search_runs(
        [experiment_id],
        f"tags.{SUBJECT_TAG} = '{subject}'",
        max_results=1,
        order_by=["attributes.start_time ASC"],
    )
    return runs[0] if runs else None


def _find_changes(params: Mapping[str, object], before: Mapping[str, str]) -> dict[str, str]:
    changes = {}
    for name, value in params.items():
        section = name.rpartition(".")[0]
        if section in {"", "contender", "split", "backtest"} or name not in before:
            continue
        text = format_param(value)
        if text[:_COMPARED] != before[name][:_COMPARED]:
            changes[name] = text
    return changes


def _join_changes(changes: Mapping[str, str]) -> str:
    said = [f"{name.rpartition('.')[2]} {_shorten(text)}" for name, text in changes.items()]
    rest = len(said) - _MOST_CHANGES
    shown = [*said[:_MOST_CHANGES], *([f"{rest} more"] if rest > 0 else [])]
    return "".join(f", {change}" for change in shown)


def _shorten(text: str) -> str:
    text = text.translate(_UNQUOTABLE)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _list_names(client: MlflowClient, experiment_id: str, name: str) -> set[str]:
    """Return the names in the experiment that begin so (MLflow's `_` stands for any sign, so there may be others)."""
    runs = client.search_runs([experiment_id], f"attributes.run_name LIKE '{name}%'", max_results=_MOST_NAMESAKES)
    return {str(run.info.run_name) for run in runs}
