"""`pairity halt` and `pairity resume`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from pairity_cli.context import reports_errors, settings_from
from pairity_cli.parameters import Note


@click.command()
@click.option("--flatten", is_flag=True, help="Close all positions of this process at market, too.")
@click.option("--reason", type=Note(), default=None, help="Why, for the journal.")
@reports_errors
def halt(flatten: bool, reason: str | None) -> None:
    """Let the trading process open and close nothing until pairity resume. Stops stay on the venue.

    It is taken up at the process's next look at the venue; where it does not run, at its next start. A halt survives
    restarts.
    """
    from pairity.layout import Layout
    from serving.requests import Request, Wish, write_request

    wish = Wish.FLATTEN if flatten else Wish.HALT
    write_request(Layout.of(settings_from()), Request(wish, datetime.now(UTC), reason or ""))
    click.echo(f"{wish} is asked for: the trading process takes it up at its next look, or when it starts")


@click.command()
@click.option("--reason", type=Note(), default=None, help="Why, for the journal.")
@reports_errors
def resume(reason: str | None) -> None:
    """Lift a halt. What the process guards for (a venue that does not answer, data that fail) keeps it guarding."""
    from pairity.layout import Layout
    from serving.requests import Request, Wish, write_request

    write_request(Layout.of(settings_from()), Request(Wish.RESUME, datetime.now(UTC), reason or ""))
    click.echo("resume is asked for: the trading process takes it up at its next look, or when it starts")
