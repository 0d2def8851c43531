"""Files of a comparison of families: tables and figures of all families, and a folder for each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from pairity.csv_files import escape_formulas
from pairity.durable import make_folder, replace_file_with
from pairity.layout import Layout
from pairity.settings import Settings
from training.evaluation.forecasts import average_by_decile, correlate_ranks_by_month
from training.evaluation.metrics import tabulate_calibration
from training.leaderboard import Leaderboard, Standing
from training.reports import matplotlib_figures as figures
from training.reports.run_files import tabulate_importances
from training.reports.score_files import write_scores


def locate_directory(settings: Settings) -> Path:
    """Return the directory of the newest comparison's files."""
    return Layout.of(settings).reports / "leaderboard"


def locate_family_directory(settings: Settings, family: str) -> Path:
    """Return the directory of the newest comparison's files about one family."""
    return _locate_families(settings) / family


def _locate_families(settings: Settings) -> Path:
    return Layout.of(settings).reports / "leaderboard-families"


def write_leaderboard(settings: Settings, board: Leaderboard) -> list[Path]:
    """Replace the directories' contents by equity curves, trade logs, test periods, forecasts and figures.

    Returns the paths of all files.
    """
    where = _make_empty(locate_directory(settings))
    _make_empty(_locate_families(settings))
    files = [figures.draw_equity(where / "equity.png", {s.family: s.contender.result for s in board.standings})]
    for standing in board.standings:
        result = standing.contender.result
        files += [
            _write_csv(where / f"equity_{standing.family}.csv", result.equity),
            _write_csv(where / f"trades_{standing.family}.csv", result.trades),
        ]
        files += write_family(settings, board, standing)
    files += [
        _write_csv(where / "folds.csv", tabulate_folds(board)),
        _write_csv(where / "ic_by_month.csv", _measure_all(board, correlate_ranks_by_month)),
        _write_csv(where / "deciles.csv", _measure_all(board, average_by_decile)),
    ]
    explained = sorted((s for s in board.standings if s.importances), key=lambda s: s.family != "pair_forest")
    if explained:  # the reference's, where it is among them
        files.append(_write_csv(where / "feature_importance.csv", tabulate_importances(explained[0].importances)))
    return files


def write_family(settings: Settings, board: Leaderboard, standing: Standing) -> list[Path]:
    """Write trade log, equity and figures of one family; return their paths."""
    where = _make_empty(locate_family_directory(settings, standing.family))
    result = standing.contender.result
    coin = next(s for s in board.standings if s.contender.key == "btc")
    files = [
        _write_csv(where / "trades.csv", result.trades),
        _write_csv(where / "equity.csv", result.equity),
        figures.draw_equity(where / "equity.png", {standing.family: result, coin.description: coin.contender.result}),
        figures.draw_exposure(where / "exposure.png", result.equity),
    ]
    if standing.decided.height:
        files.append(write_scores(where, standing.decided))
    if result.trades.height and _is_pair_id(result.trades["pair_id"][0]):
        files.append(figures.draw_traded_pair(where / "most_traded_pair.png", result.trades, board.bars))
    if standing.importances:
        files.append(figures.draw_importance(where / "feature_importance.png", standing.importances))
    if standing.scored.height:
        scored = standing.scored
        files += [
            figures.draw_monthly_ic(where / "ic_by_month.png", correlate_ranks_by_month(scored)),
            figures.draw_deciles(where / "deciles.png", average_by_decile(scored)),
        ]
        if "candidates_rows" in standing.quality:
            table = tabulate_calibration(scored["label"].cast(pl.Int64).to_numpy(), scored["score"].to_numpy())
            files.append(figures.draw_calibration(where / "calibration.png", table))
    return files


def tabulate_folds(board: Leaderboard) -> pl.DataFrame:
    """Return fold (first day of the test period), family, net_return, trades: one row per family and fold."""
    rows = [
        (f"{fold.blocks[0].first:%Y-%m-%d}", standing.family, values["net_return"], values["trades"])
        for standing in board.standings
        for fold, values in zip(board.folds, standing.folds, strict=True)
    ]
    schema = {"fold": pl.String, "family": pl.String, "net_return": pl.Float64, "trades": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _measure_all(board: Leaderboard, measure: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """Measure every set of scores, with the family's name in front; two-legged lines share the scores of one leg."""
    tables = [
        measure(standing.scored).select(pl.lit(standing.family).alias("family"), pl.all())
        for standing in board.standings
        if standing.scored.height and not standing.family.endswith("_two_legs")
    ]
    return pl.concat(tables) if tables else pl.DataFrame()


def _make_empty(where: Path) -> Path:
    if where.exists():
        shutil.rmtree(where)
    make_folder(where)
    return where


def _write_csv(path: Path, table: pl.DataFrame) -> Path:
    replace_file_with(path, escape_formulas(table).write_csv)
    return path


def _is_pair_id(pair_id: str) -> bool:
    """Return whether a trade log names a pair, and not one asset: those of books are names alone."""
    return "__" in pair_id and not pair_id.endswith("__USDT")
