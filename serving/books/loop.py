"""The loop of a process that trades a book."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pairity.books.families import BookFamily
from pairity.number_formats import format_count, format_plain
from pairity.settings import Settings
from pairity.timeline import ceil_to
from serving.announcing import make_loud
from serving.books.cycle import BookCycle
from serving.books.parts import BookDesk, BookParts
from serving.limits import Limiter
from serving.loop import DecidingCycle, DecidingLoop
from serving.parts import GuardParts
from serving.rivals import RivalWatch
from serving.status import Status
from serving.watch import Watch


class BookLoop(DecidingLoop[BookParts]):
    """Loop of a book: data every hour, a decision at the family's hours, a look between them."""

    def __init__(self, guard: GuardParts, family: BookFamily, open_parts: Callable[[], Awaitable[BookParts]]) -> None:
        self._family = family
        self._desk: BookDesk | None = None
        super().__init__(guard, open_parts)

    def _make_watch(self) -> Watch:
        def make(rivals: RivalWatch, limiter: Limiter) -> BookDesk:
            self._desk = BookDesk(self._guard, self._family, rivals, limiter)
            return self._desk

        return Watch(
            self._guard,
            lambda rivals, limiter: make(rivals, limiter).reconciler,
            self._guard.settings.universe.assets,
        )

    def _find_decision(self, close: datetime) -> datetime:
        return ceil_to(close, timedelta(hours=self._family.every_hours))

    def _begin(self, parts: BookParts) -> DecidingCycle:
        assert self._desk is not None
        lines = describe_book(parts.settings, parts.status, self._family)
        if parts.champion is not None:
            ref = parts.champion.ref
            lines.append(f"model     {ref.name} version {ref.version}, champion; gate: {ref.gate}, run {ref.run_id}")
        for line in make_loud(lines, parts.status):
            parts.progress.say(line)
        return BookCycle(parts, self._desk, self._watch, self._reporter)


def describe_book(settings: Settings, status: Status, family: BookFamily) -> list[str]:
    """Return the lines of the start: money, universe, family, hours, limits."""
    assets, limits, strategy = settings.universe.assets, settings.limits, settings.strategy
    orders = (
        "at market"
        if strategy.entry_order == "market"
        else f"post-only for {format_plain(settings.serve.limit_deadline_s)} s, then at market"
    )
    return [
        f"mode      {status.mode} trading at {status.market}",
        f"universe  {format_count(len(assets), 'asset')} of {settings.features.venue}: {', '.join(assets)}",
        f"book      {family.name}: {family.description}; the {family.size} most traded names, decided every "
        f"{family.every_hours} hours from 00:00 UTC, band {format_plain(family.band)}",
        f"orders    {orders}, leverage {strategy.leverage}",
        f"stops     of each name {settings.books.disaster_stop:.0%} away from the close of the last decision",
        f"limits    a day's loss of {format_plain(100 * limits.day_loss)}%, a drawdown of "
        f"{format_plain(100 * limits.drawdown)}%, {format_plain(limits.gross_leverage)} times the equity",
    ]
