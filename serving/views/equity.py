"""View of the account's equity over time: at most 2,000 points, BTC beside it, and what happened.

The points of a slice of time are its first, last, lowest and highest mark: a fall that lasted a minute stays in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field

from serving.journal import tables
from serving.journal.codec import time_to_text
from serving.journal.reading import Row
from serving.views.base import Inputs, View, parse_time

Range = Literal["24h", "7d", "30d", "all"]
RANGES: dict[Range, timedelta | None] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": None,
}
MOST_POINTS = 2000
_SLICES = MOST_POINTS // 4
_MOST_MARKERS = 1000
EquityPoint = tuple[datetime, float, float | None]
PricePoint = tuple[datetime, float]


class Marker(View):
    """Something that happened: `ref` leads to it (a position id, a model version, a run)."""

    at: datetime
    kind: Literal["entry", "exit", "promotion", "restart", "halt", "resume"]
    text: str
    ref: str | None


class EquityView(View):
    """Equity in a range of time, oldest first."""

    points: list[EquityPoint] = Field(description="[at, equity in USDT, drawdown as a fraction of the peak]")
    btc: list[PricePoint] = Field(description="[at, close of BTC] per decision; empty where BTC is not traded.")
    markers: list[Marker]


# Of each slice of time the lowest and the highest equity, the first and the last mark.
_SLICE = """
    SELECT at, equity_usdt, paid_in_usdt, peak_usdt FROM (
        SELECT at, equity_usdt, paid_in_usdt, peak_usdt,
            row_number() OVER (PARTITION BY slice ORDER BY {order}) AS place
        FROM (SELECT *, {slice} AS slice FROM equity_marks WHERE at >= :since) AS sliced
    ) AS placed WHERE place = 1
"""
_ORDERS = (
    "CAST(equity_usdt AS DOUBLE PRECISION), at",
    "CAST(equity_usdt AS DOUBLE PRECISION) DESC, at",
    "at",
    "at DESC",
)


def view_equity(seen: Inputs, within: Range) -> EquityView:
    """Return the equity of the last 24 hours, 7 or 30 days, or of all time."""
    length = RANGES[within]
    since = "" if length is None else time_to_text(seen.now - length)
    return EquityView(
        points=_read_points(seen, since),
        btc=_read_btc(seen, since),
        markers=sorted(_list_markers(seen, since), key=lambda marker: marker.at)[-_MOST_MARKERS:],
    )


def _read_points(seen: Inputs, since: str) -> list[EquityPoint]:
    sql = seen.journal.expressions
    extent = seen.journal.ask(
        f"SELECT {sql.day_of('min(at)')} AS first, {sql.day_of('max(at)')} AS last, count(*) AS n FROM equity_marks "
        "WHERE at >= :since",
        since=since,
    )[0]
    if not extent["n"]:
        return []
    if extent["n"] <= MOST_POINTS:
        rows = seen.journal.ask("SELECT * FROM equity_marks WHERE at >= :since ORDER BY at", since=since)
        return [_make_point(row) for row in rows]
    width = (extent["last"] - extent["first"]) / (_SLICES - 1)
    chosen: dict[str, Row] = {}
    for order in _ORDERS:
        query = _SLICE.format(order=order, slice=sql.whole_of(f"({sql.day_of('at')} - :begin) / :width"))
        rows = seen.journal.ask(query, since=since, begin=extent["first"], width=width)
        chosen |= {row["at"]: row for row in rows}
    return [_make_point(chosen[at]) for at in sorted(chosen)]


def _make_point(row: Row) -> EquityPoint:
    equity, paid_in, peak = (Decimal(row[name]) for name in ("equity_usdt", "paid_in_usdt", "peak_usdt"))
    # The peak is journalled without what was paid in: here it is in the money of the mark.
    highest = peak + paid_in
    at = parse_time(row["at"])
    assert at is not None
    return at, float(equity), float(max((highest - equity) / highest, Decimal(0))) if highest > 0 else None


_BTC = """
    SELECT at, prices FROM (
        SELECT d.event_timestamp AS at, v.values_json AS prices,
            row_number() OVER (ORDER BY d.event_timestamp DESC) - 1 AS place, count(*) OVER () AS places
        FROM feature_vectors AS v JOIN decisions AS d USING (decision_id)
        WHERE v.service = 'market_state_v1' AND v.entity = 'BTC' AND d.event_timestamp >= :since
            AND v.event_timestamp = d.event_timestamp
    ) AS placed WHERE place % ((places + :most - 1) / :most) = 0 ORDER BY at
"""


def _read_btc(seen: Inputs, since: str) -> list[PricePoint]:
    """Return closes in even steps counted from the newest, which is always there."""
    rows = seen.journal.ask(_BTC, since=since, most=MOST_POINTS)
    closes = [(_instant(row["at"]), json.loads(row["prices"]).get("close")) for row in rows]
    return [(at, close) for at, close in closes if isinstance(close, float)]


def _list_markers(seen: Inputs, since: str) -> Iterator[Marker]:
    ask = seen.journal.ask
    for row in ask("SELECT position_id, opened_at AS at FROM positions WHERE opened_at >= :since", since=since):
        yield Marker(at=_instant(row["at"]), kind="entry", text=f"opened {row['position_id']}", ref=row["position_id"])
    closed = "SELECT position_id, closed_at AS at, exit_reason FROM positions WHERE closed_at >= :since"
    for row in ask(closed, since=since):
        text = f"closed {row['position_id']}: {row['exit_reason']}"
        yield Marker(at=_instant(row["at"]), kind="exit", text=text, ref=row["position_id"])
    for row in ask("SELECT run_id, started_at AS at, mode FROM runs WHERE started_at >= :since", since=since):
        yield Marker(at=_instant(row["at"]), kind="restart", text=f"started ({row['mode']})", ref=row["run_id"])
    yield from _list_promotions(seen, since)
    yield from _list_halts(seen, since)


_PROMOTIONS = """
    SELECT at, version, before FROM (
        SELECT decision_time AS at, model_version AS version,
            lag(model_version) OVER (ORDER BY event_timestamp) AS before
        FROM decisions
    ) AS changes WHERE version <> before AND at >= :since
"""


def _list_promotions(seen: Inputs, since: str) -> Iterator[Marker]:
    """Yield where another version decided than before."""
    for row in seen.journal.ask(_PROMOTIONS, since=since):
        text = f"version {row['version']} decides, before it {row['before']}"
        yield Marker(at=_instant(row["at"]), kind="promotion", text=text, ref=row["version"])


_HALTS = """
    SELECT at, state, reason, before FROM (
        SELECT at, state, reason, lag(state) OVER (ORDER BY seq) AS before FROM states
    ) AS changes WHERE at >= :since AND (state = 'halted') <> (coalesce(before, '') = 'halted')
"""


def _list_halts(seen: Inputs, since: str) -> Iterator[Marker]:
    if not seen.journal.has_table(tables.states):
        return
    for row in seen.journal.ask(_HALTS, since=since):
        halted = row["state"] == "halted"
        yield Marker(at=_instant(row["at"]), kind="halt" if halted else "resume", text=row["reason"], ref=None)


def _instant(text: str) -> datetime:
    at = parse_time(text)
    assert at is not None
    return at
