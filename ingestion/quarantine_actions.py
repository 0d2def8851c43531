"""Actions on rows in quarantine: a person says that they are right, or the venue is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from feature_repo.knowledge_time import released_known_at
from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.asked_again import asking_again
from ingestion.containment import containing
from ingestion.known_from import SAID, Choice, KnownFrom
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE, Partition
from ingestion.lake.spans import Span, union
from ingestion.published import publishing
from ingestion.raw_admission import RawAdmission
from ingestion.sources.protocol import NotServedError, Source, UnitAnswer
from ingestion.sources.reading import Reading
from pairity.errors import ConfigError, DataError, VenueAnswerError
from pairity.layout import Layout
from pairity.names import check_note
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import MINUTE, Clock, month_start
from pairity.universe import inst_id
from validation.quarantine import QuarantineItem, find_item, record_action
from validation.row_rules import infer_grid
from validation.row_verdicts import BROKEN

# What one instant covers in a dataset without a grid.
_INSTANT_ITSELF = timedelta(milliseconds=1)
# Rows that broke one of these rules should never have been: the item is repaired when the venue no longer gives them.
_NEVER_RIGHT = frozenset({"misaligned_times", "future_times"})


_NEXT = {
    "now": "`pairity features` computes what depends on them",
    "then": "features that are stored already become corrections: for history to train on, remove features/ and run "
    "`pairity features`",
}


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """Outcome of a quarantine action: whether the item is closed, and how many rows entered the lake."""

    item: QuarantineItem
    closed: bool
    rows: int
    message: str


def release(
    settings: Settings, id_: str, reason: str, *, now: datetime, known_from: KnownFrom = "now"
) -> ActionOutcome:
    """Take the rows of an item as right: they are known from `now` on and not withheld for those rules again.

    With `known_from="then"` raw rows keep the knowledge time that they came with, and the choice is recorded. It is for
    history that nobody traded on: what is trained on it sees rows that a process at that time would not have seen.
    Feature rows are published by the next ingestion. ConfigError without a reason that can be recorded, for an item
    that is closed, for features that are to be known from then, and where one instant has several versions (which one
    is right cannot be said by releasing both).
    """
    reason = check_note(reason, "--reason")
    item = _find_open(settings, id_)
    rows = item.read_rows().drop(BROKEN)
    added = 0
    if item.dataset in DATASETS:
        kind, lake = DATASETS[item.dataset], Lake(Layout.of(settings), venue=item.venue or HOME_VENUE)
        if rows[kind.time].is_duplicated().any():
            raise ConfigError(
                f"{item.id} holds several versions of one instant", f"pairity quarantine repair {item.id}"
            )
        known = rows if known_from == "then" else rows.with_columns(released_known_at(now))
        with publishing(lake, settings):
            # The rows first: a kill in between leaves the item open, and releasing it again adds nothing.
            added = lake.write(item.dataset, item.entity, known, covered=_spans_of(item, rows), arrived_at=now)
            record_action(item, "release", f"{reason} ({SAID[known_from]})", now=now)
    elif known_from == "then":
        raise ConfigError(
            f"{item.id} holds features, which are known when their inputs are",
            "release the raw rows that they come from",
        )
    else:
        record_action(item, "release", reason, now=now)
    return ActionOutcome(
        item=find_item(Layout.of(settings), item.id),
        closed=True,
        rows=added,
        message=f"released {format_count(item.rows, 'row')}, {SAID[known_from]}; "
        f"{_say_next(settings, item, known_from)}",
    )


def _say_next(settings: Settings, item: QuarantineItem, known_from: KnownFrom) -> str:
    """Return which command computes what depends on released rows: of another venue's, not that of the settings."""
    venue = item.venue or HOME_VENUE
    if item.dataset not in DATASETS or venue == settings.features.venue:
        return _NEXT[known_from]
    return (
        f"features here are of venue {settings.features.venue}, and those of {venue} are computed by: "
        f"PAIRITY_FEATURES__VENUE={venue} pairity features"
    )


async def repair(
    settings: Settings,
    id_: str,
    clock: Clock,
    *,
    source_name: str | None = None,
    folder: Path | None = None,
    reading: Reading | None = None,
    known_from: KnownFrom = "now",
) -> ActionOutcome:
    """Ask the source again for exactly the instants of an item, and judge its answer anew.

    The source is that of the item's venue, or the one that is named; one that reads files needs their `folder`, and
    `reading` where they were collected with it. The item is closed when every instant now has an accepted row, or is
    off the grid and no longer given. Rows that come are known from now on; with `known_from="then"` they keep the time
    that their source gives them, and the choice is recorded. ConfigError for features (repair the raw rows they come
    from), for datasets that the source does not give, and for rows of files where no source is named.
    """
    item = _find_open(settings, id_)
    remedy = f"pairity quarantine release {item.id} --reason …"
    if item.dataset not in DATASETS:
        raise ConfigError(f"{item.dataset} cannot be asked for again row by row", remedy)
    async with asking_again(settings, item.venue or HOME_VENUE, source_name, folder, reading) as source:
        if item.dataset not in source.datasets:
            raise ConfigError(f"{item.dataset} cannot be asked for again: {source.name} does not give it", remedy)
        rows, reasons = await _fetch_again(source, item)
    return _admit_answer(settings, item, rows, reasons, clock.now(), known_from)


