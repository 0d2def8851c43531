"""Whether the stored data are all right: what is wrong, the command that mends each thing, and one line about it all.

Two levels: what must be mended before the data are used, and what is known and stays (bars that the source does not
have, a dataset that ends early). History that ends long ago is all right as history: nothing is wrong with it, but
nobody can trade on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from feature_repo.raw_datasets import CANDLES, DATASETS
from ingestion.coverage import Gap, StoredSummary, find_gaps, summarize
from ingestion.data_page.remedies import write_fetch_command, write_repair_command
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE
from ingestion.listing_times import read_listing_times
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, floor_to
from pairity.universe import short_name
from validation.quarantine import QuarantineItem, read_items

FRESH = 2 * HOUR
"""Age of the newest bar's close up to which data count as live: one hour that is late, and its close."""
BEHIND = DAY
"""How much earlier an instrument's candles, or a dataset, may end than the newest candles; `FRESH` for live candles."""
_NAMED = 4
_OF_EVERY_ASSET = ("funding", "mark_1h", "index_1h", "open_interest")
"""Datasets that an instrument with candles should have too, where any has."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the data. `grave` ones must be mended; `command` does it, empty where nothing can."""

    grave: bool
    text: str
    command: str


@dataclass(frozen=True, slots=True)
class DataStanding:
    """Standing of all data of a venue. `until` is the newest candle's close, `age` from there to now; None without any.

    `gaps` are the holes of the universe's instruments, `withheld` the quarantine's items of the venue that are held.
    """

    venue: str
    summaries: tuple[StoredSummary, ...]
    gaps: tuple[Gap, ...]
    withheld: tuple[QuarantineItem, ...]
    findings: tuple[Finding, ...]
    until: datetime | None
    age: timedelta | None

    @property
    def grave(self) -> tuple[Finding, ...]:
        """What must be mended."""
        return tuple(finding for finding in self.findings if finding.grave)

    @property
    def level(self) -> str:
        """`nothing`, `bad`, `history` or `good`."""
        if self.grave:
            return "bad"
        if not self.summaries:
            return "nothing"
        return "good" if self.age is not None and self.age <= FRESH else "history"

    @property
    def verdict(self) -> str:
        """The verdict on one line, with the command that mends the first thing."""
        newer = f"`{write_fetch_command(self.venue)}`"
        if self.level == "nothing":
            return f"Data: nothing is stored yet: {newer}"
        if self.level == "bad":
            first, *others = self.grave
            more = f" (and {len(others)} more: `pairity data --html`)" if others else ""
            return f"Data NOT all right: {first.text}: `{first.command}`{more}"
        until = "" if self.until is None else f" up to {self.until:%Y-%m-%d %H:%M} UTC"
        lacking = sum(gap.bars for gap in self.gaps)
        until += f", but for {_count(lacking, 'bar')} that the source lacks" if lacking else ""
        if self.level == "good":
            return f"Data all right{until}"
        return f"Data all right as history{until}; newer: {newer}"


def judge_standing(settings: Settings, now: datetime, venue: str | None = None) -> DataStanding:
    """Judge the stored data of a venue (default: that of `features.venue`), without reading any row that is whole.

    LakeCorruptError for files that cannot be read.
    """
    layout = Layout.of(settings)
    lake = Lake(layout, venue=venue or settings.features.venue)
    assets = settings.universe.assets
    summaries = summarize(layout, lake, now)
    ends = _find_ends(lake)
    gaps = _find_all_gaps(lake, assets)
    withheld = tuple(item for item in read_items(layout, state="held") if _is_of(item, lake.venue, settings))
    closes = [last + DATASETS[name].known_after for (name, _), last in ends.items() if name in CANDLES]
    until = max(closes, default=None)
    findings: list[Finding] = []
    if not summaries:
        findings += (replace(found, text=f"nothing is let in: {found.text}") for found in _judge_withheld(withheld))
    else:
        fetch = write_fetch_command(lake.venue)
        findings += _judge_gaps(gaps, write_repair_command(lake.venue))
        findings += _judge_withheld(withheld)
        is_live = until is not None and now - until <= DAY
        findings += _judge_ends(assets, ends, FRESH if is_live else BEHIND, fetch)
        findings += _judge_assets(assets, ends, read_listing_times(layout, lake.venue), fetch)
        if until is not None:
            findings += _judge_datasets(summaries, until, fetch)
        if lake.venue == settings.features.venue and until is not None:
            findings += _judge_features(summaries, until)
    return DataStanding(
        venue=lake.venue,
        summaries=summaries,
        gaps=gaps,
        withheld=withheld,
        findings=tuple(sorted(findings, key=lambda finding: not finding.grave)),
        until=until,
        age=None if until is None else now - until,
    )


def _is_of(item: QuarantineItem, venue: str, settings: Settings) -> bool:
    """Return whether an item holds rows of a venue, or features, which are computed from one."""
    of_venue = (item.venue or HOME_VENUE) if item.dataset in DATASETS else settings.features.venue
    return of_venue == venue


def _find_ends(lake: Lake) -> dict[tuple[str, str], datetime]:
    """Return the time of the newest row per dataset and asset."""
    ends: dict[tuple[str, str], datetime] = {}
    for part in lake.partitions():
        last = lake.manifest(part).last
        if last is not None:
            place = part.dataset, short_name(part.instrument)
            ends[place] = max(last, ends.get(place, last))
    return ends


