"""`pairity data-docs`."""

from __future__ import annotations

import click

from pairity.commands.context import reports_errors, settings_from


@click.command("data-docs")
@reports_errors
def data_docs() -> None:
    """Build Great Expectations' Data Docs of the newest validations and say where they are."""
    from validation.checkpoint import build_docs

    click.echo(f"Data Docs: {build_docs(settings_from())}")
