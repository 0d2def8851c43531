"""A comparison of families in MLflow: a parent run, a child run per family and, below that, a run per fold."""

from __future__ import annotations

from feature_repo.catalog import PAIR_HOURLY
from pairity.code_revision import read_code_revision
from pairity.layout import Layout
from pairity.settings import Settings
from training import tracking
from training.data.training_sets import digest_training_rows
from training.leaderboard import Leaderboard, Standing
from training.reports.leaderboard_files import locate_directory, locate_family_directory
from training.reports.run_files import list_setting_params
from training.run_records import DatasetSource, FamilyRun


def record_leaderboard(settings: Settings, board: Leaderboard) -> str:
    """Log the files of `leaderboard_files.write_leaderboard` and all measures; return the parent run's id."""
    layout = Layout.of(settings)
    digest = digest_training_rows(board.training_set.labelled(settings.label))
    tags = _list_tags(settings, board, digest)
    params = list_setting_params(settings) | {
        "folds": len(board.folds),
        "test_start": board.folds[0].blocks[0].first,
        "trials": board.trials.trials,
        "effective_trials": f"{board.trials.effective:.3f}",
    }
    names = {f"contender.{s.family}": s.description for s in board.standings}
    source = DatasetSource(
        PAIR_HOURLY.name, digest, str(layout.features / PAIR_HOURLY.name), board.training_set.rows.height
    )
    metrics = {
        f"{standing.family}_{name}": value
        for standing in board.standings
        for name, value in _list_metrics(standing).items()
    }
    if board.overfitting is not None:
        metrics["probability_of_overfitting"] = board.overfitting.probability
    if board.superiority is not None:
        metrics["superior_p"] = board.superiority.best
    parent = FamilyRun(
        name="leaderboard",
        params=params | names,
        metrics=metrics,
        tags=tags,
        note=summarise_leaderboard(board),
        artifacts=locate_directory(settings),
        dataset=source,
    )
    starts = [fold.blocks[0].first for fold in board.folds]
    children = [
        FamilyRun(
            name=standing.family,
            params=params | {"family": standing.family},
            metrics={f"model_{name}": value for name, value in _list_metrics(standing).items()},
            tags=tags,
            note=standing.description,
            folds=[{f"fold_{name}": value for name, value in fold.items()} for fold in standing.folds],
            fold_names=[f"{standing.family} {start:%Y-%m-%d}" for start in starts],
            artifacts=locate_family_directory(settings, standing.family),
            dataset=source,
        )
        for standing in board.standings
    ]
    return tracking.log_family_runs(layout, parent, children)


def summarise_leaderboard(board: Leaderboard) -> str:
    """Return Markdown that says which families earn money after costs."""
    earning = [s.family for s in board.standings if (s.contender.metrics["net_return"] or 0.0) > 0]
    lines = [
        f"After costs these earned money: {', '.join(earning) or 'none'}.",
        "",
        *_describe_ranks(board),
        "| family | net return | Sharpe | trades | deflated Sharpe |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for standing in board.standings:
        m = standing.contender.metrics
        lines.append(
            f"| {standing.family} | {m['net_return']:+.1%} | {_format_number(m['sharpe'])} | {m['trades']:.0f} "
            f"| {_format_number(standing.deflated_sharpe)} |"
        )
    return "\n".join([*lines, *(f"\n{note}" for note in board.notes)])


def _describe_ranks(board: Leaderboard) -> list[str]:
    if board.overfitting is None:
        return []
    return [
        f"Stability of ranks: the best by net return in one half of the history is not above the median in the other "
        f"in {board.overfitting.probability:.0%} of the splits.",
        "",
    ]


def _list_tags(settings: Settings, board: Leaderboard, digest: str) -> dict[str, str]:
    revision = read_code_revision()
    return {
        "feature_service": board.training_set.service.name,
        "snapshot_id": board.training_set.snapshot_id,
        "training_digest": digest,
        "code_revision": revision.commit or "unknown",
        "code_dirty": "unknown" if revision.dirty is None else str(revision.dirty).lower(),
        "train_end": board.folds[-1].train_end.isoformat(),
        "universe": ",".join(settings.universe.traded),
    }


def _list_metrics(standing: Standing) -> dict[str, float | None]:
    own = {"threshold": standing.thresholds[-1].value} if standing.thresholds else {}
    return {**standing.contender.metrics, "deflated_sharpe": standing.deflated_sharpe, **standing.quality, **own}


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
