"""The trading of a replay: the process itself, killed and started again where the plan says so."""

from __future__ import annotations

import signal
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from typing import Literal, NamedTuple

from pairity.child_environment import only_allowed_variables
from pairity.errors import PairityError
from pairity.progress import Progress, SilentProgress
from pairity.settings import Settings
from pairity.timeline import Clock
from pairity_cli.context import run_async
from pairity_cli.demo.exchange import DemoExchange
from pairity_cli.replay.collecting import collect, find_begin
from pairity_cli.replay.plan import ReplayPlan, make_replay_settings
from serving.journal import Journal
from serving.process import serve
from serving.replay.mortal_clock import open_mortal_clock
from serving.replay.published_data import PublishedData
from serving.replay.scheduled_champion import Promotion, ScheduledBook, ScheduledChampion
from serving.replay.stand_ins import StandIns, VirtualWaiting
from serving.report import ServeReport
from training.books.present import measure_book
from venue.clock import clock_for

Ending = Literal["restart", "recheck", "end"]


class Deciding(NamedTuple):
    """Who decides in a replay: versions of a model from when on, or a version of a book; neither for a family alone."""

    promotions: tuple[Promotion, ...] = ()
    book: ScheduledBook | None = None


class Stretch(NamedTuple):
    """A part of a replay that one process trades: `cycles` bars, until `until`, and what comes then."""

    cycles: int
    until: datetime
    ending: Ending


def list_stretches(plan: ReplayPlan) -> list[Stretch]:
    """Return the parts of a replay in the order of time: the bars that close in one belong to no other.

    A bar that closed before a restart, and was not decided on when it came, is decided on by nobody.
    """
    ends: list[tuple[datetime, Ending]] = [(at, "restart") for at in plan.restarts]
    ends += [(at, "recheck") for at in plan.rechecks]
    stretches, begun = [], plan.starts_at
    for at, ending in [*sorted(ends), (plan.until, "end")]:
        stretches.append(Stretch(plan.count_cycles(begun, at), at, ending))
        begun = at
    return stretches


def trade(
    settings: Settings, plan: ReplayPlan, deciding: Deciding, exchange: DemoExchange, progress: Progress
) -> ServeReport:
    """Trade the plan from beginning to end; return the report of the last process, which `cycles` of all are added to.

    Raises what `serve` and `ingest` raise, and PairityError where a process that was to be killed ended otherwise.
    """
    decided = 0
    for stretch in list_stretches(plan):
        if stretch.ending == "restart":
            _trade_until_killed(settings, plan, deciding, stretch, exchange)
            decided += stretch.cycles
            progress.say(f"killed at {stretch.until:%Y-%m-%d %H:%M:%S} UTC, and started again")
            continue
        report = run_async(_serve(settings, plan, deciding, stretch, _Stages(progress)))
        decided += report.cycles
        if report.cycles < stretch.cycles:
            break
        if stretch.ending == "recheck":
            exchange.advance(stretch.until)
            run_async(collect(settings, find_begin(plan), stretch.until, progress, recheck=True))
    report.cycles = decided
    return report


def _trade_until_killed(
    settings: Settings,
    plan: ReplayPlan,
    deciding: Deciding,
    stretch: Stretch,
    exchange: DemoExchange,
) -> None:
    with only_allowed_variables():
        given = (settings, plan, deciding, stretch, exchange)
        child = get_context("spawn").Process(target=_trade_in_a_child, args=given)
        child.daemon = True  # it does not outlive an interrupted replay
        child.start()
    child.join()
    if child.exitcode != -signal.SIGKILL:
        raise PairityError(
            f"the trading process that was to be killed at {stretch.until:%Y-%m-%d %H:%M:%S} UTC ended with exit code "
            f"{child.exitcode}",
            "see its messages above, and the log in the replay's directory",
        )


def _trade_in_a_child(
    settings: Settings,
    plan: ReplayPlan,
    deciding: Deciding,
    stretch: Stretch,
    exchange: DemoExchange,
) -> None:
    # Secrets do not go to another process with the settings.
    own = make_replay_settings(settings, plan, exchange)
    # One more than it will see: it ends by being killed, and in no other way.
    lasting = stretch._replace(cycles=stretch.cycles + 1)
    run_async(_serve(own, plan, deciding, lasting, SilentProgress()))


async def _serve(
    settings: Settings, plan: ReplayPlan, deciding: Deciding, stretch: Stretch, progress: Progress
) -> ServeReport:
    champion = None if plan.book is not None else ScheduledChampion(deciding.promotions)
    waiting = VirtualWaiting()

    def open_champion() -> ScheduledChampion:
        assert champion is not None, "a book asks for no model"
        return champion

    def open_published(own: Settings, clock: Clock) -> PublishedData:
        if champion is not None:
            champion.attach(clock)
        return PublishedData(own, clock, plan.since, plan.until)

    stand_ins = StandIns(
        open_data=open_published if plan.features == "store" else None,
        open_champion=open_champion,
        book=deciding.book,
        make_pace=waiting.make_pace,
        open_journal=partial(Journal.open, durable=False),
        open_clock=open_mortal_clock(stretch.until) if stretch.ending == "restart" else clock_for,
    )
    return await serve(
        settings,
        live=False,
        cycles=stretch.cycles,
        progress=progress,
        on_ready=_show_no_page,
        stand_ins=stand_ins,
        measure_book=measure_book,
    )


def _show_no_page(_url: str) -> None:
    """Nobody looks at the status page of a replay."""


class _Stages:
    """Progress without the lines that the trading process says at every decision: the log has them."""

    def __init__(self, progress: Progress) -> None:
        self.stage = progress.stage
        self.advance = progress.advance

    def say(self, line: str) -> None:
        """Leave it to the log."""
