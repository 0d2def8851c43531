"""`pairity drift`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.references import MODEL_VERSION, find_version_number
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from polars import DataFrame

    from model_registry.records import ModelRef
    from pairity.settings import Settings
    from pairity_cli.tables import Cell
    from training.evaluation.drift_reference import DriftReference

_SHOWN = 30


@click.command()
@click.option("--version", type=MODEL_VERSION, help="Version whose reference is compared with (default: champion).")
@click.option(
    "--until",
    metavar="INSTANT",
    default="now",
    show_default=True,
    help="End of the month that is compared: ISO time in UTC, or an age such as 7d.",
)
@click.option("--all", "everything", is_flag=True, help="Every series, not only the furthest ones.")
@click.option("--figure", type=click.Path(path_type=Path, dir_okay=False), help="Draw it, too, as PNG into this file.")
@reports_errors
@prints_tables()
def drift(version: str | None, until: str, everything: bool, figure: Path | None) -> None:
    """Compare the last month of what was decided on with what the model was trained on.

    Each feature and the scores, pooled and per pair: the population stability index against the distribution that was
    frozen with the model, beside its limit. Limits come from how far the months of the training lie from each other.
    """
    from datetime import UTC, datetime, timedelta

    from pairity.layout import Layout
    from pairity.timeline import HOUR, parse_instant
    from serving.decided_values import read_decided_features, read_decided_scores
    from serving.explanation import read_decision_at
    from training.evaluation.drift import SCORE
    from training.evaluation.drift_reference import MONTH_H, tabulate_reference_drift
    from training.reports.drift_files import read_reference

    settings = settings_from()
    end = parse_instant(until, now=datetime.now(UTC), name="--until")
    model = _find_model(settings, version)
    layout = Layout.of(settings)
    reference = read_reference(layout, model)
    newest = read_decision_at(settings, end).event_timestamp
    since, before = newest - (MONTH_H - 1) * HOUR, newest + timedelta(microseconds=1)
    table = tabulate_reference_drift(
        reference,
        read_decided_features(layout, model.service, since, before),
        read_decided_scores(layout, (model.name, model.version), since, before, name=SCORE, least_z=reference.least_z),
    )
    _show(table, reference, model, everything=everything)
    if figure is not None:
        from training.reports.matplotlib_figures import draw_drift

        echo(f"drawn: {draw_drift(figure, table)}")


def _find_model(settings: Settings, version: str | None) -> ModelRef:
    from model_registry.registry import find_champion, find_version

    if version is None:
        return find_champion(settings)
    return find_version(settings, find_version_number(settings, version))


def _show(table: DataFrame, reference: DriftReference, model: ModelRef, *, everything: bool) -> None:
    from pairity_cli.tables import print_heading, print_line, print_table

    print_heading(f"Drift from the training of {model.name} version {model.version}")
    shown = table if everything else table.head(_SHOWN)
    columns = ("feature", "pair", "rows", "hours", "psi", "limit", "beyond")
    print_table(columns, [_make_row(row) for row in shown.iter_rows(named=True)])
    if shown.height < table.height:
        print_line(f"and {table.height - shown.height:,} series nearer to the training (--all)")
    for line in _summarise(table, reference):
        print_line(line)


def _make_row(row: dict[str, Any]) -> tuple[Cell, ...]:
    from pairity.number_formats import format_fixed

    beyond = {True: "BEYOND", False: "within", None: "not judged"}[row["beyond"]]
    pair = row["pair"] or "all pairs"
    return (
        row["feature"],
        pair,
        row["rows"],
        row["hours"],
        format_fixed(row["psi"], 3),
        format_fixed(row["limit"], 3),
        beyond,
    )


def _summarise(table: DataFrame, reference: DriftReference) -> list[str]:
    import polars as pl

    from pairity.number_formats import format_count
    from training.evaluation.drift_reference import MONTH_H

    lines = []
    pooled = pl.col("pair").is_null()
    for name, rows, alarms in (
        ("pooled", table.filter(pooled), reference.pooled),
        ("per pair", table.filter(~pooled), reference.per_pair),
    ):
        if not rows.height:
            continue
        beyond, judged = int(rows["beyond"].sum() or 0), int(rows["beyond"].is_not_null().sum())
        said = f"{name}: {beyond} of {format_count(judged, 'judged series', 'judged series')} beyond the limit"
        if alarms.alarms is None or alarms.months is None:
            lines.append(f"{said}; no limits: the training had {reference.months} whole months of {MONTH_H} hours")
            continue
        lines.append(
            f"{said}; by chance {alarms.alarms:.1f} a year, in {alarms.months:.1f} months of a year (measured on "
            f"{reference.months} months of the training, each held out once)"
        )
    hours = max(table["hours"].to_list(), default=0)
    if hours < MONTH_H:
        lines.append(f"{hours} of {MONTH_H} hours were decided on: limits hold from nine tenths of a month on")
    return lines
