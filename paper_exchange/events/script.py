"""Scripts of faults and venue events, in TOML or JSON (docs/okx-protocol.md, Scripts).

A script is a list of events under the name `event`. Each says when it happens, and one thing that happens:

    [[event]]
    after_requests = 2            # once two requests have matched `path`
    path = "POST trade/order"
    fault = "reset"

    [[event]]
    at = "2026-01-02T08:00:00Z"   # or after_s = 3600, counted from the start of the exchange's clock
    instrument = "ETH-USDT-SWAP"
    state = "suspend"
    for_s = 900

Everything is checked when the file is read: a script that is accepted can be carried out.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal
from pairity.errors import ConfigError, PairityError, UnknownNameError
from pairity.timeline import from_ms, parse_instant, to_ms
from paper_exchange.faults.catalogue import CATALOGUE
from paper_exchange.market.listings import list_every
from paper_exchange.market.market import Market
from paper_exchange.wire import Json

STATES = ("live", "preopen", "suspend", "post_only", "settling")
CHANGES = ("ctVal", "lotSz", "minSz", "tickSz", "maxMktSz", "maxLmtSz", "maxStopSz", "lever")
FUNDING_HOURS = (1, 2, 4, 6, 8)
_WHAT = (
    *("fault", "state", "change", "funding_hours", "delist", "maintenance", "clear_faults"),
    *("fill_resting", "cancel_resting"),
)
_WHEN = ("at", "after_s", "after_requests")
_TIMES = (*_WHEN, "path", "for_s", "announced_s")
_DETAILS: Mapping[str, tuple[str, ...]] = {
    "fault": ("count", "params"),
    "maintenance": ("refuse",),
    **dict.fromkeys(("state", "change", "funding_hours", "delist", "fill_resting", "cancel_resting"), ("instrument",)),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event: when (`at_ms`, or after `requests` that match `path`), and what (`kind` with `subject` and `values`).

    `until_ms` ends a state, a maintenance or a fault of one by time; `announced_ms` is when instruments say what will
    come (None: from the beginning).
    """

    kind: str
    at_ms: int | None = None
    requests: int | None = None
    path: str = "*"
    until_ms: int | None = None
    announced_ms: int | None = None
    subject: str = ""
    values: Mapping[str, Json] = field(default_factory=dict)


