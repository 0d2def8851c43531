"""Quarantine: rows that were withheld, with the rules they broke, until they are released or repaired.

An item is the folder `quarantine/<dataset>/<partition>/<id>/`. Its `rows.parquet` has the rows as they came with
`broken_rules`, `reason.json` says why they were withheld, and `journal.jsonl` lists what has been done about them. The
id follows from dataset, partition, rules and values: the same rows again are the same item. Only one process at a time
(the data directory's writer) may write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from feature_repo.raw_datasets import DATASETS
from pairity.digest import digest_bytes
from pairity.durable import append_line, make_folder, move_folder, remove_unfinished, temporary_path
from pairity.errors import ConfigError, LakeCorruptError, UnknownNameError
from pairity.layout import Layout
from validation.row_rules import find_time_column
from validation.row_verdicts import BROKEN, ReleasedRows, list_value_columns
from validation.rules import FailedRule
from validation.suites import explain_rule

_REASON, _ROWS, _JOURNAL = "reason.json", "rows.parquet", "journal.jsonl"
_ID_LENGTH = 12
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

    def read_rows(self) -> pl.DataFrame:
        """Read the rows as they came, with `broken_rules`."""
        return pl.read_parquet(self.path / _ROWS, glob=False)


def withhold(layout: Layout, dataset: str, key: str, withheld: pl.DataFrame, *, now: datetime) -> list[QuarantineItem]:
    """Put `withheld` rows (with `broken_rules`) into quarantine; return the items that are new or open again.

    There is one item per combination of rules. Rows that are withheld already for the same rules make no new item.
    """
    items = []
    for (names,), rows in withheld.group_by(pl.col(BROKEN).list.join("+"), maintain_order=True):
        rules = str(names).split("+")
        known = [
            item for item in read_items(layout, dataset, key) if item.rules == tuple(rules) and item.state == "held"
        ]
        new_rows = _unknown(rows, known)
        if new_rows.height:
            items.append(_keep(layout, dataset, key, rules, new_rows, now))
    return items


def read_items(
    layout: Layout, dataset: str = "*", key: str = "*", *, state: State | None = None
) -> list[QuarantineItem]:
    """Return all items by dataset, partition and age; LakeCorruptError names a file that cannot be read."""
    items = [
        _read(path)
        for path in sorted(layout.quarantine.glob(f"{dataset}/{_folder(key)}/*/{_REASON}"))
        if not path.parent.name.startswith(".")
    ]
    return sorted(
        (item for item in items if state is None or item.state == state),
        key=lambda item: (item.dataset, item.key, item.at, item.id),
    )


def find_item(layout: Layout, id_: str) -> QuarantineItem:
    """Return the item whose id begins with `id_`; UnknownNameError lists all ids, ConfigError if several begin so."""
    everything = read_items(layout)
    matching = [item for item in everything if id_ and item.id.startswith(id_)]
    if not matching:
        raise UnknownNameError("quarantine item", id_, [item.id for item in everything])
    if len(matching) > 1:
        raise ConfigError(f"{id_!r} begins {len(matching)} quarantine items", "give more of the id")
    return matching[0]


def record_action(item: QuarantineItem, action: str, reason: str, *, now: datetime) -> None:
    """Append one action to the item's journal."""
    entry = {"at": now.isoformat(), "action": action, "reason": reason}
    append_line(item.path / _JOURNAL, json.dumps(entry, ensure_ascii=False))


def read_released(layout: Layout, dataset: str, entity: str, venue: str = "") -> list[ReleasedRows]:
    """Read the rows of one asset or pair that a person has declared right."""
    items = [item for item in read_items(layout, dataset, f"{entity}_*", state="released") if item.venue == venue]
    return [ReleasedRows(entity, frozenset(item.rules), item.read_rows(), item.journal[-1].at) for item in items]


def read_withheld_instants(layout: Layout, venue: str = "") -> pl.DataFrame:
    """Return dataset, asset and time of every raw row of a venue that is neither released nor repaired."""
    frames = [
        item.read_rows().select(
            pl.lit(item.dataset).alias("dataset"),
            pl.lit(item.entity).alias("asset"),
            pl.col(find_time_column(item.dataset)).alias("time"),
        )
        for item in read_items(layout, state="held")
        if item.dataset in DATASETS and item.venue == venue
    ]
    schema: dict[str, pl.DataType] = {"dataset": pl.String(), "asset": pl.String(), "time": pl.Datetime("us", "UTC")}
    return pl.concat([pl.DataFrame(schema=schema), *frames]).drop_nulls().unique().sort("dataset", "asset", "time")


def explain_withheld(layout: Layout, event: datetime, since: datetime) -> dict[str, str]:
    """Explain per asset or pair which of its rows in [since, event] are withheld: why features are null or missing."""
    lines_by_entity: dict[str, list[str]] = {}
    for item in read_items(layout, state="held"):
        if item.first is not None and item.last is not None and item.first <= event and item.last >= since:
            lines = lines_by_entity.setdefault(item.entity, [])
            lines.append(f"held back: {item.dataset} {'+'.join(item.rules)} ({item.id})")
    return {entity: "; ".join(lines) for entity, lines in lines_by_entity.items()}


def _unknown(rows: pl.DataFrame, known: Iterable[QuarantineItem]) -> pl.DataFrame:
    on = list_value_columns(rows)
    for item in known:
        rows = rows.join(item.read_rows().select(on), on=on, how="anti", nulls_equal=True, maintain_order="left")
    return rows


def _keep(
    layout: Layout, dataset: str, key: str, rules: Sequence[str], rows: pl.DataFrame, now: datetime
) -> QuarantineItem:
    """Write the item, whole or not at all; an item that was closed and whose rows are back is opened again."""
    values = rows.select(list_value_columns(rows)).write_csv().encode()
    identity = "\n".join((dataset, key, *rules)).encode()
    id_ = digest_bytes(identity + values)[:_ID_LENGTH]
    target = layout.quarantine / dataset / _folder(key) / id_
    if (target / _REASON).exists():
        item = _read(target / _REASON)
        record_action(item, "held again", "the venue gave the same rows again", now=now)
        return _read(target / _REASON)
    remove_unfinished(target.parent)
    staging = temporary_path(target)
    make_folder(staging)
    rows.write_parquet(staging / _ROWS)
    (staging / _REASON).write_text(json.dumps(_reason(id_, dataset, key, rules, rows, now), indent=2) + "\n")
    move_folder(staging, target)
    return _read(target / _REASON)


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


def _read(path: Path) -> QuarantineItem:
    try:
        reason = json.loads(path.read_text())
        failed = tuple(FailedRule(**rule) for rule in reason["failed"])
        first, last = (datetime.fromisoformat(reason[name]) if reason[name] else None for name in ("first", "last"))
        return QuarantineItem(
            id=reason["id"],
            dataset=reason["dataset"],
            key=reason["key"],
            at=datetime.fromisoformat(reason["at"]),
            rows=reason["rows"],
            first=first,
            last=last,
            failed=failed,
            journal=_journal(path.with_name(_JOURNAL)),
            path=path.parent,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeCorruptError(f"{path} cannot be read: {error}", "delete the folder if it is of no use") from None


def _journal(path: Path) -> tuple[QuarantineAction, ...]:
    if not path.exists():
        return ()
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return tuple(
        QuarantineAction(datetime.fromisoformat(entry["at"]), entry["action"], entry["reason"]) for entry in entries
    )


def _folder(key: str) -> str:
    return key.replace("/", "_")
