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
@click.option("--keep-open", is_flag=True, help="Keep the page open after the last hour, until Ctrl-C.")
@click.option(
    "--hour",
    type=click.FloatRange(0, 3600),
    default=0.0,
    show_default=True,
    help="Seconds that a traded hour takes at least, to watch a day pass (with --keep-open).",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page (with --keep-open).")
@reports_errors
def demo(
    market: str,
    data: Path | None,
    cycles: int,
    history: int,
    seed: int,
    home: Path | None,
    keep_open: bool,
    hour: float,
    port: int,
) -> None:
    """From market to protected order: exchange, ingestion, features, model, backtest, trading, proof of parity.

    Starts its own exchange with a stepped clock, learns from the first part of the market and trades the rest hour by
    hour through the exchange's API. Nothing leaves this machine. `--keep-open --hour 5 --cycles 24` plays a day in two
    minutes on the page, and keeps it there.
    """
    begun = time.monotonic()  # before the imports: the summary tells what the whole command took

    from pairity_cli.demo.run import Watching, run_demo
    from pairity_cli.demo.summary import show_demo

    directory = (home or Path("var") / f"demo-{market}").absolute()
    watch = Watching(hour_s=hour, port=port) if keep_open else None
    report = run_demo(market, data, seed, directory, history_days=history, cycles=cycles, watch=watch)
    show_demo(report, elapsed_s=time.monotonic() - begun)
