"""`pairity report`."""

from __future__ import annotations

from pathlib import Path

import click

from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.references import RUN


@click.command()
@click.argument("run", type=RUN, metavar="RUN")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it.")
@reports_errors
def report(run: str, output: Path | None) -> None:
    """Write one HTML page about RUN (an MLflow run id, or its beginning, or latest); it loads nothing from anywhere."""
    from pairity.layout import Layout
    from training.reports.report_file import write_report

    echo(write_report(Layout.of(settings_from()), run, output))
