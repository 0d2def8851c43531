"""Run of a replay: features, trading, the backtest of the same hours, and what differs.

It stands with the command line because nothing below the command line may start a paper exchange.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from model_registry.records import RULE_VERSION
from pairity.errors import ConfigError, TimeRangeError
from pairity.private_home import secure_home
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import HOUR, MINUTE
from pairity.universe import inst_id
from pairity_cli.demo.exchange import DemoExchange, running_exchange
from pairity_cli.replay.beside import Beside, lay_beside_book, lay_beside_pairs
from pairity_cli.replay.collecting import collect_all, find_begin
from pairity_cli.replay.disturbances import read_events
from pairity_cli.replay.home import note_features, prepare_home
from pairity_cli.replay.models import load_registered, load_registered_book, make_rule
from pairity_cli.replay.plan import ReplayPlan, make_replay_settings
from pairity_cli.replay.spent import Spent, count_children_cpu_s
from pairity_cli.replay.trading import Deciding, trade
from pairity_cli.replay.walk_forward import train_walk_forward
from serving.books.parts import choose_book
from serving.models.scoring import Scorer
from serving.replay.scheduled_champion import Promotion
from serving.report import ServeReport


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did, and how it compares with the backtest."""

    plan: ReplayPlan
    settings: Settings
    market: str
    served: ServeReport
    beside: Beside
    spent: Spent
    models: tuple[tuple[datetime, str], ...]
    """Who decided, from when on."""


def run_replay(settings: Settings, plan: ReplayPlan, progress: Progress) -> ReplayReport:
    """Replay the plan in a directory of its own (`prepare_home`).

    Raises ConfigError where it cannot be used and for decisions that are not hourly, TimeRangeError where the recording
    does not cover the plan, what `load_registered`, `load_registered_book` and `choose_book` raise,
    VenueUnreachableError where the exchange does not start, and KeyboardInterrupt where a signal ended the trading
    early.
    """
    minutes, of_hour = settings.serve.interval_minutes, HOUR // MINUTE
    if minutes != of_hour and (plan.book is None or minutes % of_hour):
        raise ConfigError(
            f"serve.interval_minutes is {minutes}, and a backtest decides every hour",
            "set it to 60 to replay; for a book to its hours of decision, 1440 for most, where the looks between two "
            "decisions shall be left out",
        )
    if plan.book is not None:
        named = settings.model_copy(update={"strategy": settings.strategy.model_copy(update={"book": plan.book})})
        choose_book(named, by_version=plan.by_version)
    events = read_events(plan)
    promotions = _choose_promotions(settings, plan)
    book = load_registered_book(settings, plan.model, plan.since) if plan.by_version else None
    spent = Spent()
    prepare_home(settings, plan)
    secure_home(plan.home, progress.say)
    with tempfile.TemporaryDirectory() as scratch:
        if not plan.again:
            begin, log = find_begin(plan), Path(scratch) / "history.log"
            with spent.part("features"), _exchange(plan, begin, log) as exchange:
                check_span(settings, plan, exchange)
                collect_all(make_replay_settings(settings, plan, exchange), plan, exchange, progress)
            if plan.features == "store":
                note_features(settings, plan)
        with _exchange(plan, plan.starts_at, Path(scratch) / "exchange.log", disturbed=True) as exchange:
            check_span(settings, plan, exchange)
            own = make_replay_settings(settings, plan, exchange)
            if plan.retrain_days is not None:
                with spent.part("training"):
                    promotions = train_walk_forward(own, plan, progress)
            with spent.part("trading"), spent.timing_requests():
                served = trade(own, plan, Deciding(promotions, book), exchange, progress)
            before = count_children_cpu_s()
        spent.exchange_cpu_s = count_children_cpu_s() - before
    if served.cycles < plan.cycles:
        progress.say(f"stopped after {served.cycles:,} of {plan.cycles:,} hours: nothing is compared")
        raise KeyboardInterrupt
    with spent.part("comparison"):
        beside = (
            lay_beside_pairs(own, plan, events, promotions)
            if plan.book is None
            else lay_beside_book(
                own, plan, events, choose_book(own, by_version=plan.by_version), None if book is None else book.book.fit
            )
        )
    return ReplayReport(
        plan=plan,
        settings=own,
        market=exchange.label,
        served=served,
        beside=beside,
        spent=spent,
        models=tuple((one.at, _name(one.scorer)) for one in promotions) or ((plan.since, _name_book(plan)),),
    )


def _exchange(
    plan: ReplayPlan, start: datetime, log: Path, *, disturbed: bool = False
) -> contextlib.AbstractContextManager[DemoExchange]:
    """Return the exchange of the plan's recording, its clock at `start`: before the replay only to collect history."""
    options = ["--start", start.isoformat(), "--covering", plan.starts_at.isoformat()]
    options += ["--balance", str(plan.balance), "--ends", "each"]
    if disturbed and plan.script is not None:
        options += ["--faults", str(plan.script)]
    return running_exchange("recorded", plan.data, 0, log, options)


def check_span(settings: Settings, plan: ReplayPlan, exchange: DemoExchange) -> None:
    """Raise TimeRangeError where the recording of a traded asset ends before the replay does.

    Its last orders need a bar after it. What is not traded may end before: it is delisted then.
    """
    traded = settings.universe.traded if plan.book is None else settings.universe.assets
    ends = {asset: exchange.ended.get(inst_id(asset), exchange.market_end) for asset in traded}
    first = min(ends, key=lambda asset: ends[asset])
    if plan.until + HOUR > ends[first]:
        raise TimeRangeError(
            f"the replay ends at {plan.until:%Y-%m-%d %H:%M} UTC, and the recording of {first} at "
            f"{ends[first]:%Y-%m-%d %H:%M} UTC",
            f"give --to {ends[first] - HOUR:%Y-%m-%dT%H:%M} at most, or leave {first} out of universe.assets",
        )


def _choose_promotions(settings: Settings, plan: ReplayPlan) -> tuple[Promotion, ...]:
    """Return who decides from beginning to end; nobody for a book, and where models are trained on the way."""
    if plan.retrain_days is not None or plan.book is not None:
        return ()
    if plan.rule is not None:
        return (Promotion(plan.since, make_rule(settings, plan.rule, plan.since)),)
    return (Promotion(plan.since, load_registered(settings, plan.model, plan.since)),)


def _name_book(plan: ReplayPlan) -> str:
    return f"book {plan.book}, version {plan.model}" if plan.by_version else f"book {plan.book}"


def _name(scorer: Scorer) -> str:
    return f"rule {scorer.ref.name}" if scorer.ref.version == RULE_VERSION else f"version {scorer.ref.version}"
