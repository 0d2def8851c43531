"""`pairity data-docs`."""

from __future__ import annotations

import click

from pairity_cli.context import echo, reports_errors, require_data, settings_from


@click.command("data-docs")
@reports_errors
def data_docs() -> None:
    """Build the overview of what was judged, and Great Expectations' pages of the newest validations; say where."""
    from validation.data_docs import build_docs

    echo(f"Data Docs: {build_docs(require_data(settings_from()))}")
