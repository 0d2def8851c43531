"""Limits of a book beside what stays although it was to be reduced: its instrument does not trade. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from pairity.books.limits import BookLimits
from pairity.number_formats import format_against, format_plain
from pairity.universe import ContractSpec, exact
from serving.books.moves import Move
from serving.journal import BookRecord


def explain_excess(
    book: BookRecord,
    move: Move,
    held: Mapping[str, Decimal],
    staying: Collection[str],
    begun: Collection[str],
    specs: Mapping[str, ContractSpec],
    limits: BookLimits,
) -> str | None:
    """Return which limit of the book an increase would exceed with what stays; None where it fits.

    `held` by name as of now, `staying` are names whose instrument does not trade, `begun` those of which an increase
    is under way or made. Everything is worth the close that it was decided at, over the decision's equity.
    """
    gross = net = Decimal(0)
    for name in sorted({*held, *(one.name for one in book.names)}):
        now, chosen = held.get(name, Decimal(0)), book.find(name)
        wanted = now if chosen is None or name in staying else chosen.contracts
        if not now and not wanted:
            continue
        if chosen is None or chosen.price is None or name not in specs:
            return f"{name} does not trade, and what it is worth is not known"
        unit = specs[name].ct_val * exact(chosen.price)
        # What is not begun is not counted: of two increases that do not both fit, the first is made.
        after = abs(wanted) if name == move.name or (name in begun and abs(wanted) > abs(now)) else abs(now)
        gross += after * unit
        # The whole decision: longs are not to wait for the shorts that follow them.
        net += wanted * unit
    equity, kept = exact(book.equity_usdt), ", ".join(sorted(staying))
    least = [one for one in (limits.gross, limits.margin) if one is not None]
    if least and gross > exact(min(least)) * equity:
        measured = format_against(float(gross / equity), min(least))
        return f"gross {measured} with {kept}, which does not trade, at most {format_plain(min(least))}"
    if limits.net is not None and abs(net) > exact(limits.net) * equity and net * move.side.sign > 0:
        measured = format_against(float(net / equity), limits.net)
        return f"net {measured} with {kept}, which does not trade, at most {format_plain(limits.net)} either way"
    return None
