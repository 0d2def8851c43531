"""A market that plays recorded candles, mark candles and funding; `recordings` reads the folders.

The finest bars decide: their set (of several, the one that covers the start, then the one with the most instruments,
then the latest) gives the span: from the first bar of any of its instruments to an end that all of them reach, or to
the last one that any of them reaches (`Ends`). Instruments that only coarser sets have take part with those bars if
they reach the end. One that begins later is not listed before its first bar. Recordings hold instruments that were
alive when they were made (survivorship).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pairity.contract_files import find_contract_file, read_contract_file
from pairity.errors import TimeRangeError, UnknownNameError
from pairity.timeline import from_ms
from pairity.universe import DEFAULT_UNIVERSE, inst_id
from paper_exchange.market.bar_arrays import BarArrays, BarSlice, Floats, Instants, make_bar_arrays, round_values
from paper_exchange.market.candles import BarSize, aggregate
from paper_exchange.market.listings import Listings
from paper_exchange.market.market import Bar, Funding, Instrument, PriceKind
from paper_exchange.market.recordings import (
    CandleSet,
    Recording,
    count_decimals,
    read_candles,
    read_funding,
    read_span,
    survey,
)
from paper_exchange.market.specifications import specify_instrument

Ends = Literal["first", "each"]
"""When a recording is over: where the first of its instruments ends, or each of them at its own end."""
HOUR_MS = 3_600_000
_MOST_NAMED = 10
"""Instruments that an error names."""


@dataclass(frozen=True, slots=True)
class _Track:
    """One instrument's recording within the market's span; `mark` lies on the same bars as `last`."""

    bar_ms: int
    last: BarArrays
    mark: BarArrays
    funding_ms: Instants
    funding_rates: Floats


class RecordedMarket:
    """Plays `folder`; with `start_ms`, the set of candles that covers that instant is chosen.

    `ended` says when instruments end that do so before the market, by instrument, in ms: none unless `ends` is `each`.
    Nothing new is known of them from there on, and the last price stands; who runs the exchange delists them.

    Mark and index prices are the recorded mark where it is known (see `align_marks`), else the last price. Open
    interest is not recorded. Contracts are those of the recording's `contracts.csv`; those that it does not have, and
    all where it has none, are those of `specifications`, with ticks as fine as the recorded prices.

    `every_instrument` holds all of the span, in the order of their listing. `instruments` are those that are listed at
    the instant of the clock that the market follows (see `follow`), and all of them where it follows none.
    """

    def __init__(self, folder: Path, start_ms: int | None = None, *, ends: Ends = "first") -> None:
        recording = survey(folder)
        chosen, (self.start_ms, self.end_ms) = _choose(recording, start_ms, ends)
        lasting_ms = self.end_ms
        if ends == "each":
            lasting_ms = (self.start_ms if start_ms is None else start_ms) + chosen.bar_ms
        self.label = f"recorded ({folder.resolve().name}, {_name_bar(chosen.bar_ms)})"
        self._tracks: dict[str, _Track] = {}
        file = find_contract_file(chosen.folder)
        given = {} if file is None else read_contract_file(file)
        instruments: dict[str, Instrument] = {}
        self.ended: dict[str, int] = {}
        for asset, candle_set in _list_members(recording, chosen, (self.start_ms, self.end_ms), lasting_ms):
            whole = read_candles(candle_set.files[asset])
            last = whole.between(self.start_ms, self.end_ms)
            name = inst_id(asset)
            decimals = count_decimals(np.concatenate([last.open, last.high, last.low, last.close]))
            instruments[name] = specify_instrument(
                asset,
                price=float(np.median(last.close)),
                list_ms=int(whole.open_ms[0]),
                decimals=decimals,
                given=given.get(asset),
            )
            self._tracks[name] = self._read_track(recording, asset, candle_set.bar_ms, last, decimals)
            if (end_ms := int(whole.open_ms[-1]) + candle_set.bar_ms) < self.end_ms:
                self.ended[name] = end_ms
        self._listings = Listings(instruments, self.start_ms)
        self.every_instrument = self._listings.every

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instruments that are listed now; the same mapping until another one is listed."""
        return self._listings.at_present()

    def follow(self, now_ms: Callable[[], int]) -> None:
        """Show from here on only what is listed at the instant that `now_ms` says."""
        self._listings.now_ms = now_ms

    def bar_ms(self, inst_id: str) -> int:
        """Return the size of the bars that were recorded for an instrument, in milliseconds."""
        return self._find_track(inst_id).bar_ms

    def bars(self, inst_id: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Sequence[Bar]:
        """Return recorded bars with since_ms <= open_ms < until_ms, ascending; holes are holes."""
        return BarSlice(self._select(inst_id, kind).between(since_ms, until_ms))

    def bar_at(self, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Bar | None:
        """Return the bar that contains `at_ms`, or the newest before a hole or the end; None before the first."""
        return self._select(inst_id, kind).newest_at(at_ms)

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        """Return recorded settlements with since_ms <= settle_ms < until_ms; none where none were recorded."""
        track = self._find_track(inst_id)
        first, last = np.searchsorted(track.funding_ms, (since_ms, until_ms), "left")
        rows = slice(int(first), int(last))
        return [
            Funding(settle_ms, rate)
            for settle_ms, rate in zip(track.funding_ms[rows].tolist(), track.funding_rates[rows].tolist(), strict=True)
        ]

    def open_interest(self, inst_id: str, at_ms: int) -> float | None:
        """Return None: open interest is not recorded."""
        self._find_track(inst_id)
        return None

    def _find_track(self, inst_id: str) -> _Track:
        if inst_id not in self._tracks:
            raise UnknownNameError("instrument", inst_id, self._tracks)
        return self._tracks[inst_id]

    def _select(self, inst_id: str, kind: PriceKind) -> BarArrays:
        track = self._find_track(inst_id)
        return track.last if kind == "last" else track.mark

    def _read_track(self, recording: Recording, asset: str, bar_ms: int, last: BarArrays, decimals: int) -> _Track:
        mark = next((marks for marks in recording.marks if asset in marks.files), None)
        prices = align_marks(last, bar_ms, read_candles(mark.files[asset]), mark.bar_ms, decimals) if mark else last
        funding_ms, rates = np.empty(0, dtype=np.int64), np.empty(0)
        if asset in recording.funding:
            funding_ms, rates = read_funding(recording.funding[asset])
            inside = (funding_ms >= self.start_ms) & (funding_ms < self.end_ms)
            funding_ms, rates = funding_ms[inside], rates[inside]
        return _Track(bar_ms, last, prices, funding_ms, rates)


def find_span(folder: Path, covering_ms: int, *, ends: Ends) -> tuple[int, int]:
    """Return the span [start, end) in ms of what is played of a folder where the candles cover an instant.

    TimeRangeError where none do.
    """
    return _choose(survey(folder), covering_ms, ends)[1]


def align_marks(last: BarArrays, bar_ms: int, mark: BarArrays, mark_bar_ms: int, decimals: int) -> BarArrays:
    """Return mark prices on the bars of `last`, with nothing that is not known at a bar's end.

    Bars of the same size (or finer marks, aggregated) are taken as recorded. On coarser marks, the last price is scaled
    by mark open / last open of the mark's bar: the basis known at its beginning. Where no mark was recorded, and where
    `last` has no bar at the beginning of the mark's, the mark is the last price.
    """
    fine = mark_bar_ms <= bar_ms
    mark = aggregate(mark, BarSize(bar_ms)) if fine else _scale_by_basis(last, mark, mark_bar_ms, decimals)
    row = np.searchsorted(mark.open_ms, last.open_ms)
    # The −1 stands for the row after the last mark, which no bar's open equals.
    marked = np.r_[mark.open_ms, -1][np.minimum(row, len(mark))] == last.open_ms
    rows = np.where(marked, np.minimum(row, max(len(mark) - 1, 0)), 0)

    def pick(recorded: Floats, traded: Floats) -> Floats:
        return np.where(marked, recorded[rows], traded) if len(recorded) else traded

    prices = (
        pick(mark.open, last.open),
        pick(mark.high, last.high),
        pick(mark.low, last.low),
        pick(mark.close, last.close),
    )
    return make_bar_arrays(last.open_ms, prices, np.zeros(len(last)))


def _scale_by_basis(last: BarArrays, mark: BarArrays, mark_bar_ms: int, decimals: int) -> BarArrays:
    begin = last.open_ms // mark_bar_ms * mark_bar_ms
    opens_last = dict(zip(last.open_ms.tolist(), last.open.tolist(), strict=True))
    opens_mark = dict(zip(mark.open_ms.tolist(), mark.open.tolist(), strict=True))
    basis = np.array(
        [opens_mark[at] / opens_last[at] if at in opens_mark and at in opens_last else 1.0 for at in begin.tolist()]
    )
    prices = (
        round_values(last.open * basis, decimals),
        round_values(last.high * basis, decimals),
        round_values(last.low * basis, decimals),
        round_values(last.close * basis, decimals),
    )
    return make_bar_arrays(last.open_ms, prices, np.zeros(len(last)))


def _choose(recording: Recording, start_ms: int | None, ends: Ends) -> tuple[CandleSet, tuple[int, int]]:
    """Return the set of the finest bars that is played, and its span [start, end)."""
    finest = recording.candles[0].bar_ms
    spans = [(s, _find_span(s, ends)) for s in recording.candles if s.bar_ms == finest]
    if start_ms is not None:
        spans = [(s, _find_span(s, ends)) for s in recording.candles]
        covering = [(s, span) for s, span in spans if span[0] <= start_ms < span[1]]
        if not covering:
            raise _refuse_start(start_ms, spans)
        spans = [(s, span) for s, span in covering if s.bar_ms == covering[0][0].bar_ms]
    return max(spans, key=lambda one: (len(one[0].files), one[1]))


def _refuse_start(start_ms: int, spans: Sequence[tuple[CandleSet, tuple[int, int]]]) -> TimeRangeError:
    """Return the error for a start that no set plays: it names who ends too early where others go on."""
    listed = "; ".join(
        f"{s.folder.name} {_format_instant(begin)} to {_format_instant(end)}" for s, (begin, end) in spans
    )
    for candle_set, (begin, end) in spans:
        ends = _read_ends(candle_set)
        longer = [asset for asset in ends if ends[asset] > start_ms]
        if start_ms < begin or not longer:
            continue
        first = _name_some([asset for asset in ends if ends[asset] == end])
        return TimeRangeError(
            f"--start {_format_instant(start_ms)} lies after the end of what can be played: {candle_set.folder.name} "
            f"ends at {_format_instant(end)} with {first}; {_name_some(longer)} "
            f"{'goes' if len(longer) == 1 else 'go'} on, to {_format_instant(max(ends.values()))} at most",
            f"start before that (playable under --data: {listed}), or add --ends each",
        )
    return TimeRangeError(
        f"--start {_format_instant(start_ms)} lies outside of everything recorded", f"playable under --data: {listed}"
    )


def _name_some(assets: Sequence[str]) -> str:
    """Return the names of a few instruments, and how many there are besides."""
    named = sorted(assets)[:_MOST_NAMED]
    more = len(assets) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _read_ends(candle_set: CandleSet) -> dict[str, int]:
    """Return the end (ms, exclusive) of each instrument's candles."""
    return {asset: read_span(path)[1] + candle_set.bar_ms for asset, path in candle_set.files.items()}


def _find_span(candle_set: CandleSet, ends_at: Ends) -> tuple[int, int]:
    """Return the span [start, end) of a set: from the first bar of any member to the first end of one, or the last.

    An early delisting must not shorten it to nothing: where the first end of all leaves less than half of what the
    first end of the default universe leaves, the latter is taken. Who ends before is no member (`_list_members`).
    """
    spans = {asset: read_span(path) for asset, path in candle_set.files.items()}
    ends = {asset: last + candle_set.bar_ms for asset, (_, last) in spans.items()}
    begin, end = min(first for first, _ in spans.values()), min(ends.values())
    if ends_at == "each":
        return begin, max(ends.values())
    majors = [ends[asset] for asset in ends if asset in DEFAULT_UNIVERSE]
    if majors and 2 * (end - begin) < min(majors) - begin:
        end = min(majors)
    return min(first for asset, (first, _) in spans.items() if ends[asset] >= end), end


def _list_members(
    recording: Recording, chosen: CandleSet, span: tuple[int, int], lasting_ms: int
) -> Iterator[tuple[str, CandleSet]]:
    """Yield the assets of the chosen set, then those that only coarser sets have.

    All have a bar that opens within the span, and bars up to `lasting_ms` at least.
    """
    taken: set[str] = set()
    for candle_set in (chosen, *(other for other in recording.candles if other.bar_ms > chosen.bar_ms)):
        for asset in sorted(set(candle_set.files) - taken):
            first, last = read_span(candle_set.files[asset])
            if max(first, span[0]) < span[1] and last + candle_set.bar_ms >= lasting_ms:
                taken.add(asset)
                yield asset, candle_set


def _name_bar(bar_ms: int) -> str:
    return f"{bar_ms // HOUR_MS}h" if bar_ms % HOUR_MS == 0 else f"{bar_ms // 60_000}m"


def _format_instant(instant_ms: int) -> str:
    return from_ms(instant_ms).strftime("%Y-%m-%dT%H:%M")
