"""A comparison of families in MLflow: a parent run, a child run per family and, below that, a run per fold."""

from __future__ import annotations

from feature_repo.catalog import PAIR_HOURLY
from pairity.books.families import BOOK_FAMILIES
from pairity.code_revision import read_code_revision
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from training import tracking
from training.data.training_sets import digest_training_rows
from training.evaluation.line_statistics import list_statistics
from training.evaluation.verdicts import Finding, describe_findings, judge_sharpe
from training.leaderboard import TWO_LEGS, Leaderboard, Standing
from training.reports.leaderboard_files import locate_directory, locate_family_directory
from training.reports.run_curves import draw_curves
from training.reports.run_files import list_setting_params
from training.reports.run_names import SUBJECT_TAG, name_run
from training.run_records import DatasetSource, FamilyRun


def record_leaderboard(settings: Settings, board: Leaderboard) -> str:
    """Log the files of `leaderboard_files.write_leaderboard` and all measures; return the parent run's id."""
    layout = Layout.of(settings)
    digest = digest_training_rows(board.training_set.labelled(settings.label))
    tags = _list_tags(settings, board, digest)
    params = list_setting_params(settings) | {
        "folds": len(board.folds),
        "test_start": board.folds[0].blocks[0].first,
    }
    names = {f"contender.{s.family}": s.description for s in board.standings}
    source = DatasetSource(
        PAIR_HOURLY.name, digest, str(layout.features / PAIR_HOURLY.name), board.training_set.rows.height
    )
    times = board.standings[0].contender.result.equity["time"]
    name = name_run(layout, tracking.LEADERBOARD, "leaderboard", (times[0], times[-1]), params)
    parent = FamilyRun(
        name=str(name),
        params=params | names | {"best": _find_best(board).family},
        metrics=summarise_metrics(board),
        tags=tags | {SUBJECT_TAG: name.subject},
        note=summarise_leaderboard(board),
        artifacts=locate_directory(settings),
        dataset=source,
    )
    statistics = list_statistics([standing.contender for standing in board.standings])
    starts = [fold.blocks[0].first for fold in board.folds]
    children = [
        FamilyRun(
            name=f"{standing.family} {name.days}{name.ending}",
            # The rest is the same for all of them, and stands in the parent: here is what a comparison should show
            params={"family": standing.family, "legs": _describe_legs(standing), **name.changes},
            metrics={
                f"model_{key}": value
                for key, value in (statistics[standing.contender.key] | _list_metrics(standing)).items()
            },
            tags=tags | {SUBJECT_TAG: standing.family},
            note=standing.description,
            folds=[{f"fold_{key}": value for key, value in fold.items()} for fold in standing.folds],
            fold_names=[
                f"{standing.family} fold {number} of {len(starts)} from {start:%Y-%m-%d}{name.ending}"
                for number, start in enumerate(starts, 1)
            ],
            artifacts=locate_family_directory(settings, standing.family),
            dataset=source,
            curves=draw_curves(standing.contender.result),
        )
        for standing in board.standings
    ]
    return tracking.log_family_runs(layout, parent, children)


def summarise_metrics(board: Leaderboard) -> dict[str, float | None]:
    """Return what a comparison says as a whole: lines above zero by their interval, trials, trust in the best.

    What each family did is in the family's own run.
    """
    best = _find_best(board)
    above = sum(finding is Finding.ABOVE for finding in judge_standings(board).values())
    summary = {
        "lines": float(len(board.standings)),
        "lines_above_zero": float(above),
        "trials": float(board.trials.trials),
        "effective_trials": board.trials.effective,
        "best_net_return": best.contender.metrics["net_return"],
        "best_sharpe": best.contender.metrics["sharpe"],
        "best_deflated_sharpe": best.deflated_sharpe,
    }
    if board.overfitting is not None:
        summary["probability_of_overfitting"] = board.overfitting.probability
    if board.superiority is not None:
        summary["superior_p"] = board.superiority.best
    return summary


def summarise_leaderboard(board: Leaderboard) -> str:
    """Return Markdown that says which families' Sharpe ratios are above zero after costs, and which nobody can tell."""
    lines = [
        "The 95% interval of the Sharpe ratio after costs says:",
        "",
        *(f"- {line}" for line in describe_findings(judge_standings(board))),
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


def _find_best(board: Leaderboard) -> Standing:
    """Return the line with the best net return, books that are there for comparison alone left aside."""
    return next(
        (one for one in board.standings if (book := BOOK_FAMILIES.get(one.family)) is None or book.is_choice),
        board.standings[0],
    )


def judge_standings(board: Leaderboard) -> dict[str, Finding]:
    """Return what the interval of each family's Sharpe ratio says; not of holding a coin."""
    own = [standing for standing in board.standings if standing.contender.key != "btc"]
    hours = max((standing.contender.result.equity.height for standing in own), default=0)
    return {s.family: judge_sharpe(s.contender.metrics, hours * HOUR) for s in own}


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


def _describe_legs(standing: Standing) -> str:
    if standing.family in BOOK_FAMILIES:
        return "many names, netted"
    if "candidates_rows" not in standing.quality:
        return "single assets"
    return "both" if standing.family.endswith(TWO_LEGS) else "base"


def _format_number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
