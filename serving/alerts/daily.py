"""The daily message: whether the process is well, and what yesterday brought."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from pairity.timeline import DAY
from serving.journal import Journal, PositionRecord
from serving.journal.event_records import Severity
from serving.status import Status


def describe_day(journal: Journal, status: Status, now: datetime, unwatched: str | None) -> tuple[Severity, str]:
    """Return severity and text of the daily message at an instant of the clock in use.

    `unwatched` says why the watch does not count as working; None where it does. Yesterday is the last whole day in
    UTC; its result has unrealised results and costs in it, and transfers counted out. What is not known is left out.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    trading = status.trading == "trading"
    well = trading and unwatched is None
    said = "I am well: trading" if well else f"I am NOT well: {status.trading}"
    if not trading:
        said += f" ({status.trading_reason})"
    if unwatched is not None:
        said += f"; {unwatched}"
    parts = [said, _describe_yesterday(journal, today), _describe_now(journal)]
    return Severity.INFO if well else Severity.WARNING, "; ".join(parts)


def _describe_yesterday(journal: Journal, today: datetime) -> str:
    yesterday = today - DAY
    closed = [record for record in journal.closed_since(yesterday) if _ended_before(record, today)]
    results = [record.close.net_usdt for record in closed if record.close is not None]
    won = sum(result is not None and result > 0 for result in results)
    trades = f"{len(closed)} closed" + (f", {won} of them won" if closed else "")
    return f"yesterday ({yesterday:%Y-%m-%d}): {_describe_result(journal, yesterday)}{trades}"


def _describe_result(journal: Journal, yesterday: datetime) -> str:
    """Return what the account earned on a day, empty where the journal has no marks around it."""
    first, last = journal.equity.first_since(yesterday), journal.equity.first_since(yesterday + DAY)
    last = last or journal.equity.last()
    if first is None or last is None or first.at >= yesterday + DAY or last.at <= first.at:
        return "its result is not known, "
    earned = last.earned_usdt - first.earned_usdt
    share = f" ({earned / first.equity_usdt:+.2%})" if first.equity_usdt > Decimal(0) else ""
    return f"{earned:+.2f} USDT{share}, "


def _describe_now(journal: Journal) -> str:
    newest, held = journal.equity.last(), len(journal.open_positions()) + len(journal.books.count_held())
    unseen = sum(journal.event_log.count_unacknowledged().get(severity, 0) for severity in _OF_INTEREST)
    equity = "" if newest is None else f"equity {newest.equity_usdt:.2f} USDT, "
    return f"now: {equity}{held} open, {unseen} warnings unacknowledged"


def _ended_before(record: PositionRecord, instant: datetime) -> bool:
    return record.close is not None and record.close.closed_at < instant


_OF_INTEREST = (Severity.WARNING, Severity.CRITICAL)
UNWATCHED_AFTER = timedelta(seconds=90)
"""A watch that did not succeed for so long, and for three of its looks, does not count as working."""
