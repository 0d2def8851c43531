"""`pairity health`."""

from __future__ import annotations

import sys

import click

from pairity_cli.context import echo, reports_errors, settings_from

_QUESTIONS = ("alive", "trading", "fresh")


@click.command()
@click.argument("question", type=click.Choice(_QUESTIONS), default="alive")
@reports_errors
def health(question: str) -> None:
    """Ask the trading process of this machine whether it is alive, trading or fresh. Exit code 0: yes, 1: no.

    alive: its loop gives signs of life. trading: it may open positions. fresh: venue and bar are recent.
    """
    from serving.asking import ask_health

    verdict = ask_health(settings_from().serve, question)
    echo(f"{question}: {'yes' if verdict.ok else 'no'}: {verdict.why}")
    sys.exit(0 if verdict.ok else 1)