def read_script(path: Path, market: Market, start_ms: int) -> tuple[Event, ...]:
    """Return the events of a file, in its order; ConfigError names the event and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        parsed = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"the script {path} cannot be read: {error.strerror}", "give --faults a file") from None
    except (ValueError, RecursionError) as error:  # of either language, or nested without end
        language = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError(f"the script {path} is not {language}: {error}", "see docs/okx-protocol.md") from None
    rows = parsed.get("event", []) if isinstance(parsed, dict) and set(parsed) <= {"event"} else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"the script {path} is not a list of events", "put every event under [[event]]")
    events = []
    for number, row in enumerate(rows, 1):
        try:
            events.append(parse_event(row, market, start_ms))
        except PairityError as error:
            raise ConfigError(f"event {number} of {path.name}: {error.what}", error.remedy) from None
    return tuple(events)


def parse_event(row: Mapping[str, Json], market: Market, start_ms: int) -> Event:
    """Return one event of a script; ConfigError or UnknownNameError where it cannot be carried out."""
    kinds = [name for name in _WHAT if name in row]
    if len(kinds) != 1:
        raise ConfigError(f"it says {' and '.join(kinds) or 'nothing'}", f"say one of {', '.join(_WHAT)}")
    kind = kinds[0]
    for name in row:
        if name not in (kind, *_TIMES, *_DETAILS.get(kind, ())):
            raise UnknownNameError("setting", name, (kind, *_TIMES, *_DETAILS.get(kind, ())))
    subject, values = _READERS[kind](row, market) if kind in _READERS else ("", {})
    at_ms, requests = _read_when(row, start_ms)
    if requests is not None and kind not in ("fault", "clear_faults"):
        raise ConfigError(f"{kind} happens at a time", "give it at or after_s")
    return Event(
        kind=kind,
        at_ms=at_ms,
        requests=requests,
        path=str(row.get("path", "*")),
        until_ms=_read_end(row, kind, at_ms),
        announced_ms=None if "announced_s" not in row else start_ms + _read_seconds(row, "announced_s"),
        subject=subject,
        values=values,
    )


def _read_when(row: Mapping[str, Json], start_ms: int) -> tuple[int | None, int | None]:
    given = [name for name in _WHEN if name in row]
    if len(given) != 1:
        raise ConfigError(f"it happens {' and '.join(given) or 'at no time'}", f"give one of {', '.join(_WHEN)}")
    if given == ["at"]:
        return to_ms(parse_instant(str(row["at"]), now=from_ms(start_ms), name="at")), None
    if given == ["after_s"]:
        return start_ms + _read_seconds(row, "after_s"), None
    count = row["after_requests"]
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ConfigError(f"after_requests = {count!r}", "give a whole number of requests")
    return None, count


def _read_end(row: Mapping[str, Json], kind: str, at_ms: int | None) -> int | None:
    if "for_s" not in row:
        return None
    if kind not in ("state", "maintenance", "fault") or at_ms is None:
        raise ConfigError(
            f"for_s does not fit {kind}", "only a fault, a state and maintenance that begin at a time end"
        )
    return at_ms + _read_seconds(row, "for_s")


def _read_seconds(row: Mapping[str, Json], name: str) -> int:
    seconds = row[name]
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 <= seconds < 1e12:
        raise ConfigError(f"{name} = {seconds!r}", "give seconds, 0 or more")
    return int(seconds * 1000)


def _read_instrument(row: Mapping[str, Json], market: Market) -> str:
    name = str(row.get("instrument", ""))
    every = list_every(market)
    if name not in every:
        raise UnknownNameError("instrument", name, every)
    return name


def _read_fault(row: Mapping[str, Json], _: Market) -> tuple[str, Mapping[str, Json]]:
    kind = str(row["fault"])
    if kind not in CATALOGUE:
        raise UnknownNameError("fault", kind, CATALOGUE)
    # Without a count, a fault with an end lasts until it; any other strikes once.
    count, params = row.get("count", None if "for_s" in row else 1), row.get("params", {})
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise ConfigError(f"a fault cannot strike {count!r} times", "give a count of at least 1, or for_s")
    if not isinstance(params, dict):
        raise ConfigError(f"params = {params!r}", "give a table")
    return kind, {"count": count, "params": params}


def _read_state(row: Mapping[str, Json], market: Market) -> tuple[str, Mapping[str, Json]]:
    if row["state"] not in STATES:
        raise UnknownNameError("state", str(row["state"]), STATES)
    return _read_instrument(row, market), {"state": row["state"]}


def _read_change(row: Mapping[str, Json], market: Market) -> tuple[str, Mapping[str, Json]]:
    change = row["change"]
    if not isinstance(change, dict) or not change:
        raise ConfigError(f"change = {change!r}", "give a table of new values")
    values: dict[str, Json] = {}
    for name, value in change.items():
        if name not in CHANGES:
            raise UnknownNameError("value", name, CHANGES)
        try:
            number = parse_decimal(value)
        except OutOfBoundsError:
            number = Decimal(0)
        if number <= 0:
            raise ConfigError(f"{name} = {value!r}", "give a number above zero")
        values[name] = number
    return _read_instrument(row, market), values


def _read_funding(row: Mapping[str, Json], market: Market) -> tuple[str, Mapping[str, Json]]:
    hours = row["funding_hours"]
    if hours not in FUNDING_HOURS or isinstance(hours, bool):
        raise ConfigError(f"funding_hours = {hours!r}", f"choose {', '.join(map(str, FUNDING_HOURS))}")
    return _read_instrument(row, market), {"hours": hours}


def _read_delisting(row: Mapping[str, Json], market: Market) -> tuple[str, Mapping[str, Json]]:
    if row["delist"] is not True:
        raise ConfigError(f"delist = {row['delist']!r}", "write delist = true")
    return _read_instrument(row, market), {}


def _read_fill(row: Mapping[str, Json], market: Market) -> tuple[str, Mapping[str, Json]]:
    try:
        share = parse_decimal(row["fill_resting"])
    except OutOfBoundsError:
        share = Decimal(0)
    if not 0 < share <= 1:
        raise ConfigError(f"fill_resting = {row['fill_resting']!r}", "give a share above 0, at most 1")
    return _read_instrument(row, market), {"share": share}


def _read_cancellation(row: Mapping[str, Json], market: Market) -> tuple[str, Mapping[str, Json]]:
    source = row["cancel_resting"]
    if not isinstance(source, str) or not source.isdigit() or len(source) > 2:
        raise ConfigError(f"cancel_resting = {source!r}", 'give a cancelSource, for example "0"')
    return _read_instrument(row, market), {"source": source}


def _read_maintenance(row: Mapping[str, Json], _: Market) -> tuple[str, Mapping[str, Json]]:
    title, refuse = row["maintenance"], row.get("refuse", False)
    if not isinstance(title, str) or not title or not isinstance(refuse, bool):
        raise ConfigError("maintenance needs a title, and refuse is true or false", 'write maintenance = "Upgrade"')
    if "for_s" not in row:
        raise ConfigError("maintenance without an end", "give for_s")
    return title, {"refuse": refuse}


_READERS = {
    "fault": _read_fault,
    "state": _read_state,
    "change": _read_change,
    "funding_hours": _read_funding,
    "delist": _read_delisting,
    "fill_resting": _read_fill,
    "cancel_resting": _read_cancellation,
    "maintenance": _read_maintenance,
}
