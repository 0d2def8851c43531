"""Settings that a data directory was made with: those that change what is stored in it, kept in its `settings.json`.

Features of one venue, universe and window are not comparable with those of another one, and neither are decisions about
bars of another length. So a directory remembers what the first command that stored something used, and later commands
compare. Settings that change nothing that is stored (a study's, a model's, those of trading) are not among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pairity.bounded_files import read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import replace_file, take_turns
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.number_formats import format_plain
from pairity.settings import Settings

Values = Mapping[str, Any]
"""Name of a setting → value as JSON has it."""
INTERVAL, EXCHANGE = "serve.interval_minutes", "exchange"
_ASSETS = frozenset({"universe.assets", "universe.pair_assets"})
_NOT_STORED = {
    "features": {"bar_interval", "ttl_hours", "decision_lag_s"},
    "vwap": {"rebalancing_hour", "top"},
    "universe": set[str](),
}
"""Sections whose settings change what is stored, without those that do not."""
_FORMAT = 1
_MOST_SHOWN = 12


class Change(StrEnum):
    """Kind of a difference."""

    GROWN = "grown"
    """Assets were added, and the order of the others is as it was: pairs keep their ids."""
    NARROWED = "narrowed"
    """Assets are left out, and the order of the others is as it was."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not the remembered one."""

    name: str
    remembered: Any
    now: Any

    @property
    def change(self) -> Change:
        """Kind of the difference."""
        if self.name not in _ASSETS or not isinstance(self.remembered, list) or not isinstance(self.now, list):
            return Change.OTHER
        if _is_part(self.remembered, self.now):
            return Change.GROWN
        return Change.NARROWED if _is_part(self.now, self.remembered) else Change.OTHER

    def __str__(self) -> str:
        return f"{self.name} is remembered as {write_value(self.remembered)} and is {write_value(self.now)} now"


def collect_values(settings: Settings, *, interval: bool = False, exchange: str | None = None) -> dict[str, Any]:
    """Return what of the settings changes what is stored.

    The length of bars is among it with `interval` (the trading process), the exchange where it is named.
    """
    found: dict[str, Any] = {}
    for section, left_out in _NOT_STORED.items():
        values = getattr(settings, section).model_dump(mode="json", exclude=left_out)
        found |= {f"{section}.{name}": value for name, value in values.items()}
    if interval:
        found[INTERVAL] = settings.serve.interval_minutes
    if exchange is not None:
        found[EXCHANGE] = exchange
    return found


def locate_record(layout: Layout) -> Path:
    """Return the file that remembers the settings; it need not exist."""
    return layout.root / "settings.json"


def read_remembered(layout: Layout) -> dict[str, Any] | None:
    """Return the remembered settings; None where there are none, and where nothing was stored since.

    DataError for a file that cannot be read, with the command that writes it anew.
    """
    # A first command that stored nothing binds nobody: whoever corrects his settings then starts afresh
    record = _read(layout) if has_data(layout) else None
    return None if record is None else record.values


def read_of_running(layout: Layout) -> dict[str, Any] | None:
    """Return the settings of another process that runs and has just made the record, having stored nothing yet."""
    record = None if has_data(layout) else _read(layout)
    is_other = record is not None and record.process != os.getpid() and _is_alive(record.process)
    return record.values if record is not None and is_other else None


def has_data(layout: Layout) -> bool:
    """Return whether anything that depends on settings was ever stored: an empty folder is nothing."""
    return layout.journal.exists() or any(
        map(_holds_something, (layout.lake, layout.features, layout.mlflow, layout.quarantine))
    )


def _holds_something(folder: Path) -> bool:
    try:
        return any(not entry.name.startswith(".") for entry in folder.iterdir())
    except FileNotFoundError:
        return False
    except OSError:  # what stands there is no folder, or cannot be read: it is something
        return True


def find_differences(remembered: Values, now: Values) -> list[Difference]:
    """Return the settings of both that differ, in the order of `now`."""
    return [
        Difference(name, remembered[name], value)
        for name, value in now.items()
        if name in remembered and remembered[name] != value
    ]


def remember_first(layout: Layout, values: Values) -> list[Difference]:
    """Make the record, unless another process that still runs made it with other values: return these then.

    DataError for a record that cannot be read, OSError where the data directory cannot be written.
    """
    with _taking_turns(layout):
        record = _read(layout)
        if record is not None and record.process != os.getpid() and (has_data(layout) or _is_alive(record.process)):
            if differences := find_differences(record.values, values):
                return differences
            values = {**record.values, **values}
        _write(layout, values)
    return []


def remember(layout: Layout, values: Values, *, forget: Collection[str] = ()) -> None:
    """Put values into the record, which is made if needed, and take those to `forget` out; what else it has stays.

    What cannot be read is replaced. OSError where the data directory cannot be written.
    """
    with _taking_turns(layout):
        try:
            record = _read(layout)
        except DataError:
            record = None
        known = {} if record is None else record.values
        _write(layout, {name: value for name, value in {**known, **values}.items() if name not in forget})


def write_value(value: object) -> str:
    """Return a value as a message has it: long lists are cut."""
    if isinstance(value, list):
        more = f" and {len(value) - _MOST_SHOWN} more" if len(value) > _MOST_SHOWN else ""
        return ", ".join(map(str, value[:_MOST_SHOWN])) + more
    if isinstance(value, float):
        return format_plain(value, 15)
    return "not set" if value is None else str(value)


def _is_part(part: Iterable[object], whole: list[object]) -> bool:
    """Return whether `part` is `whole` without some of it, in the same order."""
    left = iter(whole)
    return all(item in left for item in part)


@dataclass(frozen=True, slots=True)
class _Record:
    values: dict[str, Any]
    process: int
    """Process that wrote it."""


def _read(layout: Layout) -> _Record | None:
    path = locate_record(layout)
    try:
        content = read_json_file(path)
    except FileNotFoundError:
        return None
    except OutOfBoundsError as error:
        raise _damaged(path, error.what) from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise _damaged(path, "it is no record of settings")
    values, process = content.get("settings"), content.get("process")
    if not isinstance(values, dict) or not isinstance(process, int):
        raise _damaged(path, "it is no record of settings")
    return _Record(values, process)


def _write(layout: Layout, values: Values) -> None:
    content = {"format": _FORMAT, "process": os.getpid(), "settings": dict(values)}
    replace_file(locate_record(layout), json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")


def _taking_turns(layout: Layout) -> AbstractContextManager[None]:
    return take_turns(layout.root / ".settings.lock")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process > 0


def _damaged(path: Path, why: str) -> DataError:
    remedy = "write it anew from the present settings: pairity settings --accept"
    return DataError(f"{path} cannot be read: {why}", remedy)
