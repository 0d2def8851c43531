"""Inspection of the ledger of trials: whether it can be read, and whether it is as it was written.

The ledger is only ever appended to, never keeps an hour of a trial twice, and numbers the markets and codes of a line
from 0. What breaks one of these was done by somebody else: lines that were copied, put in, taken out or moved. Lines
that are taken off the end leave no trace; against that only a copy helps.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from training.trials.book import count_hours
from training.trials.ledger import TrialLedger
from training.trials.records import BrokenRecordError, LookRecord, ReturnsRecord, parse_record

_RESTORE = "restore {} from a copy"
_MOST_NAMED = 5
_TURN = timedelta(minutes=10)
"""By how much a line may be older than the one above: its time is that from before it waited for its turn."""

_Numbered = tuple[int, ReturnsRecord | LookRecord]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a ledger, what was read, and what mends it."""

    what: str
    fact: str
    remedy: str
    stops: bool = False
    """Whether training, leaderboard and backtests cannot count trials before it is mended."""
    certain: bool = True


def inspect_ledger(ledger: TrialLedger) -> list[Flaw]:
    """Return what is wrong with a ledger; nothing of one that does not exist yet. Nothing is written or locked."""
    path = ledger.path
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except FileNotFoundError:
        return []
    except OSError as error:
        fact = f"{path}: {error.strerror or error}"
        remedy = f"make it a file of yours that you can read (chmod 600), or {_RESTORE.format(path)}"
        return [Flaw("the ledger of trials cannot be read", fact, remedy, stops=True)]
    flaws = []
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        fact = f"mode {stat.S_IMODE(mode):03o} of {path}"
        flaws.append(Flaw("others can change the ledger of trials", fact, f"chmod 600 {path}"))
    records: list[_Numbered] = []
    broken = []
    # What follows the last line feed is what a killed process left: the next record takes its place
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            records.append((number, parse_record(line)))
        except BrokenRecordError as error:
            broken.append(f"line {number}: {error}")
    restore = _RESTORE.format(path)
    if broken:
        flaws.append(Flaw("the ledger of trials is damaged", _name_some(broken), restore, stops=True))
    repeated = [*_find_repeated(records)]
    if repeated:
        what = "the ledger of trials keeps hours of a trial twice"
        flaws.append(Flaw(what, _name_some(repeated), f"{restore}; it writes no hour twice, and the first counts"))
    if (missing := [*_find_missing(records)]) and not broken:
        flaws.append(Flaw("trials were taken out of the ledger", _name_some(missing), restore))
    if moved := [*_find_moved(records)]:
        what = "lines of the ledger of trials are not in the order of their times"
        remedy = f"{restore}, unless the machine's clock was set back"
        flaws.append(Flaw(what, _name_some(moved), remedy, certain=False))
    return flaws


def _find_repeated(records: Sequence[_Numbered]) -> Iterator[str]:
    """Yield the lines that hold hours of a trial, or a look, that an earlier line holds."""
    hours: dict[tuple[str, int], set[int]] = {}
    looks: dict[tuple[str, str], int] = {}
    for number, record in records:
        if isinstance(record, LookRecord):
            first = looks.setdefault((record.line, record.at.isoformat()), number)
            if first != number:
                yield f"line {number} repeats the look of line {first}"
            continue
        known = hours.setdefault((record.run.line, record.variant), set())
        start = count_hours(record.run.first)
        own = range(start, start + len(record.run.returns))
        if twice := sum(hour in known for hour in own):
            yield f"line {number} ({record.run.name or 'a trial'}): {twice:,} hours"
        known.update(own)


def _find_missing(records: Sequence[_Numbered]) -> Iterator[str]:
    """Yield the lines of a market or code whose number has none before it."""
    seen: dict[str, int] = {}
    for number, record in records:
        if isinstance(record, LookRecord):
            continue
        following = seen.get(record.run.line, 0)
        if record.variant > following:
            yield f"line {number} ({record.run.name or 'a trial'}) is number {record.variant}, after {following} others"
        seen[record.run.line] = max(following, record.variant + 1)


def _find_moved(records: Sequence[_Numbered]) -> Iterator[str]:
    """Yield the lines that were written long before the line above them."""
    for (above, earlier), (number, record) in pairwise(records):
        if record.at < earlier.at - _TURN:
            yield (
                f"line {number} is of {record.at:%Y-%m-%d %H:%M:%S} UTC, line {above} of "
                f"{earlier.at:%Y-%m-%d %H:%M:%S} UTC"
            )


def _name_some(faults: Sequence[str]) -> str:
    rest = len(faults) - _MOST_NAMED
    return "; ".join(faults[:_MOST_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
