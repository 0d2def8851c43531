"""Files of a backtest without training, and its run in MLflow: `pairity report` draws it like any other run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from feature_repo.catalog import PAIR_HOURLY
from pairity.code_revision import read_code_revision
from pairity.csv_files import escape_formulas
from pairity.durable import make_folder, replace_file_with
from pairity.layout import Layout
from pairity.settings import Settings
from training import tracking
from training.backtest.comparison import Contender
from training.backtest.grid import GridResult
from training.backtest.performance import summarise_by_pair
from training.data.point_in_time import read_snapshot_id
from training.evaluation.line_statistics import list_statistics
from training.reports import matplotlib_figures as figures
from training.reports.run_curves import draw_curves
from training.reports.run_files import list_setting_params
from training.reports.run_names import SUBJECT_TAG, name_run
from training.run_records import GRID_METRIC, DatasetSource, FamilyRun


def locate_directory(settings: Settings) -> Path:
    """Return the directory of the newest backtest's files."""
    return Layout.of(settings).reports / "backtest"


def record_backtest(
    settings: Settings,
    name: str,
    contenders: Sequence[Contender],
    assessments: pl.DataFrame,
    grid: GridResult | None,
    judged: Mapping[str, float | None],
) -> tuple[list[Path], str]:
    """Replace the directory's contents by trades, equity, decisions, grid and figure, and log them as a run.

    `assessments` are the rows of `decisions.csv`; `judged` are metrics of the run as a whole: trials, overfitting.
    Returns the paths of the files and the run's id. RegistryError where the tracking store cannot be used.
    """
    where = locate_directory(settings)
    if where.exists():
        shutil.rmtree(where)
    make_folder(where)
    files = [figures.draw_equity(where / "equity.png", {c.name: c.result for c in contenders})]
    for contender in contenders:
        files.append(_write(where / f"trades_{contender.key}.csv", contender.result.trades))
        files.append(_write(where / f"equity_{contender.key}.csv", contender.result.equity))
    files.append(_write(where / "backtest_per_pair.csv", summarise_by_pair(contenders[0].result.trades)))
    if grid is not None:
        files.append(_write(where / "grid.csv", grid.table()))
    run_id = tracking.log_backtest(Layout.of(settings), _make_run(settings, name, contenders, grid, judged))
    # After logging: a year of 45 pairs is tens of megabytes, and nobody compares them between runs
    files.append(_write(where / "decisions.csv", assessments))
    return files, run_id


def _make_run(
    settings: Settings,
    name: str,
    contenders: Sequence[Contender],
    grid: GridResult | None,
    judged: Mapping[str, float | None],
) -> FamilyRun:
    layout, hours = Layout.of(settings), contenders[0].result.equity["time"]
    snapshot, revision = read_snapshot_id(layout), read_code_revision()
    names = {f"contender.{contender.key}": contender.name for contender in contenders}
    span = {"backtest.first": hours[0], "backtest.last": hours[-1]}
    statistics = list_statistics(contenders)
    metrics = {f"{c.key}_{key}": value for c in contenders for key, value in (statistics[c.key] | c.metrics).items()}
    params = list_setting_params(settings) | names | span
    subject = name if grid is None else f"{name}, grid of {len(grid.points)}"
    run_name = name_run(layout, tracking.BACKTESTS, subject, (hours[0], hours[-1]), params)
    trials = () if grid is None else [{GRID_METRIC: values["sharpe"]} for values in grid.metrics]
    return FamilyRun(
        name=str(run_name),
        params=params,
        metrics={**metrics, **judged},
        tags={
            SUBJECT_TAG: run_name.subject,
            "snapshot_id": snapshot,
            "code_revision": revision.commit or "unknown",
            "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        },
        note=f"{name}, without training",
        folds=[trial for trial in trials if trial[GRID_METRIC] is not None],
        artifacts=locate_directory(settings),
        dataset=DatasetSource(PAIR_HOURLY.name, snapshot, str(layout.features / PAIR_HOURLY.name), len(hours)),
        curves=draw_curves(contenders[0].result),
    )


def _write(path: Path, frame: pl.DataFrame) -> Path:
    replace_file_with(path, escape_formulas(frame).write_csv)
    return path
