"""What a comparison of families leaves behind as files: tables and figures of all, and a folder for each family."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from pairity.durable import replace_file_with
from pairity.layout import Layout
from pairity.settings import Settings
from training.evaluation.forecasts import by_decile, monthly_rank_correlation
from training.evaluation.metrics import calibration
from training.leaderboard import Leaderboard, Standing
from training.reports import matplotlib_figures as figures
from training.reports.run_files import importance_table


def directory(settings: Settings) -> Path:
    """Where the newest comparison's files lie."""
    return Layout.of(settings).reports / "leaderboard"


def family_directory(settings: Settings, family: str) -> Path:
    """Where the newest comparison's files about one family lie."""
    return Layout.of(settings).reports / "leaderboard-families" / family


def write(settings: Settings, board: Leaderboard) -> list[Path]:
    """Replace the directories by equity curves, trade logs, test periods, forecasts and figures; returns the files."""
    where = _emptied(directory(settings))
    _emptied(family_directory(settings, "").parent)
    files = [figures.equity(where / "equity.png", {s.family: s.contender.result for s in board.standings})]
    for standing in board.standings:
        result = standing.contender.result
        files += [_csv(where / f"equity_{standing.family}.csv", result.equity),
                  _csv(where / f"trades_{standing.family}.csv", result.trades)]  # fmt: skip
        files += write_family(settings, board, standing)
    files += [_csv(where / "folds.csv", fold_table(board)),
              _csv(where / "ic_by_month.csv", _of_all(board, monthly_rank_correlation)),
              _csv(where / "deciles.csv", _of_all(board, by_decile))]  # fmt: skip
    told = sorted((s for s in board.standings if s.importances), key=lambda s: s.family != "pair_forest")
    if told:  # the reference's, where it is among them
        files.append(_csv(where / "feature_importance.csv", importance_table(told[0].importances)))
    return files


def write_family(settings: Settings, board: Leaderboard, standing: Standing) -> list[Path]:
    """Trade log, equity and figures of one family."""
    where = _emptied(family_directory(settings, standing.family))
    result = standing.contender.result
    coin = next(s for s in board.standings if s.contender.key == "btc")
    files = [
        _csv(where / "trades.csv", result.trades), _csv(where / "equity.csv", result.equity),
        figures.equity(where / "equity.png", {standing.family: result, coin.told: coin.contender.result}),
        figures.exposure(where / "exposure.png", result.equity),
    ]  # fmt: skip
    if result.trades.height and not result.trades["pair_id"][0].endswith("__USDT"):
        files.append(figures.traded_pair(where / "most_traded_pair.png", result.trades, board.bars))
    if standing.importances:
        files.append(figures.importance(where / "feature_importance.png", standing.importances))
    if standing.scored.height:
        scored = standing.scored
        files += [figures.monthly(where / "ic_by_month.png", monthly_rank_correlation(scored)),
                  figures.deciles(where / "deciles.png", by_decile(scored))]  # fmt: skip
        if "candidates_rows" in standing.quality:
            table = calibration(scored["label"].cast(pl.Int64).to_numpy(), scored["score"].to_numpy())
            files.append(figures.calibration(where / "calibration.png", table))
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


def _of_all(board: Leaderboard, measure: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """`measure` of every set of scores, the family's name in front; what trades two legs has the scores of one."""
    tables = [
        measure(standing.scored).select(pl.lit(standing.family).alias("family"), pl.all())
        for standing in board.standings
        if standing.scored.height and not standing.family.endswith("_two_legs")
    ]
    return pl.concat(tables) if tables else pl.DataFrame()


def _emptied(where: Path) -> Path:
    if where.exists():
        shutil.rmtree(where)
    where.mkdir(parents=True)
    return where


def _csv(path: Path, table: pl.DataFrame) -> Path:
    replace_file_with(path, table.write_csv)
    return path
