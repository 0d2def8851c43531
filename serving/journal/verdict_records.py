"""Records of parity checks: what was compared, what differed and why, and which differences still stand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pairity.number_formats import format_count
from pairity.printable import printable_line

WAYS = ("job", "command", "promotion", "training")
"""Who asked for a check."""
_TIMES = ("at", "since", "first_bar", "last_bar", "last_different")
_COUNTS = ("decisions", "values", "different", "missing", "extra")
_MOST_EXAMPLES = 20
_LONGEST_EXAMPLE = 300
_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityVerdict:
    """Verdict of one parity check: the values that were decided on against the offline store's."""

    verdict_id: str
    at: datetime
    """When the check ended, by this machine's clock."""
    by: str
    """One of WAYS."""
    since: datetime | None
    """Decisions on bars that closed before were not looked at; None: all from the first one on."""
    first_bar: datetime
    last_bar: datetime
    """Closes of the first and the last bar whose decisions were compared."""
    decisions: int
    values: int
    different: int
    missing: int
    """Of those that differ: read as null where the store knew a value."""
    extra: int
    """Of those that differ: read where the store knew nothing."""
    last_different: datetime | None
    """Close of the last bar of which a value differs; None where none does."""
    causes: Mapping[str, int]
    """Values that differ by cause, as `serving.parity_causes` names them."""
    examples: tuple[str, ...]
    """The first values that differ, in words."""
    recorded_at: datetime | None = None
    """When the trading process took it into the journal, by the clock in use; None while it waits."""

    def explain(self) -> str:
        """Say in one line what was found.

        A clean one: "parity of 24 decisions up to the bar of 2026-01-05 00:00 UTC: 2,640 values are identical".
        """
        decisions = format_count(self.decisions, "decision")
        what = f"parity of {decisions} up to the bar of {self.last_bar:%Y-%m-%d %H:%M} UTC"
        if not self.different:
            return f"{what}: {format_count(self.values, 'value')}, all identical"
        causes = ", ".join(f"{count:,} {cause}" for cause, count in sorted(self.causes.items()))
        first = f"; first {self.examples[0]}" if self.examples else ""
        return f"{what}: {self.different:,} of {format_count(self.values, 'value')} differ ({causes}){first}"

    def to_json(self) -> str:
        """Return it as JSON, for a file or a column; `recorded_at` is not part of it."""
        row = {name: value for name, value in asdict(self).items() if name != "recorded_at"}
        times = {name: None if row[name] is None else row[name].isoformat() for name in _TIMES}
        return json.dumps({**row, **times, "examples": list(self.examples)}, ensure_ascii=False)

    @classmethod
    def from_row(cls, row: Mapping[str, object], recorded_at: datetime | None = None) -> ParityVerdict:
        """Return the verdict of an object that `to_json` wrote; ValueError for any other."""
        try:
            times = {name: _read_time(row[name]) for name in _TIMES}
            counts = {name: _read_count(row[name]) for name in _COUNTS}
            causes, examples, verdict_id, by = row["causes"], row["examples"], row["verdict_id"], row["by"]
        except KeyError as error:
            raise ValueError(f"{error} is missing") from None
        at, first, last = times["at"], times["first_bar"], times["last_bar"]
        if (
            at is None
            or first is None
            or last is None
            or (counts["different"] > 0) is (times["last_different"] is None)
        ):
            raise ValueError("a time is missing")
        if not isinstance(verdict_id, str) or not verdict_id.isalnum() or by not in WAYS:
            raise ValueError("its id or its way is of another form")
        if not isinstance(causes, dict) or not isinstance(examples, list) or counts["decisions"] < 1:
            raise ValueError("a part of it is of another type")
        return cls(
            verdict_id=verdict_id,
            at=at,
            by=str(by),
            since=times["since"],
            first_bar=first,
            last_bar=last,
            last_different=times["last_different"],
            causes={printable_line(str(name)): _read_count(count) for name, count in causes.items()},
            examples=tuple(printable_line(str(one))[:_LONGEST_EXAMPLE] for one in examples[:_MOST_EXAMPLES]),
            recorded_at=recorded_at,
            **counts,
        )


def find_checked_until(verdicts: Iterable[ParityVerdict]) -> datetime | None:
    """Return the close of the last bar up to which every decision was compared; None where the first ones were not.

    A check of later bars alone does not count: between it and the one before are decisions that nobody compared.
    """
    reached: datetime | None = None
    for verdict in sorted(verdicts, key=lambda one: one.at):
        follows = verdict.since is None or (reached is not None and verdict.since <= reached + _NEXT)
        if follows:
            reached = verdict.last_bar if reached is None else max(reached, verdict.last_bar)
    return reached


def find_next_bar(verdicts: Iterable[ParityVerdict]) -> datetime | None:
    """Return from which instant on bars were not compared yet; None: from the first one on."""
    reached = find_checked_until(verdicts)
    return None if reached is None else reached + _NEXT


def find_standing(verdicts: Sequence[ParityVerdict]) -> ParityVerdict | None:
    """Return the newest verdict with differences that still stands; None where there is none.

    It stands until a later check finds everything identical that reaches its last differing bar at least: the same
    decisions once the store is mended, or the decisions since.
    """
    standing: list[ParityVerdict] = []
    for verdict in sorted(verdicts, key=lambda one: one.at):
        if verdict.different:
            standing.append(verdict)
        else:
            standing = [one for one in standing if one.last_different and one.last_different > verdict.last_bar]
    return standing[-1] if standing else None


def _read_time(value: object) -> datetime | None:
    if value is None:
        return None
    time = datetime.fromisoformat(value) if isinstance(value, str) else None
    if time is None or time.tzinfo is None:
        raise ValueError("a time is of another form")
    return time


def _read_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a count is of another type")
    return value
