"""Who is alive on an account, told from the whole list of what was seen there, one rule after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Seen(NamedTuple):
    """What was seen of a journal: `what` is "held", "released" (signs of one of its processes) or "order"."""

    what: str
    journal: str
    process: str
    at: datetime


def list_alive_slowly(
    seen: Sequence[Seen], own: tuple[str, str], now: datetime, forgiven: datetime | None
) -> set[tuple[str, str]]:
    """Return the (journal, process) that are alive, with process "" where only an order tells of it."""
    alive = set()
    first_own = min((one.at for one in seen if one.what != "order" and one[1:3] == own), default=None)
    for one in seen:
        if one.what != "held" or one[1:3] == own:
            continue
        of_it = [other for other in seen if other.what != "order" and other[1:3] == one[1:3]]
        is_last = all(other.at < one.at or (other.at == one.at and other.what == "held") for other in of_it)
        is_old = now - one.at >= timedelta(minutes=15)
        is_earlier_self = one.journal == own[0] and (first_own is None or one.at <= first_own)
        if is_last and not is_old and not is_earlier_self and not (forgiven is not None and one.at <= forgiven):
            alive.add((one.journal, one.process))
    for journal in {one.journal for one in seen} - {own[0]}:
        orders = [one.at for one in seen if one.what == "order" and one.journal == journal]
        if not orders:
            continue
        newest = max(orders)
        explained = False
        for process in {one.process for one in seen if one.journal == journal and one.what != "order"}:
            signs = [one for one in seen if one.what != "order" and one[1:3] == (journal, process)]
            latest = max(one.at for one in signs)
            released = any(one.what == "released" and one.at == latest for one in signs)
            explained |= newest <= (latest if released else latest + timedelta(minutes=15))
        is_old = now - newest >= timedelta(hours=2)
        if not explained and not is_old and not (forgiven is not None and newest <= forgiven):
            alive.add((journal, ""))
    return alive
