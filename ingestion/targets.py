"""What a run collects: ranges of datasets, clipped to closed bars, with stand-ins for what a venue may lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from feature_repo.raw_datasets import find_dataset as declared
from ingestion.lake.spans import Span
from pairity.errors import TimeRangeError
from pairity.timeline import HOUR, MINUTE, ceil_to, floor_to, format_instant, last_closed

# The instant of a close belongs to a range of settlements: a rate settled at a close is known with that close.
_CLOSE_ITSELF = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Target:
    """What to collect of every instrument: the first of `spans` (dataset → range) that the source serves.

    `name` is what failures call it. An instrument that lacks a `required` target is of no use: nothing else of it is
    collected.
    """

    name: str
    spans: Mapping[str, Span]
    required: bool = False

    @classmethod
    def of(cls, dataset: str, span: Span) -> Target:
        """Return the target of one dataset without a stand-in."""
        return cls(dataset, {dataset: span})


def targets_of_ingest(datasets: Sequence[str], since: datetime, until: datetime) -> list[Target]:
    """Return what the pipeline collects for [since, until): candles, and `datasets` besides.

    An instrument without minutes has native hours instead. `until` is the close of a minute. UnknownNameError for a
    dataset that does not exist.
    """
    hours = ceil_to(since, HOUR), floor_to(until, HOUR)
    candles = Target("candles", {"candles_1m": (since, until), "candles_1h": hours}, required=True)
    others = (name for name in datasets if name not in candles.spans)
    return [candles, *(Target.of(name, _whole_bars(name, since, until)) for name in others)]


def clip_to_closed(since: datetime, until: datetime, venue_now: datetime) -> datetime:
    """Return `until`, but not beyond the venue's last closed minute."""
    closed = last_closed(venue_now, MINUTE)
    if since >= closed:
        raise TimeRangeError(
            f"since {format_instant(since)} is not before the venue's last closed bar, {format_instant(closed)}",
            "give --since an earlier time",
        )
    return min(until, closed)


def _whole_bars(dataset: str, since: datetime, until: datetime) -> Span:
    bar = declared(dataset).known_after
    return (ceil_to(since, bar), floor_to(until, bar)) if bar else (since, until + _CLOSE_ITSELF)
