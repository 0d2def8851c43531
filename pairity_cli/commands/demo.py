"""`pairity demo`: the whole pipeline on one machine, against a paper exchange of its own."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pairity_cli.context import reports_errors
from pairity_cli.table_output import prints_tables

_HISTORY_DAYS = 30
_CYCLES, _DAY, _SPEED = 96, 24, 120
_FASTEST = 240
"""An hour takes 15 s: a busy machine still decides before the features that it read are too old for the bar."""


@click.command()
@click.option("--market", type=click.Choice(["synthetic", "recorded"]), default="synthetic", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recorded Parquet (with --market recorded).")
@click.option(
    "--cycles", type=click.IntRange(1), help=f"Hourly decisions to trade (default: {_CYCLES}; with --watch {_DAY})."
)
@click.option(
    "--history",
    type=click.IntRange(1),
    default=_HISTORY_DAYS,
    show_default=True,
    help="Days of the market to use, the traded hours included.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the synthetic market.")
@click.option("--home", type=click.Path(path_type=Path), help="Data directory (default: var/demo-MARKET); made anew.")
@click.option("--watch", is_flag=True, help="Trade on a clock that runs, to watch the status page meanwhile.")
@click.option(
    "--speed",
    type=click.IntRange(1, _FASTEST),
    default=_SPEED,
    show_default=True,
    help="With --watch: how many times faster than real time; an hour takes 3600/SPEED seconds.",
)
@click.option("--keep-open", is_flag=True, help="Leave the status page open after the last decision, until Ctrl-C.")
@reports_errors
@prints_tables()
def demo(
    market: str,
    data: Path | None,
    cycles: int | None,
    history: int,
    seed: int,
    home: Path | None,
    watch: bool,
    speed: int,
    keep_open: bool,
) -> None:
    """From market to protected order: exchange, ingestion, features, model, backtest, trading, proof of parity.

    Starts its own exchange with a stepped clock, learns from the first part of the market and trades the rest hour by
    hour through the exchange's API; with --watch, a day of it at speed. Nothing leaves this machine.
    """
    begun = time.monotonic()  # before the imports: the summary tells what the whole command took

    from pairity_cli.demo.run import DemoPlan, run_demo
    from pairity_cli.demo.summary import show_demo

    _check_folder(market, data)
    plan = DemoPlan(
        market=market,
        data=data,
        seed=seed,
        home=(home or Path("var") / f"demo-{market}").absolute(),
        history_days=history,
        cycles=cycles or (_DAY if watch else _CYCLES),
        speed=speed if watch else None,
        keep_open=keep_open,
    )
    run_demo(plan, lambda report: show_demo(report, elapsed_s=time.monotonic() - begun))


def _check_folder(market: str, data: Path | None) -> None:
    """Raise ConfigError where the folder does not go with the market, before an exchange is started for it."""
    from pairity.errors import ConfigError

    if market == "synthetic":
        if data is not None:
            raise ConfigError("a synthetic market reads no folder", "leave --data out, or choose --market recorded")
    elif data is None or not data.is_dir():
        what = "a recorded market needs a folder" if data is None else f"no folder {str(data)!r}"
        raise ConfigError(what, "give --data a folder of recorded Parquet files (docs/guide.md)")
