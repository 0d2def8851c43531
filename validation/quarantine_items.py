"""One item of the quarantine on disk: the folder `quarantine/<dataset>/<partition>/<id>/`.

Its `rows.parquet` has the rows as they came with `broken_rules`, `reason.json` says why they were withheld, and
`journal.jsonl` lists what has been done about them. The id follows from dataset, partition, rules and values: the same
rows again are the same item. `validation.quarantine` has all items.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from feature_repo.stored_tables import read_stored
from pairity.bounded_files import read_json_file, read_text_file
from pairity.bounded_json import OWN_FILE, parse_json
from pairity.bounded_numbers import parse_int, show
from pairity.digest import digest_bytes
from pairity.durable import append_line, make_folder, move_folder, remove_unfinished, temporary_path
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from validation.row_rules import find_time_column
from validation.row_verdicts import list_value_columns
from validation.rules import FailedRule
from validation.suites import explain_rule

REASON = "reason.json"
_ROWS, _JOURNAL = "rows.parquet", "journal.jsonl"
_ID_LENGTH = 12
_KEY = re.compile(r"\w[\w-]*(?:/\w[\w.:-]*){0,2}")
_REMEDY = "delete the folder if it is of no use"
State = Literal["held", "released", "repaired"]
"""`held` is the word of the files and of the command line for rows that are withheld."""
_STATE_AFTER: dict[str, State] = {"release": "released", "repair": "repaired", "held again": "held"}


@dataclass(frozen=True, slots=True)
class QuarantineAction:
    """One line of an item's journal. `release` and `repair` close the item, `held again` opens it again.

    `repair failed` changes nothing.
    """

    at: datetime
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class QuarantineItem:
    """Rows of one partition that broke the same rules. `first` and `last` are their times, None where none has one."""

    id: str
    dataset: str
    key: str
    at: datetime
    rows: int
    first: datetime | None
    last: datetime | None
    failed: tuple[FailedRule, ...]
    journal: tuple[QuarantineAction, ...]
    path: Path

    @property
    def entity(self) -> str:
        """The asset or pair."""
        return self.key.partition("/")[0]

    @property
    def venue(self) -> str:
        """The venue whose lake the rows were meant for; empty for the venue that is traded, and for features."""
        return self.key.split("/")[2] if self.key.count("/") > 1 else ""

    @property
    def state(self) -> State:
        """State after the last line of the journal that changed it."""
        states = [_STATE_AFTER[entry.action] for entry in self.journal if entry.action in _STATE_AFTER]
        return states[-1] if states else "held"

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules that were broken."""
        return tuple(rule.rule for rule in self.failed)

    @property
    def rows_path(self) -> Path:
        """The file of the rows."""
        return self.path / _ROWS

    def read_rows(self) -> pl.DataFrame:
        """Read the rows as they came, with `broken_rules`; LakeCorruptError where their file cannot be read."""
        try:
            return read_stored(self.rows_path, _REMEDY)
        except FileNotFoundError:
            raise LakeCorruptError(f"{self.rows_path} is gone", _REMEDY) from None


def record_action(item: QuarantineItem, action: str, reason: str, *, now: datetime) -> None:
    """Append one action to the item's journal."""
    entry = {"at": now.isoformat(), "action": action, "reason": reason}
    append_line(item.path / _JOURNAL, json.dumps(entry, ensure_ascii=False))


def keep_item(
    layout: Layout, dataset: str, key: str, rules: Sequence[str], rows: pl.DataFrame, now: datetime
) -> QuarantineItem:
    """Write the item, whole or not at all; an item that was closed and whose rows are back is opened again."""
    values = rows.select(list_value_columns(rows)).write_csv().encode()
    identity = "\n".join((dataset, key, *rules)).encode()
    id_ = digest_bytes(identity + values)[:_ID_LENGTH]
    target = layout.quarantine / dataset / _folder(key) / id_
    if (target / REASON).exists():
        item = read_item(target / REASON)
        record_action(item, "held again", "the venue gave the same rows again", now=now)
        return read_item(target / REASON)
    remove_unfinished(target.parent)
    staging = temporary_path(target)
    make_folder(staging)
    rows.write_parquet(staging / _ROWS)
    (staging / REASON).write_text(json.dumps(_reason(id_, dataset, key, rules, rows, now), indent=2) + "\n")
    move_folder(staging, target)
    return read_item(target / REASON)


def _reason(
    id_: str, dataset: str, key: str, rules: Sequence[str], rows: pl.DataFrame, now: datetime
) -> dict[str, Any]:
    times = rows[find_time_column(dataset)].drop_nulls()
    failed = [FailedRule(rule, float(rows.height), explain_rule(dataset, rule)) for rule in rules]
    ends = {"first": times.min(), "last": times.max()} if len(times) else {"first": None, "last": None}
    return {
        "id": id_,
        "dataset": dataset,
        "key": key,
        "at": now.isoformat(),
        "rows": rows.height,
        **{name: end.isoformat() if isinstance(end, datetime) else None for name, end in ends.items()},
        "failed": [asdict(rule) for rule in failed],
    }


def read_item(path: Path) -> QuarantineItem:
    """Read the item whose `reason.json` is `path`; LakeCorruptError where it cannot be read."""
    try:
        reason = read_json_file(path)
        failed = tuple(
            FailedRule(str(rule["rule"]), float(rule["observed"]), str(rule["meaning"])) for rule in reason["failed"]
        )
        first, last = (_instant(reason[name]) if reason[name] else None for name in ("first", "last"))
        # What it is about decides which files are written when it is released.
        own = reason["dataset"], _folder(reason["key"]), reason["id"]
        if own != tuple(folder.name for folder in reversed(path.parents[:3])) or not _KEY.fullmatch(reason["key"]):
            raise ValueError("it is about another dataset, partition or id than its folder")
        return QuarantineItem(
            id=reason["id"],
            dataset=reason["dataset"],
            key=reason["key"],
            at=_instant(reason["at"]),
            rows=parse_int(reason["rows"], 0),
            first=first,
            last=last,
            failed=failed,
            journal=_journal(path.with_name(_JOURNAL)),
            path=path.parent,
        )
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise LakeCorruptError(f"{path} cannot be read: {type(error).__name__} {error}", _REMEDY) from None


def _journal(path: Path) -> tuple[QuarantineAction, ...]:
    if not path.exists():
        return ()
    entries = [parse_json(line) for line in read_text_file(path, OWN_FILE.size).splitlines()]
    return tuple(
        QuarantineAction(_instant(entry["at"]), str(entry["action"]), str(entry["reason"])) for entry in entries
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{show(text)} names no time zone")
    return at


def _folder(key: str) -> str:
    return key.replace("/", "_")
