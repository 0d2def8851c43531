"""`pairity demo`: the whole pipeline on one machine, against a paper exchange of its own."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pairity_cli.context import reports_errors

_HISTORY_DAYS = 30


@click.command()
@click.option("--market", type=click.Choice(["synthetic", "recorded"]), default="synthetic", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recorded Parquet (with --market recorded).")
@click.option("--cycles", type=click.IntRange(1), default=96, show_default=True, help="Hourly decisions to trade.")
@click.option(
    "--history",
    type=click.IntRange(15),
    default=_HISTORY_DAYS,
    show_default=True,
    help="Days of the market to use, the traded hours included.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the synthetic market.")
@click.option("--home", type=click.Path(path_type=Path), help="Data directory (default: var/demo-MARKET); made anew.")
@reports_errors
def demo(market: str, data: Path | None, cycles: int, history: int, seed: int, home: Path | None) -> None:
    """From market to protected order: exchange, ingestion, features, model, backtest, trading, proof of parity.

    Starts its own exchange with a stepped clock, learns from the first part of the market and trades the rest hour by
    hour through the exchange's API. Nothing leaves this machine.
    """
    begun = time.monotonic()  # before the imports: the summary tells what the whole command took

    from pairity_cli.demo.run import run_demo
    from pairity_cli.demo.summary import show_demo

    directory = (home or Path("var") / f"demo-{market}").absolute()
    report = run_demo(market, data, seed, directory, history_days=history, cycles=cycles)
    show_demo(report, elapsed_s=time.monotonic() - begun)
