"""A leaderboard as it is shown: made of a comparison once, kept, and shown again without computing anything."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pairity.bounded_files import read_json_file
from pairity.durable import replace_file
from pairity.errors import LakeCorruptError, MissingDataError
from pairity.layout import Layout
from pairity.measures import explain_span, format_measure
from pairity.number_formats import Figure, format_count, format_fixed
from pairity_cli.tables import print_heading, print_line, print_table

if TYPE_CHECKING:
    from training.evaluation.superiority import Superiority
    from training.leaderboard import Leaderboard

_COLUMNS = (
    ("net", "net_return"),
    ("gross", "gross_return"),
    ("Sharpe", "sharpe"),
    ("max drawdown", "max_drawdown"),
    ("trades", "trades"),
    ("win rate", "win_rate"),
    ("Sharpe, 95% from", "sharpe_low"),
    ("to", "sharpe_high"),
    ("of log returns", "sharpe_geometric"),
    ("turnover", "turnover"),
    ("break-even bps", "break_even_cost_bps"),
)
_QUALITY = (
    ("AUC, candidates", "candidates_roc_auc"),
    ("AUC, 95% from", "candidates_roc_auc_low"),
    ("AUC, to", "candidates_roc_auc_high"),
    ("rank IC", "forecast_rank_ic"),
    ("t by hour", "forecast_rank_ic_by_hour_t"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardPage:
    """What is shown of a comparison; a row is the family, then text and number of each column."""

    made_at: str
    run_id: str
    span: str
    columns: list[str]
    rows: list[tuple[str, list[tuple[str, float | None]]]]
    lines: list[str]


def make_page(board: Leaderboard, run_id: str, made_at: datetime) -> LeaderboardPage:
    """Return the page of a comparison that the run `run_id` holds."""
    from training.evaluation.verdicts import state_findings
    from training.reports.leaderboard_runs import judge_standings

    first, last = board.folds[0].blocks[0].first, board.folds[-1].blocks[0].last
    rows: list[tuple[str, list[tuple[str, float | None]]]] = []
    for standing in board.standings:
        figures = [
            *(format_measure(key, standing.contender.metrics, last - first) for _, key in _COLUMNS),
            format_fixed(standing.deflated_sharpe),
            *(format_fixed(standing.quality.get(key), 3) for _, key in _QUALITY),
            format_fixed(standing.thresholds[-1].value if standing.thresholds else None, 4),
        ]
        rows.append((standing.family, [(str(figure), _number(figure)) for figure in figures]))
    above = [s.family for s in board.standings if (s.quality.get("sharpe_over_btc_low") or 0.0) > 0]
    lines = [f"Sharpe ratio above that of holding the coin, with 95% confidence: {', '.join(above) or 'none'}"]
    lines += state_findings(judge_standings(board))
    if board.overfitting is not None:
        chance, splits = board.overfitting.probability, board.overfitting.splits
        lines.append(
            f"stability of ranks: the best by net return in one half of the history is not above the median in the "
            f"other in {chance:.0%} of {splits:,} splits (probability of backtest overfitting; says nothing of earning)"
        )
    lines += _say_closed(board)
    lines += [f"deflated by {board.trials}, all that were ever made", _say_superiority(board.superiority)]
    too_short = explain_span(last - first)
    lines += [f"note: {note}" for note in (*([] if too_short is None else [too_short]), *board.notes)]
    return LeaderboardPage(
        made_at=f"{made_at:%Y-%m-%d %H:%M}",
        run_id=run_id,
        span=f"{format_count(len(board.folds), 'test period')}, {first:%Y-%m-%d} to {last:%Y-%m-%d}, each scored "
        "by models trained before it",
        columns=[title for title, _ in _COLUMNS]
        + ["deflated Sharpe"]
        + [title for title, _ in _QUALITY]
        + ["own threshold"],
        rows=rows,
        lines=lines,
    )


def show_page(page: LeaderboardPage) -> None:
    """Print a page."""
    print_heading(f"Leaderboard of {page.made_at} UTC")
    print_line(page.span)
    rows = [(family, *(Figure(text, number) for text, number in cells)) for family, cells in page.rows]
    print_table(("family", *page.columns), rows)
    for line in page.lines:
        print_line(line)


def keep_page(layout: Layout, page: LeaderboardPage) -> None:
    """Keep a page as the last one."""
    replace_file(_locate(layout), json.dumps(asdict(page), ensure_ascii=False).encode())


def read_last_page(layout: Layout) -> LeaderboardPage:
    """Return the page that was kept last; MissingDataError where there is none, LakeCorruptError for a damaged one."""
    path = _locate(layout)
    if not path.is_file():
        raise MissingDataError(f"no leaderboard is stored in {layout.root}", "make one with: pairity leaderboard")
    try:
        page = LeaderboardPage(**read_json_file(path))
        rows = [
            (str(family), [(str(text), None if number is None else float(number)) for text, number in cells])
            for family, cells in page.rows
        ]
        if not isinstance(page.rows, list) or any(len(cells) != len(page.columns) for _, cells in rows):
            raise ValueError("a row has other columns")
        texts = {name: str(getattr(page, name)) for name in ("made_at", "run_id", "span")}
        return LeaderboardPage(**texts, columns=[*map(str, page.columns)], rows=rows, lines=[*map(str, page.lines)])
    except (TypeError, ValueError) as error:
        raise LakeCorruptError(f"{path} holds no leaderboard: {error}", "make a new one: pairity leaderboard") from None


def _say_closed(board: Leaderboard) -> list[str]:
    """Say of which families a model traded nothing by its own threshold, in how many test periods, and why."""
    from training.evaluation.cost_threshold import CLOSED

    lines = []
    for standing in board.standings:
        closed = [one for one in standing.thresholds if one.value >= CLOSED]
        if closed:
            why = f": {closed[-1].note}" if closed[-1].note else ""
            periods = f"{len(closed)} of {format_count(len(standing.thresholds), 'test period')}"
            lines.append(f"{standing.family} TRADES NOTHING in {periods}, by its own threshold{why}")
    return lines


def _say_superiority(found: Superiority | None) -> str:
    if found is None:
        return "superior predictive ability: not known, the hours are too few"
    verdict = (
        "at least one earns more than nothing" if found.best <= 0.05 else "none is shown to earn more than nothing"
    )
    return f"superior predictive ability (Hansen) of {found.trials} trials: p = {found.best:.3f}, {verdict}"


def _number(figure: Figure) -> float | None:
    return None if figure.number is None else float(figure.number)


def _locate(layout: Layout) -> Path:
    return layout.reports / "last-leaderboard.json"
