"""What a replay collects: everything of its hours and of the history before them, while the exchange's clock goes on.

A venue serves its settlements for some three months. Long ranges are therefore collected in parts: the exchange's clock
begins early in the history, where nothing is traded, and is stepped from one part to the next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from feature_repo.catalog import ASSET_BOOKS, ASSET_HOURLY, PAIR_HOURLY
from ingestion.pipeline import ingest
from ingestion.report import IngestReport
from pairity.home_settings import collect_values, remember
from pairity.layout import Layout
from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, MINUTE, from_ms, month_start, to_ms
from pairity_cli.context import run_async
from pairity_cli.demo.exchange import DemoExchange
from pairity_cli.home_check import describe_exchange
from pairity_cli.replay.plan import ReplayPlan
from paper_exchange.market.recorded import find_span
from venue.clock import clock_for

_SETTLEMENTS_SERVED = 92 * DAY
"""For how long the paper exchange serves settled rates of funding."""


def find_begin(plan: ReplayPlan) -> datetime:
    """Return from when on data are collected: to decide from the first close on, and to learn from before it.

    That is not before the recording begins. TimeRangeError where nothing that is recorded covers the replay's start.
    """
    first = min(plan.since - timedelta(days=plan.history_days), _find_end(plan))
    lookbacks = [ASSET_HOURLY.lookback, PAIR_HOURLY.lookback]
    if plan.book is not None:
        lookbacks.append(ASSET_BOOKS.lookback)
    recorded, _ = find_span(plan.data, to_ms(plan.starts_at), ends="each")
    return max(from_ms(recorded), month_start(first) - max(lookbacks))


def list_collections(begin: datetime, until: datetime) -> list[datetime]:
    """Return when everything from `begin` to `until` is collected, so that each settlement is still served once."""
    instants = [until]
    while instants[-1] - _SETTLEMENTS_SERVED > begin:
        instants.append(instants[-1] - _SETTLEMENTS_SERVED + DAY)
    return instants[::-1]


def collect_all(settings: Settings, plan: ReplayPlan, exchange: DemoExchange, progress: Progress) -> None:
    """Collect what is known before trading begins, while the exchange's clock goes on from `find_begin`.

    With features that are computed once that is everything up to the end, otherwise what precedes the first decision.
    """
    begin = find_begin(plan)
    for instant in list_collections(begin, _find_end(plan)):
        exchange.advance(instant + MINUTE)
        run_async(collect(settings, begin, instant, progress))


async def collect(
    settings: Settings, begin: datetime, until: datetime, progress: Progress, *, recheck: bool = False
) -> IngestReport:
    """Collect from `begin` on what features until then need, and publish them, as `pairity ingest` does."""
    clock = await clock_for(settings.exchange)
    remember(Layout.of(settings), collect_values(settings, interval=True, exchange=describe_exchange(settings)))
    return await ingest(settings, begin, until, clock=clock, progress=progress, recheck=recheck)


def _find_end(plan: ReplayPlan) -> datetime:
    return plan.until if plan.features == "store" else plan.since - HOUR
