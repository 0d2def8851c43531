"""`pairity demo`: the whole way on one machine, against a paper exchange of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import reports_errors, run_async

if TYPE_CHECKING:
    from datetime import datetime

    from ingestion.report import IngestReport
    from pairity.settings import Settings
    from pairity_cli.commands.console import ConsoleProgress
    from pairity_cli.commands.demo_exchange import DemoExchange
    from serving.loop import ServeReport
    from training.train_report import TrainReport

_MARK = ".pairity-demo"
_HISTORY_DAYS = 30


@click.command()
@click.option("--market", type=click.Choice(["synthetic", "recorded"]), default="synthetic", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recorded Parquet (with --market recorded).")
@click.option("--cycles", type=click.IntRange(1), default=96, show_default=True, help="Hourly decisions to trade.")
@click.option("--history", type=click.IntRange(15), default=_HISTORY_DAYS, show_default=True,
              help="Days of the market to use, the traded hours included.")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the synthetic market.")
@click.option("--home", type=click.Path(path_type=Path), help="Data directory (default: var/demo-MARKET); made anew.")
@reports_errors
def demo(market: str, data: Path | None, cycles: int, history: int, seed: int, home: Path | None) -> None:
    """From market to protected order: exchange, ingestion, features, model, backtest, trading, proof of parity.

    Starts its own exchange with a stepped clock, learns from the first part of the market and trades the rest hour by
    hour through the exchange's API. Nothing leaves this machine.
    """
    from pairity_cli.commands.console import ConsoleProgress
    from pairity_cli.commands.demo_exchange import running_exchange
    from pairity_cli.commands.demo_summary import show_demo

    begun = time.monotonic()
    directory = (home or Path("var") / f"demo-{market}").absolute()
    with (
        tempfile.TemporaryDirectory() as scratch,
        ConsoleProgress() as progress,
        running_exchange(market, data, seed, Path(scratch) / "exchange.log") as exchange,
    ):
        start, trading = _span(exchange, history, cycles)
        _fresh(directory)  # only now: a mistyped option must not cost the demo before
        exchange.advance(trading)
        progress.say(f"market: {exchange.label}")
        progress.say(f"learning from {start:%Y-%m-%d %H:%M}, trading {cycles} hours from {trading:%Y-%m-%d %H:%M}")
        settings = _settings(exchange, directory)
        reports = run_async(_stages(settings, start, trading, cycles, progress))
    show_demo(settings, exchange, *reports, elapsed_s=time.monotonic() - begun)


async def _stages(
    settings: Settings, start: datetime, trading: datetime, cycles: int, progress: ConsoleProgress
) -> tuple[IngestReport, TrainReport, ServeReport, float]:
    import asyncio

    from ingestion.pipeline import ingest
    from serving.process import serve
    from training.job import train
    from venue.clock import clock_for

    clock = await clock_for(settings.exchange)
    ingested = await ingest(settings, start, trading, clock=clock, progress=progress)
    trained = await asyncio.to_thread(train, settings, progress, now=trading)
    begun = time.monotonic()
    progress.stage("open the trading process", 0)
    served = await serve(settings, live=False, cycles=cycles, progress=progress,
                         on_ready=lambda url: progress.say(f"status while trading: {url}/status"))  # fmt: skip
    return ingested, trained, served, time.monotonic() - begun


def _fresh(directory: Path) -> None:
    """An empty data directory; one that holds anything but an earlier demo is refused."""
    from pairity.errors import ConfigError

    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARK).exists():
            raise ConfigError(f"{directory} holds data that no demo made", "choose another --home")
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _MARK).touch()


def _span(exchange: DemoExchange, history_days: int, cycles: int) -> tuple[datetime, datetime]:
    """(first instant to learn from, instant at which trading starts); whole hours, inside the market."""
    from pairity.errors import TimeRangeError
    from pairity.timeline import DAY, HOUR, floor_to

    if exchange.recorded:
        end = floor_to(exchange.market_end, HOUR)
        start = max(exchange.market_start, end - history_days * DAY)
        if end - cycles * HOUR < exchange.now:
            raise TimeRangeError(
                f"{cycles} hours are more than the exchange can play: it begins at {exchange.now.isoformat()}",
                f"trade at most {(end - exchange.now) // HOUR} --cycles",
            )
    else:
        start = floor_to(exchange.now, HOUR) - history_days * DAY + cycles * HOUR
        end = start + history_days * DAY
    trading = end - cycles * HOUR
    if trading <= start:
        raise TimeRangeError(
            f"{cycles} traded hours leave nothing of {start.isoformat()} to {end.isoformat()} to learn from",
            "trade fewer --cycles, or use more --history",
        )
    return start, trading


def _settings(exchange: DemoExchange, directory: Path) -> Settings:
    """Settings of the demo: its own directory, exchange and universe; everything else as configured."""
    from pairity.configuration import load_settings
    from pairity.universe import DEFAULT_UNIVERSE, short_name

    listed = [short_name(name) for name in exchange.instruments]
    ranked = sorted(listed, key=lambda a: (DEFAULT_UNIVERSE.index(a) if a in DEFAULT_UNIVERSE else len(listed), a))
    return load_settings(
        home=directory,
        universe={"assets": tuple(ranked)},
        exchange={
            "url": exchange.url,
            "control_url": exchange.control_url,
            "api_key": "paper",
            "api_secret": "paper",
            "api_passphrase": "paper",
            "rate_limit": False,
        },
        serve={"port": 0},
    )
