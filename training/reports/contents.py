"""Contents of a run in the tracking store, read back for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from model_registry.connection import open_client, store_errors
from model_registry.records import ModelRef, Verdict
from model_registry.stored_folder import read_folder
from pairity.errors import RegistryError
from pairity.layout import Layout
from pairity.names import RUN_ID
from training.backtest.records import EQUITY_SCHEMA, TRADE_SCHEMA
from training.reports.run_lookup import find_known_run, list_families

if TYPE_CHECKING:
    from mlflow.entities import Run

_UTC = pl.Datetime("us", "UTC")
_TABLE, _TABLE_MAX_BYTES = ".csv", 256 << 20
_RESTORE = "restore the data directory from a copy, or choose another run"
_RUINED = 1e-9
_MODEL = "model_"
_TIMES = ("time", "decided_at", "opened_at", "closed_at")


@dataclass(frozen=True, slots=True)
class ContenderLine:
    """One contender of a run: its metrics, hourly equity and trade log."""

    key: str
    name: str
    metrics: Mapping[str, float]
    equity: pl.DataFrame
    trades: pl.DataFrame

    @property
    def label(self) -> str:
        """Name in figures: families go by the names that they have everywhere, which the page explains."""
        return self.name if self.key in {"model", "baseline", "btc"} else self.key

    @property
    def initial_equity(self) -> float:
        """Equity of the account at the start, in USDT.

        After a ruin the end says nothing of the start: what was traded and how often the capital was turned over does.
        """
        kept = 1.0 + self.metrics["net_return"]
        if kept > _RUINED:
            return self.metrics["final_equity_usdt"] / kept
        turnover = self.metrics.get("turnover", 0.0)
        if turnover > 0.0:
            return float(self.trades["traded_notional"].sum()) / turnover
        return float(self.equity["equity"][0])


@dataclass(frozen=True, slots=True)
class RunContents:
    """One run: its contenders, best net return first, and where they come from."""

    run_id: str
    name: str
    started: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    lines: tuple[ContenderLine, ...]
    tables: Mapping[str, pl.DataFrame]
    """Other CSV files of the run, by name without suffix: importances, calibration, drift, …"""
    gate: Verdict | None = None
    """What the gate said of the version that the run registered; None where it was not asked."""
    version: str | None = None
    """Number of that version; None where the run registered none."""


def read_run(layout: Layout, run_id: str) -> RunContents:
    """Read the run with that id, or with an id that begins so.

    `latest` is the newest. Raises what `find_known_run` raises, and RegistryError where the run has no backtest.
    """
    run = find_known_run(layout, run_id).record
    found = _read_tables(layout, run.info.run_id)
    keys = [name.removeprefix("equity_") for name in found if name.startswith("equity_")]
    if not keys:
        raise RegistryError(
            f"run {run.info.run_id} holds no backtest", "choose a run of `pairity train` or `leaderboard`"
        )
    measured = _collect_metrics(layout, run)
    lines = [_read_line(found, key, run.data.params, measured) for key in keys]
    tables = {name: table for name, table in found.items() if not name.startswith(("equity_", "trades_"))}
    version = _find_version(layout, run.info.run_id)
    best_first = sorted(lines, key=lambda line: -line.metrics.get("net_return", 0.0))
    return RunContents(
        run_id=run.info.run_id,
        name=run.data.tags.get("mlflow.runName", run.info.run_id),
        started=_format_start(run.info.start_time),
        tags=run.data.tags,
        params=run.data.params,
        metrics=run.data.metrics,
        lines=tuple(best_first),
        tables=tables,
        gate=None if version is None else version.verdict,
        version=None if version is None else version.version,
    )


def _find_version(layout: Layout, run_id: str) -> ModelRef | None:
    """Return the version that the run registered; None where it registered none."""
    client = open_client(layout)
    with store_errors(layout):
        found = client.search_model_versions(f"run_id = '{RUN_ID.check(run_id, 'run id', RegistryError)}'")
    return ModelRef.from_mlflow(found[0]) if found else None


def _read_tables(layout: Layout, run_id: str) -> dict[str, pl.DataFrame]:
    """Return the CSV files of a run by name without suffix; nothing else of it is read, and nothing elsewhere."""
    try:
        files = read_folder(
            layout, (run_id, "artifacts"), lambda name: _TABLE_MAX_BYTES if name.endswith(_TABLE) else None
        )
    except FileNotFoundError:
        return {}
    try:
        return {
            name.removesuffix(_TABLE): pl.read_csv(content, infer_schema_length=None) for name, content in files.items()
        }
    except pl.exceptions.PolarsError as error:
        raise RegistryError(f"a table of run {run_id} cannot be read: {error}", _RESTORE) from error


def _collect_metrics(layout: Layout, run: Run) -> dict[str, float]:
    """Return the metrics of all contenders as `<contender>_<name>`.

    Those of a comparison's families are in the families' own runs, as `model_<name>`; runs of earlier releases have
    them themselves.
    """
    metrics = dict(run.data.metrics)
    for family, below in list_families(layout, run).items():
        own = below.data.metrics.items()
        metrics |= {f"{family}_{name.removeprefix(_MODEL)}": v for name, v in own if name.startswith(_MODEL)}
    return metrics


def _read_line(
    tables: Mapping[str, pl.DataFrame], key: str, params: Mapping[str, str], metrics: Mapping[str, float]
) -> ContenderLine:
    own = {name.removeprefix(f"{key}_"): value for name, value in metrics.items() if name.startswith(f"{key}_")}
    if not {"net_return", "final_equity_usdt"} <= own.keys():
        raise RegistryError(f"the run does not say what {key} returned", _RESTORE)
    if f"trades_{key}" not in tables:
        raise RegistryError(f"the run has no trades_{key}{_TABLE}", _RESTORE)
    try:
        equity = _read_typed(tables[f"equity_{key}"], EQUITY_SCHEMA)
        trades = _read_typed(tables[f"trades_{key}"], TRADE_SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise RegistryError(f"equity or trades of {key} of the run cannot be read: {error}", _RESTORE) from error
    return ContenderLine(key, params.get(f"contender.{key}", key), own, equity, trades)


def _read_typed(table: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return the table with the types of `schema`: a file without rows has none, and whole numbers read as integers."""
    times = [
        pl.col(name).cast(pl.String).str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        for name in _TIMES
        if name in table.columns
    ]
    others = [pl.col(name).cast(kind) for name, kind in schema.items() if name in table.columns and name not in _TIMES]
    return table.with_columns(*times, *others)


def _format_start(milliseconds: int | None) -> str:
    from pairity.timeline import from_ms

    return "" if milliseconds is None else f"{from_ms(milliseconds):%Y-%m-%d %H:%M} UTC"
