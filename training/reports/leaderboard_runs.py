"""A comparison of families in MLflow: a parent run, a child for each family, and below that one for each fold."""

from __future__ import annotations

from feature_repo.catalog import PAIR_HOURLY
from pairity.code_revision import read_code_revision
from pairity.layout import Layout
from pairity.settings import Settings
from training import tracking
from training.data import training_sets as datasets
from training.leaderboard import Leaderboard, Standing
from training.reports.leaderboard_files import directory, family_directory
from training.reports.run_files import setting_params


def record(settings: Settings, board: Leaderboard) -> str:
    """Log what `leaderboard_files.write` wrote and what was measured; returns the parent's id."""
    layout = Layout.of(settings)
    digest = datasets.training_digest(board.dataset.labelled(settings.label))
    tags = _tags(settings, board, digest)
    params = setting_params(settings) | {
        "folds": len(board.folds), "test_start": board.folds[0].blocks[0].first, "trials": board.trials,
    }  # fmt: skip
    names = {f"contender.{s.family}": s.told for s in board.standings}
    source = tracking.DatasetSource(
        PAIR_HOURLY.name, digest, str(layout.features / PAIR_HOURLY.name), board.dataset.rows.height
    )
    metrics = {
        f"{standing.family}_{name}": value for standing in board.standings for name, value in _metrics(standing).items()
    }
    if board.overfitting is not None:
        metrics["probability_of_overfitting"] = board.overfitting.probability
    parent = tracking.FamilyRun(
        "leaderboard", params | names, metrics, tags, summary(board), artifacts=directory(settings), dataset=source
    )
    starts = [fold.blocks[0].first for fold in board.folds]
    children = [
        tracking.FamilyRun(
            standing.family, params | {"family": standing.family},
            {f"model_{name}": value for name, value in _metrics(standing).items()}, tags, standing.told,
            folds=[{f"fold_{name}": value for name, value in fold.items()} for fold in standing.folds],
            fold_names=[f"{standing.family} {start:%Y-%m-%d}" for start in starts],
            artifacts=family_directory(settings, standing.family), dataset=source,
        )
        for standing in board.standings
    ]  # fmt: skip
    return tracking.log_family_runs(layout, parent, children)


def summary(board: Leaderboard) -> str:
    """Markdown: what earns money after costs and what does not."""
    earning = [s.family for s in board.standings if (s.contender.metrics["net_return"] or 0.0) > 0]
    lines = [
        f"After costs these earned money: {', '.join(earning) or 'none'}.", "",
        "| family | net return | Sharpe | trades | deflated Sharpe |", "| --- | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for standing in board.standings:
        m = standing.contender.metrics
        lines.append(
            f"| {standing.family} | {m['net_return']:+.1%} | {_shown(m['sharpe'])} | {m['trades']:.0f} "
            f"| {_shown(standing.deflated_sharpe)} |"
        )
    return "\n".join([*lines, *(f"\n{note}" for note in board.notes)])


def _tags(settings: Settings, board: Leaderboard, digest: str) -> dict[str, str]:
    revision = read_code_revision()
    return {
        "feature_service": board.dataset.service.name, "snapshot_id": board.dataset.snapshot_id,
        "training_digest": digest, "code_revision": revision.commit or "unknown",
        "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        "train_end": board.folds[-1].train_end.isoformat(), "universe": ",".join(settings.universe.assets),
    }  # fmt: skip


def _metrics(standing: Standing) -> dict[str, float | None]:
    return {**standing.contender.metrics, "deflated_sharpe": standing.deflated_sharpe, **standing.quality}


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
