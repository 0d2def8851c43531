"""Questions to one market that do not need each other: asked here, or beside each other on Dask's workers.

A worker loads the market from the job's data directory itself: bars of years and what is computed of them do not go
through the scheduler, and what one question computes is no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from feature_repo.catalog import ASSET_BOOKS, PAIR_BOOKS, PAIR_SPREADS
from feature_repo.offline_files import scan_view
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.settings import Settings
from training.books.stored_market import StoredMarket, load_market
from training.tasks import run_cases

Question = Callable[..., Any]
"""A function of a module: settings, market and the case's data → what was found, which changes nothing outside."""


def ask_market(
    settings: Settings,
    market: StoredMarket,
    name: str,
    question: Question,
    cases: Iterable[tuple[object, ...]],
    *,
    now: datetime,
    until: datetime | None,
) -> Iterator[Any]:
    """Yield `question(settings, market, *case)` of each case, in order; on workers in the cluster profile.

    `market` is what `load_market` returns for `now` and `until`. `name` is what Dask's own pages show. Errors of a
    question are raised at its place, those of the cluster as in `run_cases`. DataError where a worker finds another
    market in the data directory than the job did.
    """
    if settings.profile != "cluster":
        for case in cases:
            yield question(settings, market, *case)
        return
    for view in (ASSET_BOOKS, PAIR_BOOKS, PAIR_SPREADS):
        scan_view(Layout.of(settings), view)  # files of an object store come here: workers need none then
    digest = market.history.panel.compute_digest()
    yield from run_cases(settings, name, _load_and_ask, ((question, digest, now, until, *case) for case in cases))


def _load_and_ask(
    settings: Settings, question: Question, digest: str, now: datetime, until: datetime | None, *case: object
) -> object:
    market = load_market(settings, now, until)
    if market.history.panel.compute_digest() != digest:
        raise DataError(
            f"the bars or settlements in {settings.root} are others for a worker than for the job that asked it",
            "let no ingestion run beside it, see that all workers have the job's PAIRITY_HOME, and run it again",
        )
    return question(settings, market, *case)
