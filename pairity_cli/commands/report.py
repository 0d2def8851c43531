"""`pairity report`."""

from __future__ import annotations

from pathlib import Path

import click

from pairity_cli.commands.context import reports_errors, settings_from


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it.")
@reports_errors
def report(run: str, output: Path | None) -> None:
    """Write one HTML page about RUN (an MLflow run id, or its beginning); it loads nothing from anywhere."""
    from pairity.durable import replace_file
    from pairity.layout import Layout
    from training.reports.contents import read_run
    from training.reports.page import page

    layout = Layout.of(settings_from())
    contents = read_run(layout, run)
    path = output or layout.reports / f"{contents.name}-{contents.run_id[:12]}.html"
    replace_file(path, page(contents).encode())
    click.echo(path)
