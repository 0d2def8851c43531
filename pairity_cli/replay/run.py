"""Run of a replay: features, trading, the backtest of the same hours, and what differs.

It stands with the command line because nothing below the command line may start a paper exchange.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY
from feature_repo.contract_specs import read_contracts
from ingestion.pipeline import ingest
from ingestion.report import IngestReport
from pairity.digest import digest_bytes
from pairity.errors import ConfigError, TimeRangeError
from pairity.home_settings import collect_values, remember
from pairity.layout import Layout
from pairity.private_home import secure_home
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import HOUR, MINUTE, Clock, month_start
from pairity_cli.context import run_async
from pairity_cli.demo.exchange import DemoExchange, running_exchange
from pairity_cli.home_check import describe_exchange
from pairity_cli.replay.expected import Expected, backtest_replayed
from pairity_cli.replay.home import note_features, prepare_home
from pairity_cli.replay.models import RULE_VERSION, load_registered, make_rule
from pairity_cli.replay.plan import ReplayPlan, make_replay_settings
from pairity_cli.replay.spent import Spent, count_children_cpu_s
from pairity_cli.replay.walk_forward import train_walk_forward
from serving.journal import Journal
from serving.journal.reading import ReadingJournal
from serving.models.scoring import Scorer
from serving.process import serve
from serving.replay.published_data import PublishedData
from serving.replay.scheduled_champion import Promotion, ScheduledChampion
from serving.replay.stand_ins import StandIns, VirtualWaiting
from serving.replay.traded import Traded, read_traded
from serving.report import ServeReport
from training.backtest.trade_differences import Comparison, Replayed, compare_trades
from venue.clock import clock_for


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did, and how it compares with the backtest."""

    plan: ReplayPlan
    settings: Settings
    market: str
    served: ServeReport
    traded: Traded
    expected: Expected
    comparison: Comparison
    spent: Spent
    models: tuple[tuple[datetime, str], ...]
    """Who decided, from when on."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of every leg, position and decision: the same on every run over the same data."""
        frames = (self.traded.legs, self.traded.positions, self.traded.equity, self.traded.decisions)
        return digest_bytes("\n".join(repr(frame.rows()) for frame in frames).encode())


def run_replay(settings: Settings, plan: ReplayPlan, progress: Progress) -> ReplayReport:
    """Replay the plan in a directory of its own (`prepare_home`).

    Raises ConfigError where it cannot be used and for decisions that are not hourly, TimeRangeError where the recording
    does not cover the plan, what `load_registered` raises, VenueUnreachableError where the exchange does not start, and
    KeyboardInterrupt where a signal ended the trading early.
    """
    if settings.serve.interval_minutes != HOUR // MINUTE:
        raise ConfigError(
            f"serve.interval_minutes is {settings.serve.interval_minutes}, and a backtest decides every hour",
            "set it to 60 to replay",
        )
    promotions = _choose_promotions(settings, plan)
    spent = Spent()
    prepare_home(settings, plan)
    secure_home(plan.home, progress.say)
    with tempfile.TemporaryDirectory() as scratch:
        if plan.features == "store":
            with spent.part("features"), _exchange(plan, Path(scratch) / "history.log") as exchange:
                _check_span(plan, exchange)
                own = make_replay_settings(settings, plan, exchange)
                if not plan.again:
                    exchange.advance(plan.until + MINUTE)
                    run_async(_ingest(own, plan, exchange, plan.until, progress))
                    note_features(settings, plan)
        if plan.retrain_days is not None:
            with spent.part("training"):
                promotions = train_walk_forward(own, plan, progress)
        before = count_children_cpu_s()
        with _exchange(plan, Path(scratch) / "exchange.log") as exchange:
            _check_span(plan, exchange)
            own = make_replay_settings(settings, plan, exchange)
            if plan.features == "live":
                with spent.part("features"):
                    run_async(_ingest(own, plan, exchange, plan.since - HOUR, progress))
            with spent.part("trading"), spent.timing_requests():
                served = run_async(_trade(own, plan, promotions, progress))
        spent.exchange_cpu_s = count_children_cpu_s() - before
    if served.cycles < plan.cycles:
        progress.say(f"stopped after {served.cycles:,} of {plan.cycles:,} hours: nothing is compared")
        raise KeyboardInterrupt
    with spent.part("comparison"):
        contracts = read_contracts(Layout.of(own))
        journal = ReadingJournal.connect(Layout.of(own).journal)
        try:
            traded = read_traded(journal, contracts, plan.until)
        finally:
            journal.close()
        seen = dict(traded.equity.select("time", "available").iter_rows())
        expected = backtest_replayed(own, promotions, (plan.since, plan.until), seen)
        replayed = Replayed(traded.legs, traded.positions, traded.equity, traded.decisions)
        comparison = compare_trades(expected.result, replayed, expected.history, expected.quotes)
    return ReplayReport(
        plan=plan,
        settings=own,
        market=exchange.label,
        served=served,
        traded=traded,
        expected=expected,
        comparison=comparison,
        spent=spent,
        models=tuple((one.at, _name(one.scorer)) for one in promotions),
    )


