"""`pairity parity`."""

from __future__ import annotations

import sys

import click

from pairity_cli.context import echo, reports_errors, settings_from

_SHOWN_MISMATCHES = 20


@click.command()
@reports_errors
def parity() -> None:
    """Read every feature that was decided on again from the offline store, as known at that instant; compare bits."""
    from serving.parity import check_parity

    report = check_parity(settings_from())
    echo(report.summary)
    for where, mismatch in report.mismatches[:_SHOWN_MISMATCHES]:
        echo(f"  {where} {mismatch.column}: online {mismatch.online!r}, offline {mismatch.offline!r}")
    sys.exit(1 if report.mismatches else 0)
