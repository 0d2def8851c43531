"""Which of the two a process trades, pairs or a book: what is asked for by name, else what the champion is."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from model_registry.records import ModelRef
from pairity.errors import ConfigError, PairityError
from pairity.journal_place import JournalPlace
from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import Journal
from serving.journal.book_records import BOOK_VERSION
from serving.journal.opened import is_there
from serving.models.champion import find_champion_to_start_with
from serving.opening import Stakes


class Trading(NamedTuple):
    """What a process trades; `settings.strategy.book` names the book, whoever chose it."""

    settings: Settings
    champion: ModelRef | None
    """The champion that was found; None where nobody needed it, and where there is none that can be read."""
    by_champion: bool
    """Whether a version defines the book; False for pairs, and for a book that a setting names."""


def choose_trading(settings: Settings) -> Trading:
    """Return what to trade: `strategy.book`, else the book that is champion, else pairs. Raises nothing.

    Where the registry cannot be read, and what is held was decided by a version that is a book, it is that book: what
    guards must not wait for the registry.
    """
    if settings.strategy.book is not None:
        return Trading(settings, None, by_champion=False)
    champion, family = None, None
    try:
        champion = find_champion_to_start_with(settings)
    except PairityError:
        family = _find_held_book(Layout.of(settings).journal_place)
    else:
        family = champion.family if champion.is_book else None
    if family is None:
        return Trading(settings, champion, by_champion=False)
    strategy = settings.strategy.model_copy(update={"book": family})
    return Trading(settings.model_copy(update={"strategy": strategy}), champion, by_champion=True)


def refuse_other_kind(trading: Trading, stakes: Stakes) -> None:
    """Raise ConfigError where the journal has something open of the other kind of trading, a book or pairs.

    One home trades one of them at a time: each would take what is the other's for somebody else's.
    """
    settings, champion = trading.settings, trading.champion
    flatten = "pairity halt --flatten while it runs"
    if settings.strategy.book is None and stakes.book is not None:
        found = "strategy.book is not set"
        if champion is not None:
            found += f" and champion version {champion.version} is a model of pairs ({champion.family})"
        raise ConfigError(
            f"this home trades a book ({stakes.book}), and {found}",
            f"start it with --book {stakes.book.partition(':')[0]}; to trade pairs here, close the book first "
            f"({flatten}), or use another PAIRITY_HOME",
        )
    if settings.strategy.book is None or not stakes.pairs:
        return
    if trading.by_champion:
        version = "" if champion is None else f" version {champion.version}"
        raise ConfigError(
            f"champion{version} is the book {settings.strategy.book}, and positions or orders of pairs are open in "
            "this home",
            "make a model of pairs champion (pairity rollback --reason …, or promote), start it, close them "
            f"({flatten}), and promote the book again; or use another PAIRITY_HOME",
        )
    raise ConfigError(
        f"strategy.book is {settings.strategy.book}, and positions or orders of pairs are open in this home",
        f"start it without --book and close them first ({flatten}), or use another PAIRITY_HOME",
    )


def _find_held_book(journal: JournalPlace) -> str | None:
    """Return the family of the book that is held and was decided by a version; None without one."""
    with contextlib.suppress(PairityError):
        if not is_there(journal):
            return None
        known = Journal.read(journal)
        try:
            newest, last = known.books.newest(), known.last_decision()
            by_version = last is not None and last.model_version != BOOK_VERSION
            if newest is not None and by_version and last is not None and last.decision_id == newest.decision_id:
                return newest.family if known.books.count_held() or known.unsettled() else None
        finally:
            known.close()
    return None
