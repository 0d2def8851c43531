"""Run of the demo: exchange, ingestion, training, trading, summary.

It stands with the command line because nothing below the command line may start a paper exchange.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingestion.pipeline import ingest
from ingestion.report import IngestReport
from pairity.configuration import load_settings
from pairity.durable import replace_file
from pairity.errors import ConfigError, TimeRangeError
from pairity.private_home import secure_home
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, floor_to
from pairity.universe import DEFAULT_UNIVERSE, short_name
from pairity_cli.console import ConsoleProgress
from pairity_cli.context import run_async
from pairity_cli.demo.exchange import DemoExchange, running_exchange
from serving.process import serve
from serving.report import ServeReport
from training.job import train
from training.train_report import TrainReport
from venue.clock import clock_for

_MARK = ".pairity-demo"


@dataclass(frozen=True, slots=True)
class Watching:
    """How a demo is watched: seconds that an hour takes at least, and the port of the page (0 takes a free one)."""

    hour_s: float
    port: int


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What every stage of a demo reported; times are seconds."""

    settings: Settings
    exchange: DemoExchange
    ingested: IngestReport
    trained: TrainReport
    served: ServeReport
    served_s: float


def run_demo(
    market: str,
    data: Path | None,
    seed: int,
    home: Path,
    *,
    history_days: int,
    cycles: int,
    watch: Watching | None = None,
) -> DemoReport:
    """Learn from the first part of a market and trade its last `cycles` hours; `home` is emptied first.

    With `watch` the hours take their time, and the page stays open until it is stopped.

    Raises ConfigError where `home` holds anything but an earlier demo, TimeRangeError where the market is too
    short, and VenueUnreachableError where the exchange does not start.
    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        ConsoleProgress() as progress,
        running_exchange(market, data, seed, Path(scratch) / "exchange.log") as exchange,
    ):
        secure_home(home, progress.say)
        start, trading = _choose_span(exchange, history_days, cycles)
        _empty(home)  # only now: a mistyped option must not cost the demo before
        exchange.advance(trading)
        progress.say(f"market: {exchange.label}")
        progress.say(f"learning from {start:%Y-%m-%d %H:%M}, trading {cycles} hours from {trading:%Y-%m-%d %H:%M}")
        settings = _load_demo_settings(exchange, home, watch)
        return run_async(_run_stages(settings, exchange, start, trading, cycles, progress, keep_open=watch is not None))


async def _run_stages(
    settings: Settings,
    exchange: DemoExchange,
    start: datetime,
    trading: datetime,
    cycles: int,
    progress: Progress,
    *,
    keep_open: bool,
) -> DemoReport:
    clock = await clock_for(settings.exchange)
    ingested = await ingest(settings, start, trading, clock=clock, progress=progress)
    # In a thread: training is not async, and the event loop must stay free for Ctrl-C.
    trained = await asyncio.to_thread(train, settings, progress, now=trading)
    begun = time.monotonic()
    progress.stage("open the trading process", 0)
    served = await serve(
        settings,
        live=False,
        cycles=cycles,
        progress=progress,
        on_ready=lambda url: progress.say(_describe_address(url, keep_open)),
        keep_open=keep_open,
    )
    return DemoReport(
        settings=settings,
        exchange=exchange,
        ingested=ingested,
        trained=trained,
        served=served,
        served_s=time.monotonic() - begun,
    )


def _describe_address(url: str, keep_open: bool) -> str:
    return f"page: {url}/ (it stays open until Ctrl-C)" if keep_open else f"status while trading: {url}/status"


def _empty(directory: Path) -> None:
    """Make an empty data directory; one that holds anything but an earlier demo is refused."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARK).exists():
            raise ConfigError(f"{directory} holds data that no demo made", "choose another --home")
        shutil.rmtree(directory)
    replace_file(directory / _MARK, b"")


def _choose_span(exchange: DemoExchange, history_days: int, cycles: int) -> tuple[datetime, datetime]:
    """Return the first instant to learn from and the one at which trading starts; whole hours, inside the market."""
    if exchange.recorded:
        end = floor_to(exchange.market_end, HOUR)
        start = max(exchange.market_start, end - history_days * DAY)
        if end - cycles * HOUR < exchange.now:
            raise TimeRangeError(
                f"{cycles} hours are more than the exchange can play: it begins at {exchange.now.isoformat()}",
                f"trade at most {(end - exchange.now) // HOUR} --cycles",
            )
    else:
        # A synthetic market has history before its clock's start and goes on after it for as long as one likes.
        start = floor_to(exchange.now, HOUR) - history_days * DAY + cycles * HOUR
        end = start + history_days * DAY
    trading = end - cycles * HOUR
    if trading <= start:
        raise TimeRangeError(
            f"{cycles} traded hours leave nothing of {start.isoformat()} to {end.isoformat()} to learn from",
            "trade fewer --cycles, or use more --history",
        )
    return start, trading


def _load_demo_settings(exchange: DemoExchange, home: Path, watch: Watching | None) -> Settings:
    """Load the demo's settings: its own directory, exchange and universe; everything else as configured."""
    listed = [short_name(name) for name in exchange.instruments]
    ranked = sorted(listed, key=lambda a: (DEFAULT_UNIVERSE.index(a) if a in DEFAULT_UNIVERSE else len(listed), a))
    return load_settings(
        home=home,
        universe={"assets": tuple(ranked)},
        exchange={
            "url": exchange.url,
            "control_url": exchange.control_url,
            "api_key": "paper",
            "api_secret": "paper",
            "api_passphrase": "paper",
            "rate_limit": False,
            "stepped_hour_s": 0.0 if watch is None else watch.hour_s,
        },
        serve={"port": 0 if watch is None else watch.port},
    )
