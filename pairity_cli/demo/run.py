"""Run of the demo: exchange, ingestion, training, trading, summary.

It stands with the command line because nothing below the command line may start a paper exchange.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ingestion.pipeline import ingest
from ingestion.report import IngestReport
from pairity.configuration import load_settings
from pairity.durable import replace_file
from pairity.errors import ConfigError
from pairity.home_settings import collect_values, remember
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.private_home import secure_home
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.universe import DEFAULT_UNIVERSE, short_name
from pairity_cli.console import ConsoleProgress
from pairity_cli.context import run_async
from pairity_cli.demo.exchange import DemoExchange, running_exchange
from pairity_cli.demo.span import choose_span
from pairity_cli.hints import note_home
from pairity_cli.home_check import describe_exchange
from serving.process import serve
from serving.report import ServeReport
from serving.shutdown import stop_on_signals
from training.data.training_sets import count_hours_needed
from training.job import train
from training.train_report import TrainReport
from venue.clock import clock_for

_MARK = ".pairity-demo"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What every stage of a demo reported; times are seconds."""

    settings: Settings
    exchange: DemoExchange
    ingested: IngestReport
    trained: TrainReport
    served: ServeReport
    served_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """What a demo plays: `market` with its `data` and `seed`, in `home`, which is emptied first.

    It learns from the first of `history_days` and trades the last `cycles` hours: stepped from hour to hour, or with
    `speed` on a clock that runs so many times faster than real time. With `keep_open` the status page stays until a
    signal.
    """

    market: str
    data: Path | None
    seed: int
    home: Path
    history_days: int
    cycles: int
    speed: int | None = None
    keep_open: bool = False


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What trading begins with: the market's instant, and what was reported until then."""

    trading: datetime
    ingested: IngestReport
    trained: TrainReport


def run_demo(plan: DemoPlan, show: Callable[[DemoReport], None]) -> None:
    """Learn from the first part of a market, trade the rest, and show the report.

    Raises ConfigError where the home holds anything but an earlier demo, TimeRangeError where the market is too
    short, and VenueUnreachableError where the exchange does not start.
    """
    note_home(plan.home)
    with tempfile.TemporaryDirectory() as scratch, ConsoleProgress() as progress:
        with running_exchange(plan.market, plan.data, plan.seed, Path(scratch) / "exchange.log") as exchange:
            secure_home(plan.home, progress.say)
            settings = _load_demo_settings(exchange, plan.home)
            start, trading = choose_span(
                exchange, plan.history_days, plan.cycles, least_hours=count_hours_needed(settings)
            )
            _empty(plan.home)  # only now: a mistyped option must not cost the demo before
            exchange.advance(trading)
            progress.say(f"market: {exchange.label}")
            progress.say(
                f"learning from {start:%Y-%m-%d %H:%M} UTC, trading {format_count(plan.cycles, 'hour')} from "
                f"{trading:%Y-%m-%d %H:%M} UTC"
            )
            learnt = run_async(_learn(settings, start, trading, progress))
            if plan.speed is None:
                run_async(_trade(plan, settings, exchange, learnt, progress, show))
                return
        # The same market once more, its clock running: what was learnt from the stepped one fits to it.
        options = ("--clock", f"x{plan.speed}", "--start", trading.isoformat())
        log = Path(scratch) / "running.log"
        with running_exchange(plan.market, plan.data, plan.seed, log, options) as exchange:
            progress.say(f"an hour of the market takes {3600 / plan.speed:.0f} s from now on")
            settings = _load_demo_settings(exchange, plan.home, speed=plan.speed)
            run_async(_trade(plan, settings, exchange, learnt, progress, show))


async def _learn(settings: Settings, start: datetime, trading: datetime, progress: Progress) -> _Learnt:
    clock = await clock_for(settings.exchange)
    remember(Layout.of(settings), collect_values(settings, interval=True, exchange=describe_exchange(settings)))
    ingested = await ingest(settings, start, trading, clock=clock, progress=progress)
    # In a thread: training is not async, and the event loop must stay free for Ctrl-C.
    return _Learnt(trading, ingested, await asyncio.to_thread(train, settings, progress, now=trading))


async def _trade(
    plan: DemoPlan,
    settings: Settings,
    exchange: DemoExchange,
    learnt: _Learnt,
    progress: ConsoleProgress,
    show: Callable[[DemoReport], None],
) -> None:
    begun = time.monotonic()
    page: list[str] = []
    progress.stage("open the trading process", 0)

    def announce(url: str) -> None:
        page.append(url)
        progress.say(f"status while trading: {url}/status")

    async def end(served: ServeReport) -> None:
        report = DemoReport(
            settings=settings,
            exchange=exchange,
            ingested=learnt.ingested,
            trained=learnt.trained,
            served=served,
            served_s=time.monotonic() - begun,
        )
        progress.end_stage()  # the last decision is made: what follows is no part of it
        await asyncio.to_thread(show, report)
        # Who interrupted the trading does not want to look at its end.
        if plan.keep_open and served.cycles == plan.cycles:
            await _wait_for_signal(page[0], progress)

    await serve(settings, live=False, cycles=plan.cycles, progress=progress, on_ready=announce, on_end=end)


async def _wait_for_signal(page: str, progress: Progress) -> None:
    over = asyncio.Event()
    progress.say(f"the page stays open at {page}/ (status: {page}/status); Ctrl-C ends it")
    async with stop_on_signals(over.set):
        await over.wait()


def _empty(directory: Path) -> None:
    """Make an empty data directory; one that holds anything but an earlier demo is refused."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARK).exists():
            raise ConfigError(f"{directory} holds data that no demo made", "choose another --home")
        shutil.rmtree(directory)
    replace_file(directory / _MARK, b"")


def _load_demo_settings(exchange: DemoExchange, home: Path, *, speed: int | None = None) -> Settings:
    """Load the demo's settings: its own directory, exchange and universe, on this machine; all else as configured.

    With `speed` the exchange's clock runs, and the process looks at it about once in two real seconds.
    """
    listed = [short_name(name) for name in exchange.instruments]
    ranked = sorted(listed, key=lambda a: (DEFAULT_UNIVERSE.index(a) if a in DEFAULT_UNIVERSE else len(listed), a))
    venue = {
        "url": exchange.url,
        "api_key": "paper",
        "api_secret": "paper",
        "api_passphrase": "paper",
        "rate_limit": False,
    }
    if speed is None:
        own: dict[str, object] = {"port": 0}
        venue["control_url"] = exchange.control_url
    else:
        # A sign of life every five minutes of this market would be one every few seconds.
        own = {"port": 0, "watch_s": min(max(2.0 * speed, 15.0), 300.0), "lease": False}
    # Its trials are nobody's: what a demo tries is not counted where real ones are
    trials = {"folder": home / "trials"}
    own_places = {"home": home, "profile": "embedded", "trials": trials}  # never the journal of an account
    return load_settings(**own_places, universe={"assets": tuple(ranked)}, exchange=venue, serve=own)