def _admit_answer(
    settings: Settings,
    item: QuarantineItem,
    rows: pl.DataFrame,
    reasons: Sequence[str],
    now: datetime,
    known_from: KnownFrom,
) -> ActionOutcome:
    """Publish the sound rows of the source's answer, and close the item if they stand for all of its instants."""
    layout, kind = Layout.of(settings), DATASETS[item.dataset]
    lake = Lake(layout, venue=item.venue or HOME_VENUE)
    with publishing(lake, settings):
        withheld = _admit_months(settings, lake, item, rows, now, known_from)
        bad = set(withheld[kind.time].to_list())
        good = set(rows[kind.time].to_list()) - bad
        instants = set(item.read_rows()[kind.time].drop_nulls().to_list())
        # An instant that should never have been and is no longer given is as good as repaired.
        withdrawn = instants - bad if _NEVER_RIGHT & set(item.rules) else set()
        lacking = instants - good - withdrawn
        if not lacking:
            if find_item(layout, item.id).state == "held":  # else admission has closed it: good rows came for all of it
                record_action(item, "repair", "the venue no longer gives these rows", now=now)
            message = (
                f"repaired {format_count(item.rows, 'row')}, {SAID[known_from]}; "
                f"{_say_next(settings, item, known_from)}"
            )
        else:
            message = f"{len(lacking)} of {format_count(len(instants), 'instant')} still wrong or missing at the venue"
            came = [f"{len(good)} came, {SAID[known_from]}"] if good else []
            message = "; ".join([message, *came, *reasons])
            record_action(item, "repair failed", message, now=now)
    return ActionOutcome(find_item(layout, item.id), not lacking, len(good), message)


def _admit_months(
    settings: Settings, lake: Lake, item: QuarantineItem, rows: pl.DataFrame, now: datetime, known_from: KnownFrom
) -> pl.DataFrame:
    """Let `rows` in month by month; returns those that are withheld."""
    kind = DATASETS[item.dataset]
    admission = RawAdmission(AdmissionRecord(settings=settings, now=now), Choice(known_from))
    months = sorted({month_start(instant) for instant in rows[kind.time].to_list()})
    withheld = [rows.clear().with_columns(pl.lit(None, pl.List(pl.String)).alias(BROKEN))]
    for month in months:
        partition = Partition(item.dataset, inst_id(item.entity), month, lake.venue)
        own = rows.filter(pl.col(kind.time).is_between(month, partition.end, closed="left"))
        withheld.append(admission.admit_batch(partition, own, lake))
    return pl.concat(withheld)


async def _fetch_again(source: Source, item: QuarantineItem) -> tuple[pl.DataFrame, list[str]]:
    """Return what the source gives today for the instants of the item, and what could not be used of it."""
    kind, reasons = DATASETS[item.dataset], list[str]()
    frames = [kind.empty()]
    spans = _spans_of(item, item.read_rows())
    # Settlements may come some milliseconds late.
    late = MINUTE if item.dataset == "funding" else timedelta()
    for unit in (unit for since, until in spans for unit in source.units(item.dataset, since, until + late)):
        try:
            with containing(source.name, item.dataset, item.entity):
                answer = await source.fetch(item.dataset, item.entity, *unit)
        except NotServedError:  # then its instants stay wrong or missing, which is what is reported
            continue
        except (VenueAnswerError, DataError) as error:
            reasons.append(error.what)
            continue
        if isinstance(answer, UnitAnswer):
            reasons += answer.left_out
            answer = answer.rows
        if answer is not None:
            frames.append(answer)
    rows = pl.concat(frames).unique(maintain_order=True)
    own = pl.any_horizontal(pl.lit(False), *(pl.col(kind.time).is_between(*span, closed="left") for span in spans))
    return rows.filter(own), reasons


def _find_open(settings: Settings, id_: str) -> QuarantineItem:
    """Return the item whose id begins so; ConfigError where it is closed."""
    item = find_item(Layout.of(settings), id_)
    if item.state != "held":
        raise ConfigError(f"quarantine item {item.id} is closed already: {item.state}", "see pairity quarantine show")
    return item


def _spans_of(item: QuarantineItem, rows: pl.DataFrame) -> tuple[Span, ...]:
    """Return the ranges that `rows` of the item cover: a bar each, or the instant itself where there are no bars."""
    kind = DATASETS[item.dataset]
    length = _INSTANT_ITSELF if item.dataset == "funding" else infer_grid(kind) or _INSTANT_ITSELF
    return union((instant, instant + length) for instant in rows[kind.time].drop_nulls().to_list())