def _exchange(plan: ReplayPlan, log: Path) -> contextlib.AbstractContextManager[DemoExchange]:
    options = ("--start", plan.starts_at.isoformat(), "--balance", str(plan.balance))
    return running_exchange("recorded", plan.data, 0, log, options)


def _check_span(plan: ReplayPlan, exchange: DemoExchange) -> None:
    """Raise TimeRangeError where the recording ends before the replay does: its last orders need a bar after it."""
    if plan.until + HOUR > exchange.market_end:
        raise TimeRangeError(
            f"the replay ends at {plan.until:%Y-%m-%d %H:%M} UTC, and the recording at "
            f"{exchange.market_end:%Y-%m-%d %H:%M}",
            f"give --to {exchange.market_end - HOUR:%Y-%m-%dT%H:%M} at most",
        )


def _choose_promotions(settings: Settings, plan: ReplayPlan) -> tuple[Promotion, ...]:
    """Return who decides from beginning to end; nobody where models are trained on the way."""
    if plan.retrain_days is not None:
        return ()
    if plan.rule is not None:
        return (Promotion(plan.since, make_rule(settings, plan.rule, plan.since)),)
    return (Promotion(plan.since, load_registered(settings, plan.model, plan.since)),)


def _name(scorer: Scorer) -> str:
    return f"rule {scorer.ref.name}" if scorer.ref.version == RULE_VERSION else f"version {scorer.ref.version}"


async def _ingest(
    settings: Settings, plan: ReplayPlan, exchange: DemoExchange, until: datetime, progress: Progress
) -> IngestReport:
    """Collect what features until then need, and publish them, as `pairity ingest` does."""
    clock = await clock_for(settings.exchange)
    remember(Layout.of(settings), collect_values(settings, interval=True, exchange=describe_exchange(settings)))
    first = plan.since - timedelta(days=plan.history_days)
    needed = month_start(min(until, first)) - max(ASSET_HOURLY.lookback, PAIR_HOURLY.lookback)
    return await ingest(settings, max(exchange.market_start, needed), until, clock=clock, progress=progress)


async def _trade(
    settings: Settings, plan: ReplayPlan, promotions: tuple[Promotion, ...], progress: Progress
) -> ServeReport:
    champion, waiting = ScheduledChampion(promotions), VirtualWaiting()

    def open_champion() -> ScheduledChampion:
        return champion

    def open_published(own: Settings, clock: Clock) -> PublishedData:
        champion.attach(clock)
        return PublishedData(own, clock, plan.since, plan.until)

    stand_ins = StandIns(
        open_data=open_published if plan.features == "store" else None,
        open_champion=open_champion,
        make_pace=waiting.make_pace,
        open_journal=partial(Journal.open, durable=False),
    )
    return await serve(
        settings,
        live=False,
        cycles=plan.cycles,
        progress=_Stages(progress),
        on_ready=_show_no_page,
        stand_ins=stand_ins,
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
