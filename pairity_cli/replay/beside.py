"""What a replay traded beside the backtest of the same hours: differences, and a fingerprint of what was traded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from feature_repo.contract_specs import read_contracts
from pairity.books.families import BookFamily
from pairity.books.fits import BookFit
from pairity.digest import digest_bytes
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from pairity_cli.replay.disturbances import DECIDED_LATE, explain_silence
from pairity_cli.replay.expected import backtest_replayed
from pairity_cli.replay.expected_book import backtest_book
from pairity_cli.replay.plan import ReplayPlan
from paper_exchange.events.script import Event
from serving.journal.reading import ReadingJournal
from serving.replay.scheduled_champion import Promotion
from serving.replay.traded import read_traded
from serving.replay.traded_book import read_traded_book
from training.backtest.trade_differences import Comparison, Replayed, compare_trades
from training.books.replay_differences import BookComparison, ReplayedBook, compare_book


class Beside(NamedTuple):
    """Comparison of a replay with its backtest, and the fingerprint of what it traded."""

    comparison: Comparison | BookComparison
    fingerprint: str
    """SHA-256 of everything that was traded and decided: the same on every run over the same data."""
    unknown: Mapping[str, int]
    """At how many decisions a pair was left out because something was not known, by what that is."""


def lay_beside_pairs(
    settings: Settings, plan: ReplayPlan, events: Collection[Event], promotions: tuple[Promotion, ...]
) -> Beside:
    """Compare what a replay of pairs journalled with the backtest of its decisions."""
    layout = Layout.of(settings)
    journal = ReadingJournal.connect(layout.journal_place)
    try:
        traded = read_traded(journal, read_contracts(layout), plan.until)
    finally:
        journal.close()
    seen = dict(traded.equity.select("time", "available").iter_rows())
    silent = explain_silence(settings, plan, events, set(traded.decisions["time"]))
    expected = backtest_replayed(settings, promotions, (plan.since, plan.until), seen, silent)
    replayed = Replayed(traded.legs, traded.positions, traded.equity, traded.decisions)
    comparison = compare_trades(expected.result, replayed, expected.history, expected.quotes, silent)
    frames = (traded.legs, traded.positions, traded.equity, traded.decisions)
    return Beside(comparison, _digest(frames), traded.unknown)


def lay_beside_book(
    settings: Settings, plan: ReplayPlan, events: Collection[Event], family: BookFamily, fit: BookFit | None
) -> Beside:
    """Compare what a replay of a book journalled with the backtest of the book; `fit`: what its version learnt."""
    layout = Layout.of(settings)
    journal = ReadingJournal.connect(layout.journal_place)
    try:
        traded = read_traded_book(journal, read_contracts(layout), plan.until, plan.balance)
    finally:
        journal.close()
    decided: dict[datetime, datetime] = dict(traded.account.select("close", "decided").iter_rows())
    in_time = {close for close, hour in decided.items() if hour == close}
    reasons = explain_silence(settings, plan, events, in_time, family.every_hours)
    hours = {close: (decided[close] - close) // HOUR for close in reasons if close in decided}
    silent = {close: reason for close, reason in reasons.items() if close not in decided and close < plan.until}
    expected = backtest_book(settings, family, (plan.since, plan.until), silent, hours, fit)
    late = dict.fromkeys(hours, DECIDED_LATE)
    comparison = compare_book(expected.run, expected.panel, ReplayedBook(*traded), silent, late)
    return Beside(comparison, _digest(traded), {})


def _digest(frames: Sequence[pl.DataFrame]) -> str:
    return digest_bytes("\n".join(repr(frame.rows()) for frame in frames).encode())
