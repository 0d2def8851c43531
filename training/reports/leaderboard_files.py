"""What a comparison of families leaves behind: tables, figures, and its runs in MLflow."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from feature_repo.revision import code_revision
from pairity.layout import Layout
from pairity.settings import Settings
from training import datasets, tracking
from training.leaderboard import Leaderboard, Standing
from training.reports import figures
from training.reports.run_files import importance_table, setting_params


def directory(settings: Settings) -> Path:
    """Where the newest comparison's files lie."""
    return Layout.of(settings).reports / "leaderboard"


def write(settings: Settings, board: Leaderboard) -> list[Path]:
    """Replace the directory by equity curves, trade logs, test periods and a figure; returns the files."""
    where = directory(settings)
    if where.exists():
        shutil.rmtree(where)
    where.mkdir(parents=True)
    files = [figures.equity(where / "equity.png", {s.family: s.contender.result for s in board.standings})]
    for standing in board.standings:
        result = standing.contender.result
        files += [_csv(where / f"equity_{standing.family}.csv", result.equity),
                  _csv(where / f"trades_{standing.family}.csv", result.trades)]  # fmt: skip
    files.append(_csv(where / "folds.csv", fold_table(board)))
    best = next((standing for standing in board.standings if standing.importances), None)
    if best is not None:
        files.append(_csv(where / "feature_importance.csv", importance_table(best.importances)))
    return files


def fold_table(board: Leaderboard) -> pl.DataFrame:
    """fold (first day of the test period), family, net_return, trades."""
    rows = [
        (f"{fold.blocks[0].first:%Y-%m-%d}", standing.family, values["net_return"], values["trades"])
        for standing in board.standings
        for fold, values in zip(board.folds, standing.folds, strict=True)
    ]
    schema = {"fold": pl.String, "family": pl.String, "net_return": pl.Float64, "trades": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def record(settings: Settings, board: Leaderboard) -> str:
    """Log the comparison: a parent run with everything, a child per family; returns the parent's id."""
    revision = code_revision()
    tags = {
        "feature_service": board.dataset.service.name, "snapshot_id": board.dataset.snapshot_id,
        "training_digest": datasets.training_digest(board.dataset.labelled(settings.label)),
        "code_revision": revision.commit or "unknown",
        "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        "train_end": board.folds[-1].train_end.isoformat(), "universe": ",".join(settings.universe.assets),
    }  # fmt: skip
    params = setting_params(settings) | {
        "folds": len(board.folds), "test_start": board.folds[0].blocks[0].first, "trials": board.trials,
    }  # fmt: skip
    names = {f"contender.{s.family}": s.told for s in board.standings}
    metrics = {
        f"{standing.family}_{name}": value for standing in board.standings for name, value in _metrics(standing).items()
    }
    if board.overfitting is not None:
        metrics["probability_of_overfitting"] = board.overfitting.probability
    parent = tracking.FamilyRun("leaderboard", params | names, metrics, tags, summary(board), (), directory(settings))
    children = [
        tracking.FamilyRun(
            standing.family, params | {"family": standing.family},
            {f"model_{name}": value for name, value in _metrics(standing).items()}, tags, standing.told,
            [{f"fold_{name}": value for name, value in fold.items()} for fold in standing.folds],
        )
        for standing in board.standings
    ]  # fmt: skip
    return tracking.log_family_runs(Layout.of(settings), parent, children)


def summary(board: Leaderboard) -> str:
    """Markdown: what earns money after costs and what does not."""
    lines = ["| family | net return | Sharpe | trades | deflated Sharpe |", "| --- | ---: | ---: | ---: | ---: |"]
    for standing in board.standings:
        m = standing.contender.metrics
        lines.append(
            f"| {standing.family} | {m['net_return']:+.1%} | {_shown(m['sharpe'])} | {m['trades']:.0f} "
            f"| {_shown(standing.deflated_sharpe)} |"
        )
    return "\n".join(lines)


def _metrics(standing: Standing) -> dict[str, float | None]:
    quality = {f"candidates_{name}": value for name, value in standing.classification.items()}
    return {**standing.contender.metrics, "deflated_sharpe": standing.deflated_sharpe, **quality}


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _csv(path: Path, table: pl.DataFrame) -> Path:
    table.write_csv(path)
    return path