def _find_all_gaps(lake: Lake, assets: Sequence[str]) -> tuple[Gap, ...]:
    """Return the holes of `assets`; only instruments whose manifests have too few rows are read."""
    spans: dict[tuple[str, str], tuple[datetime, datetime, int]] = {}
    for part in lake.partitions():
        manifest, asset = lake.manifest(part), short_name(part.instrument)
        if asset not in assets or manifest.first is None or manifest.last is None:
            continue
        first, last, rows = spans.get((part.dataset, asset), (manifest.first, manifest.last, 0))
        count = rows + manifest.rows - manifest.superseded
        spans[part.dataset, asset] = min(first, manifest.first), max(last, manifest.last), count
    gaps: list[Gap] = []
    for (dataset, asset), (first, last, rows) in spans.items():
        every = DATASETS[dataset].every
        if every is not None and rows < (last - first) // every + 1:
            gaps += find_gaps(lake, [asset], [dataset])
    return tuple(gaps)


def _judge_gaps(gaps: Sequence[Gap], repair: str) -> Iterator[Finding]:
    unknown = [gap for gap in gaps if not gap.requested]
    known = [gap for gap in gaps if gap.requested]
    if unknown:
        yield Finding(True, f"{_count_holes(unknown)} never asked for, or not answered", repair)
    if known:
        yield Finding(False, f"{_count_holes(known)} that the source did not fill, or that are withheld", repair)


def _count_holes(gaps: Sequence[Gap]) -> str:
    bars, datasets = sum(gap.bars for gap in gaps), sorted({gap.dataset for gap in gaps})
    return f"{_count(len(gaps), 'hole')} ({_count(bars, 'bar')} of {_name_some(datasets)})"


def _judge_withheld(items: Sequence[QuarantineItem]) -> Iterator[Finding]:
    if items:
        rows, datasets = sum(item.rows for item in items), sorted({item.dataset for item in items})
        yield Finding(True, f"{_count(rows, 'row')} of {_name_some(datasets)} withheld", "pairity quarantine list")


def _judge_ends(
    assets: Sequence[str], ends: Mapping[tuple[str, str], datetime], most: timedelta, fetch: str
) -> Iterator[Finding]:
    """Yield instruments of the universe whose candles end more than `most` before the others'."""
    for dataset in CANDLES:
        own = {asset: last for (name, asset), last in ends.items() if name == dataset}
        newest = max(own.values(), default=None)
        late = {asset: newest - own[asset] for asset in assets if newest and asset in own}
        behind = [asset for asset, distance in late.items() if distance > most]
        if behind:
            longest = max(late[asset] for asset in behind)
            span = _count(longest // DAY, "day") if longest >= 2 * DAY else _count(longest // HOUR, "hour")
            yield Finding(True, f"{dataset} of {_name_some(behind)} end up to {span} before the others", fetch)


def _judge_assets(
    assets: Sequence[str],
    ends: Mapping[tuple[str, str], datetime],
    listed: Mapping[str, datetime],
    fetch: str,
) -> Iterator[Finding]:
    """Yield instruments of the universe that lack a dataset altogether."""
    stored = {asset for name, asset in ends if name in CANDLES}
    newest_of_all = max((last for (name, _), last in ends.items() if name in CANDLES), default=None)
    lacking = [asset for asset in assets if asset not in stored]
    young = [asset for asset in lacking if newest_of_all and asset in listed and listed[asset] > newest_of_all]
    never = [asset for asset in lacking if asset not in young]
    if never:
        yield Finding(True, f"no candles of {_name_some(never)}", fetch)
    for dataset in _OF_EVERY_ASSET:
        own_assets = {asset for name, asset in ends if name == dataset}
        without = [asset for asset in assets if own_assets and asset in stored and asset not in own_assets]
        if without:
            yield Finding(False, f"no {dataset} of {_name_some(without)}", fetch)
    if young:
        yield Finding(False, f"{_name_some(young)} not listed yet by then", "")


def _judge_datasets(summaries: Sequence[StoredSummary], until: datetime, fetch: str) -> Iterator[Finding]:
    for item in summaries:
        if item.kind == "raw" and item.name not in CANDLES and item.last is not None and until - item.last > 2 * BEHIND:
            days = (until - item.last) // DAY
            yield Finding(False, f"{item.name} ends {days} days before the candles", fetch)


def _judge_features(summaries: Sequence[StoredSummary], until: datetime) -> Iterator[Finding]:
    views = {item.name: item for item in summaries if item.kind == "features"}
    if not views:
        yield Finding(True, "no features are computed yet", "pairity features")
        return
    newest = max((item.last for item in views.values() if item.last is not None), default=None)
    if newest is not None and floor_to(until, HOUR) - newest >= HOUR:
        hours = (floor_to(until, HOUR) - newest) // HOUR
        yield Finding(True, f"features are {_count(hours, 'hour')} behind the candles", "pairity features")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _name_some(names: Iterable[str]) -> str:
    """Return names for a sentence, the first few of many.

    >>> _name_some("ABCDEF")
    'A, B, C, D and 2 more'
    """
    every = list(names)
    return ", ".join(every[:_NAMED]) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")
