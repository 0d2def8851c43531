"""Train the configured families, of models and of books: one basis, the same hours, every trial counted before any
verdict.

All are fitted and traded before the first is judged, so that each verdict counts what all of them tried. They are
judged in their order. One that passes is champion at once, and those after it are compared with it; one look at the
kept-back hours is a look for all: the next one needs a reason, and more evidence.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime
from functools import cache

from model_registry.stored_books import STORED_BOOKS, UNTRADED
from model_registry.stored_families import STORED_FAMILIES
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import ConfigError, UnknownNameError
from pairity.progress import Progress
from pairity.settings import Settings
from training.basis import build_basis
from training.books.train import train_book_in_steps
from training.books.train_report import BookTrainReport
from training.data.history import make_store_join
from training.data.point_in_time import Join
from training.job import train_in_steps
from training.models.families import FAMILIES
from training.models.registrable import choose_family
from training.promotion.backtested import Rival
from training.promotion.evidence import ParityCheck
from training.train_report import TrainReport

AnyReport = TrainReport | BookTrainReport
_Steps = Generator[None, Rival | None, AnyReport]


def choose_families(settings: Settings) -> tuple[str, ...]:
    """Return the names of the families that a training fits, in order: `model.families`, or `model.family` alone.

    UnknownNameError for a name that does not exist, ConfigError for a family that the trading process cannot trade.
    """
    names = tuple(dict.fromkeys(settings.model.families or (settings.model.family,)))
    for name in names:
        if name in STORED_BOOKS:
            continue
        if name not in BOOK_FAMILIES and name not in FAMILIES:
            raise UnknownNameError("family", name, [*STORED_FAMILIES, *STORED_BOOKS])
        if name in BOOK_FAMILIES:
            raise ConfigError(
                f"{name} is a book that the trading process does not trade: {UNTRADED}",
                f"choose from {', '.join((*STORED_FAMILIES, *STORED_BOOKS))}; `pairity books` shows its evidence",
            )
        choose_family(_of_family(settings, name))
    return names


def train_families(
    settings: Settings,
    progress: Progress,
    *,
    now: datetime,
    join: Join | None = None,
    parity: ParityCheck | None = None,
    reason: str | None = None,
) -> list[AnyReport]:
    """Train and judge each configured family on everything known at `now`; return their reports in order.

    Arguments are those of `training.job.train`, and so are the errors; nothing is registered where one family cannot be
    traded over the test period. Raises what `choose_families` raises, before anything is read.
    """
    names = choose_families(settings)
    found = join or make_store_join(settings)
    basis = cache(lambda: build_basis(settings, found, now))
    compared = None if parity is None else cache(parity)
    steps: list[_Steps] = []
    for name in names:
        own = _of_family(settings, name)
        steps.append(
            train_book_in_steps(
                own, STORED_BOOKS[name], progress, basis, found, now=now, parity=compared, reason=reason
            )
            if name in STORED_BOOKS
            else train_in_steps(own, progress, basis, found, now=now, parity=compared, reason=reason)
        )
    for one in steps:
        next(one)
    reports: list[AnyReport] = []
    rival: Rival | None = None
    for one in steps:
        reports.append(_finish(one, rival))
        outcome = reports[-1].outcome
        if outcome.promoted and outcome.verdict.passed:
            rival = Rival(reports[-1].model.version, reports[-1].judged)
    return reports


def _finish(steps: _Steps, rival: Rival | None) -> AnyReport:
    try:
        steps.send(rival)
    except StopIteration as end:
        report: AnyReport = end.value
        return report
    raise AssertionError("a training stops once")


def _of_family(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update={"family": name})})
