"""`python -m benchmarks postgres`: what PostgreSQL keeps of an hour of trading, of a run and of the feature store.

The scene of `serve` is traded twice by the real process: with the profile `embedded`, whose databases are SQLite's
files, and with `cluster`, in a database of its own on the cluster that the environment names. Sizes are those of
`pg_total_relation_size` (rows, indices, what is stored aside), and of the files. Nothing is vacuumed or packed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.isolated_process import call_in_process
from benchmarks.peer_interpreters import REDIS, find_interpreter
from benchmarks.serving import describe_machine, make_scene
from pairity.polars_threads import ONE_THREAD

_SERVER = "PAIRITY_CLUSTER__POSTGRES"
_REDIS = "PAIRITY_CLUSTER__REDIS"
_MEASURING = "benchmarks.sizing_databases"
_HOURS_A_YEAR = 8_760
_UNITS = "Bytes are of PostgreSQL's relations with their indices, and of SQLite's files."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: hours that are traded by number of assets, and models that are registered one by one."""

    hours: Mapping[int, int]
    models: int


FULL, SMALL = Plan({10: 24, 30: 6}, 5), Plan({3: 2}, 2)


@dataclass(frozen=True, slots=True)
class Traded:
    """What one run left: bytes by table before and after it, rows by table, hours, and bytes of the log of writes."""

    assets: int
    hours: int
    before: dict[str, int]
    after: dict[str, int]
    rows: dict[str, int]
    wal: int
    models: list[int]
    """Bytes of MLflow's database after each model that was registered."""
    registry: int
    """Bytes of the feature store's registry."""

    @property
    def pairs(self) -> int:
        """Pairs of all assets."""
        return self.assets * (self.assets - 1) // 2

    @property
    def hourly(self) -> float:
        """Bytes that the journal grew by in an hour."""
        return (sum(self.after.values()) - sum(self.before.values())) / self.hours

    @property
    def per_model(self) -> float:
        """Bytes that MLflow's database grew by with each model but the first."""
        return (self.models[-1] - self.models[0]) / (len(self.models) - 1)


def measure_postgres(small: bool) -> str:
    """Measure, and return the report in Markdown; where something is missing, it says what, and nothing is measured."""
    client, plan = find_interpreter(REDIS, "the extra pairity[cluster]"), SMALL if small else FULL
    lacks = client.lacks
    if lacks is None and not {_SERVER, _REDIS} <= set(os.environ):
        lacks = f"not measured: {_SERVER} and {_REDIS} do not name a running cluster (make cluster-up)"
    if lacks is not None:
        return "\n".join([describe_machine(), "", f"PostgreSQL: {lacks}.", ""])
    files, tables = [], []
    for assets, hours in plan.hours.items():
        with _own_database(client.python) as shared:
            for variables, found in (({"PAIRITY_PROFILE": "embedded"}, files), (shared, tables)):
                print(f"{assets} assets, {variables['PAIRITY_PROFILE']} …", file=sys.stderr, flush=True)
                found.append(_trade(client.python, variables, assets, hours, plan.models))
    return "\n".join([describe_machine(), "", *report(files, tables)])


@contextmanager
def _own_database(python: str) -> Iterator[dict[str, str]]:
    """Make a database, and yield the environment of a process that keeps everything there; drop it afterwards."""
    name = call_in_process(_MEASURING, "make_database", (), python=python)
    server, redis = os.environ[_SERVER].partition("/")[0], os.environ[_REDIS].rpartition("/")[0]
    try:
        yield {"PAIRITY_PROFILE": "cluster", _SERVER: f"{server}/{name}", _REDIS: f"{redis}/15"}
    finally:
        call_in_process(_MEASURING, "drop_database", (name,), python=python)


def _trade(python: str, variables: Mapping[str, str], assets: int, hours: int, models: int) -> Traded:
    with tempfile.TemporaryDirectory() as keys, make_scene(assets) as scene:
        # As `pairity serve` does, before Polars is imported
        own = {**variables, **ONE_THREAD, "PAIRITY_SIGNING_KEY": str(Path(keys) / "keys" / "signing.key")}
        call_in_process("benchmarks.serving_scene", "prepare", (scene.to_json(),), python=python, variables=own)
        found: dict[str, Any] = call_in_process(
            _MEASURING, "trade_hours", (scene.to_json(), hours, models), python=python, variables=own
        )
    return Traded(assets=assets, hours=hours, **found)


def report(files: Sequence[Traded], tables: Sequence[Traded]) -> list[str]:
    """Return the tables: by hour, by table, of runs, and a year by its arithmetic."""
    lines = [
        f"A real trading process, two legs and three positions at once, hour by hour. {_UNITS}",
        "",
        "| assets | pairs | hours | journal, empty: SQLite | PostgreSQL | an hour: SQLite | PostgreSQL | ratio | "
        "WAL an hour |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one, other in zip(files, tables, strict=True):
        lines.append(
            f"| {one.assets} | {one.pairs:,} | {one.hours} | {sum(one.before.values()):,} | "
            f"{sum(other.before.values()):,} | {one.hourly:,.0f} | {other.hourly:,.0f} | "
            f"{other.hourly / one.hourly:.2f} | {other.wal / other.hours:,.0f} |"
        )
    lines += [
        "",
        "What an hour adds in PostgreSQL, by table, where it is more than a hundredth of all:",
        "",
        "| assets | table | rows an hour | bytes an hour | bytes a row |",
        "| ---: | --- | ---: | ---: | ---: |",
        *(line for traded in tables for line in _list_tables(traded)),
        "",
        "| kept | SQLite, bytes | PostgreSQL, bytes |",
        "| --- | ---: | ---: |",
        f"| MLflow with one registered model | {files[0].models[0]:,} | {tables[0].models[0]:,} |",
        f"| each further run with a registered model | {files[0].per_model:,.0f} | {tables[0].per_model:,.0f} |",
        *(
            f"| the feature store's registry, {one.assets} assets | {one.registry:,} | {other.registry:,} |"
            for one, other in zip(files, tables, strict=True)
        ),
        "",
        f"A year of serving is {_HOURS_A_YEAR:,} hours; of the journal alone, kept whole:",
        "",
        "| pairs | arithmetic | SQLite | PostgreSQL |",
        "| ---: | --- | ---: | ---: |",
    ]
    for one, other in zip(files, tables, strict=True):
        years = [traded.hourly * _HOURS_A_YEAR / 1e9 for traded in (one, other)]
        lines.append(
            f"| {one.pairs:,} | {_HOURS_A_YEAR:,} × {one.hourly:,.0f} and × {other.hourly:,.0f} bytes | "
            f"{years[0]:.1f} GB | {years[1]:.1f} GB |"
        )
    return [*lines, ""]


def _list_tables(traded: Traded) -> list[str]:
    grown = {name: size - traded.before.get(name, 0) for name, size in traded.after.items()}
    lines = []
    for name, size in sorted(grown.items(), key=lambda item: -item[1]):
        rows = traded.rows.get(name, 0)
        if size > 0.01 * sum(grown.values()) and rows:
            lines.append(
                f"| {traded.assets} | {name} | {rows / traded.hours:,.1f} | {size / traded.hours:,.0f} | "
                f"{size / rows:,.0f} |"
            )
    return lines
