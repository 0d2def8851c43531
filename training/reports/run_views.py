"""The view of the runs that the tracking UI opens with: the columns that decide, and curves over each other.

MLflow keeps a view as a tag of its experiment. The format is that of MLflow's pages (3.17), which name no other way to
choose columns; a test in a browser holds it. A view that a page cannot read is left out by it, with a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from model_registry.connection import open_client, store_errors
from pairity.errors import MissingDataError, RegistryError
from pairity.layout import Layout
from training.reports.run_curves import DRAWDOWN_CURVE, EQUITY_CURVE
from training.reports.run_lookup import KnownRun, find_newest_run
from training.tracking import KIND, KIND_TAG, LEADERBOARD, PARENT_TAG

if TYPE_CHECKING:
    from mlflow.entities import Experiment

DECIDING = {
    "model_net_return": 126,
    "model_sharpe": 104,
    "model_sharpe_low": 138,
    "model_sharpe_high": 140,
    "model_deflated_sharpe": 125,
    "model_max_drawdown": 125,
    "model_trades": 100,
    "model_candidates_roc_auc": 120,
}
"""Metrics that are columns, in this order, and their widths in pixels: a screen of 1,600 has all of them, told apart.

Every run that traded has them under these names."""
_FIRST_WIDTHS = {"attributes.`Run Name`": 220, "runDateAndNestInfo": 70}
"""Columns that every table of runs begins with: name and age."""
VIEW_TAG = "mlflow.sharedViewState.decides"
_VIEW, _VIEW_NAME = "decides", "What decides"
_SECTION, _MOST_SHOWN_RUNS = "curves", 20
# Without smoothing: a curve that is drawn softer than it is hides the falls that it is looked at for
_LINE = {"useGlobalXaxisKey": True, "useGlobalLineSmoothing": False, "lineSmoothness": 0, "range": {}}
_NOTHING_LOGGED = "nothing stored yet: no run is logged in {}"


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Where the tracking UI should be opened."""

    path: str
    """Path, with fragment, below the server's address."""
    trouble: str
    """Why the page has MLflow's own columns; empty where it has ours."""


def prepare_runs_page(layout: Layout) -> RunsPage:
    """Return the page of the runs of the newest experiment, which is that of the newest run.

    The newest comparison shows the runs of its families, best net return first, and every other experiment its runs,
    newest first. The view is stored with each experiment, unless it is there: a page that is opened by a click has it
    under "Views". So is that it is none of language models, which older releases left out. MissingDataError where no
    run was logged, RegistryError where the store cannot be read.
    """
    newest = find_newest_run(layout)
    if newest is None:
        raise MissingDataError(
            _NOTHING_LOGGED.format(layout.mlflow), "run `make train` (or `make demo`) first, or set PAIRITY_HOME"
        )
    client = open_client(layout)
    with store_errors(layout):
        experiment = client.get_experiment(newest.record.info.experiment_id)
        others = [one for one in client.search_experiments() if one.experiment_id != experiment.experiment_id]
    trouble = _store_tags(layout, experiment, _make_tags(experiment, newest))
    for other in others if not trouble else ():
        if (run := find_newest_run(layout, other.experiment_id)) is not None:
            _store_tags(layout, other, _make_tags(other, run))
    chosen = {"workflowType": "machine_learning"} | ({} if trouble else {"viewStateShareKey": _VIEW})
    return RunsPage(f"/#/experiments/{experiment.experiment_id}/runs?{urlencode(chosen)}", trouble)


def _make_tags(experiment: Experiment, newest: KnownRun) -> dict[str, str]:
    if experiment.name == LEADERBOARD:
        view = _make_view(f"tags.`{PARENT_TAG}` = '{newest.run_id}'", "metrics.`model_net_return`")
    else:
        view = _make_view("", "attributes.start_time")
    at = newest.record.info.start_time or 0
    # The page wants the view as text inside of what describes it
    described = {"name": _VIEW_NAME, "createdAt": at, "updatedAt": at, "state": _to_json(view)}
    return {KIND_TAG: KIND, VIEW_TAG: _to_json(described)}


def _store_tags(layout: Layout, experiment: Experiment, tags: Mapping[str, str]) -> str:
    """Store the tags that are not there as they should be; return why that cannot be done, or nothing."""
    client = open_client(layout)
    try:
        with store_errors(layout):
            for name, value in tags.items():
                if experiment.tags.get(name) != value:
                    client.set_experiment_tag(experiment.experiment_id, name, value)
    except RegistryError as error:  # a copy that can only be read may be looked at all the same
        return error.what
    return ""


def _make_view(search: str, order_by: str) -> dict[str, object]:
    columns = [f"metrics.`{name}`" for name in DECIDING]
    return {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [*_FIRST_WIDTHS, *columns],
        "columnWidths": _FIRST_WIDTHS | dict(zip(columns, DECIDING.values(), strict=True)),
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunSections": [
            {
                "uuid": _SECTION,
                "name": "Curves and what decides",
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
            }
        ],
        "compareRunCharts": _make_charts((EQUITY_CURVE, DRAWDOWN_CURVE), tuple(DECIDING)),
        "globalLineChartConfig": {"xAxisKey": "time", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _make_charts(lines: Sequence[str], bars: Sequence[str]) -> list[dict[str, object]]:
    charts: list[dict[str, object]] = []
    for kind, names, more in (("LINE", lines, _LINE), ("BAR", bars, {})):
        charts += [
            {
                "uuid": name,
                "type": kind,
                "metricKey": name,
                "metricSectionId": _SECTION,
                "runsCountToCompare": _MOST_SHOWN_RUNS,
                "deleted": False,
                "isGenerated": False,
                **more,
            }
            for name in names
        ]
    return charts


def _to_json(value: Mapping[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))
