"""Histories of exchanges that page differently, each walked so that every instant of the range is proven or named.

What a page that starts at `since` holds depends on the exchange:

| way | a page from `since` holds | an empty page says |
| --- | --- | --- |
| oldest first | the first rows from `since` on, however far away they lie | nothing follows |
| window | the rows of `since` … `since` + page x bar | nothing lies in the window |
| newest first | the last rows before now (or before `until`), if they are not before `since` | nothing follows |

So an empty page is stepped over by one page, and where the first row of a page does not follow the instant that was
asked for, the hole between them is asked for itself, with its end as `until`. Where an exchange ignores `until`, a page
of one row tells the first two ways from the third, which cannot be walked: its hole is not proven, and is named.

Silence proves nothing by itself: in maintenance some exchanges answer some or all questions with an empty page. What
was empty is asked for once more, together with the row that follows it, which must come; where nothing followed it,
the newest rows must be there. A hole inside a page is believed once the longest one of the page was asked for itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingestion.lake.spans import Span, union
from pairity.errors import VenueAnswerError, VenueRejectedError
from pairity.timeline import from_ms, to_ms

Ask = Callable[[int, int, int | None], Any]
"""One page: first instant (ms), most rows, last instant (ms; None: whatever the exchange takes)."""

_FEWEST_ROWS = 10
"""Rows on a page of an exchange that answers few."""
_QUESTIONS = 3
"""Most questions about holes for each page, on average: what lies in one is paged by them, too."""
_YOUNG_MS = 2 * 86_400_000
"""What is younger does not count as fetched, whatever the answer."""
_FEW_PAGES, _MOST_ROWS = 20, 10_000
_TRIES = 5
"""Questions about a row that is known, before an exchange counts as silent."""
_SURE_ROWS = 100
"""Bars that every exchange fits into a page: until a larger one was seen, an empty page is stepped over by so many."""
_NOTHING_STORED = "nothing of it was stored"
_Page = dict[int, list[Any]]
"""Rows by their instant (ms): one, or several that should be one."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows of a range, ascending, and the parts of the range of which it is not known what they hold."""

    rows: list[Any]
    """Of an instant with several rows that differ, all of them."""
    unproven: tuple[Span, ...]
    unanswered: tuple[Span, ...]
    """Parts of which the exchange sent nothing, where it did not show that it answers at all."""
    contradicted: tuple[Span, ...]
    """Parts of which it sent nothing, and rows when it was asked again."""
    before_listing: Span | None
    """The part before the exchange's listing time, where it has rows of none of it."""


@dataclass(slots=True)
class Pager:
    """Walks one range of one instrument. `what` names exchange, method and instrument in errors.

    `at` reads a row's instant (ms). Two rows are `fewest_ms` apart at least; `slack_ms` is how far a row may lie from
    its grid. `limit` is the most rows to ask for, `listed_ms` the exchange's own listing time.
    """

    what: str
    ask: Ask
    at: Callable[[Any], int]
    fewest_ms: int
    limit: int
    slack_ms: int = 0
    before_ms: int = 0
    """How far before the instant that was asked for a row may lie, beyond one bar."""
    listed_ms: int | None = None
    newest_ms: int | None = None
    """Now: what is younger than `_YOUNG_MS` may come yet, and nobody takes its absence as final. None: long ago."""
    answers_now: Callable[[], bool] | None = None
    """Whether the exchange sends rows where there must be some, such as its newest ones."""
    is_regular: bool = True
    """Whether rows are `fewest_ms` apart where none is missing; False: their distance changes, as that of funding."""
    value: Callable[[Any], Any] = lambda row: row
    """What two rows of one instant must have in common."""
    _rows: dict[int, list[Any]] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    """Instants of all rows that came, those beyond the range as well."""
    _unproven: list[tuple[int, int]] = field(default_factory=list)
    _empty: list[tuple[int, int]] = field(default_factory=list)
    _is_silent: bool = False
    """Whether the last answer was empty."""
    _largest: int = 0
    _pages: int = 0
    _questions: int = 0
    _most_rows: int = 0

    def walk(self, since: datetime, until: datetime) -> Walk:
        """Return all rows of [since, until). VenueAnswerError where the pages have no end or cannot be what they say.

        An exchange may answer fewer rows than requested.
        """
        first, end = to_ms(since), to_ms(until)
        self._most_rows = (end - first) // self.fewest_ms + 2
        cursor, follows_row = first, False
        while cursor < end:
            self._pages += 1
            page = self._page(cursor, None)
            if not page:
                listing = None if self._rows else self._skip_to_listing(cursor, end)
                low = cursor - 1 + self.fewest_ms - self.slack_ms if follows_row else cursor
                if listing is None and low < end:
                    self._empty.append((low, min(cursor + self._step_ms(), end)))
                cursor, follows_row = listing or cursor + self._step_ms(), False
                continue
            oldest = min(page)
            if self._is_hole(cursor, oldest, page, follows_row=follows_row):
                self._settle(cursor, min(oldest, end), page)
            self._take(page, cursor, end)
            self._probe_holes(page, end)
            cursor, follows_row = max(page) + 1, True
        unanswered, contradicted = self._confirm_empty()
        unproven = tuple((from_ms(low), from_ms(min(high, end))) for low, high in self._unproven if low < end)
        rows = sorted(self._rows)
        before_listing = None
        if self.listed_ms is not None and first < self.listed_ms <= min([*rows, self.listed_ms]):
            before_listing = since, min(until, from_ms(self.listed_ms))
        return Walk(
            rows=[row for at in rows for row in self._rows[at]],
            unproven=unproven,
            unanswered=unanswered,
            contradicted=contradicted,
            before_listing=before_listing,
        )

    def _page(self, since: int, until: int | None, limit: int | None = None) -> _Page:
        """Return the rows of one page by instant, those before `since` left out."""
        most_pages = _FEW_PAGES + self._most_rows // min(self.limit, _FEWEST_ROWS)
        is_endless = max(self._pages, self._questions // _QUESTIONS) >= most_pages
        if is_endless or len(self._rows) > self._most_rows:
            raise VenueAnswerError(
                f"{self.what} sent {len(self._rows)} rows on {self._pages + self._questions} pages and no end, "
                f"where {self._most_rows} rows fit",
                _NOTHING_STORED,
            )
        answered = self.ask(since, limit or self.limit, until)
        if not isinstance(answered, list) or len(answered) > _MOST_ROWS:
            raise VenueAnswerError(f"{self.what} sent a page that is no list of {_MOST_ROWS} rows at most")
        self._largest = max(self._largest, len(answered))
        self._is_silent = not answered
        timed: _Page = {}
        for row in answered:
            timed.setdefault(self.at(row), []).append(row)
        page = {at: rows for at, rows in timed.items() if at >= since}
        self._seen |= page.keys()
        # A row or so before the start is the bar that the start lies in. More say that no start is heeded.
        if timed and not page and min(timed) < since - self.fewest_ms - self.before_ms:
            raise VenueAnswerError(
                f"{self.what} was asked from {_show(since)} on and sent {_show(min(timed))} to {_show(max(timed))}",
                "it cannot be paged: choose another source",
            )
        return page

    def _ask_about(self, since: int, until: int | None, limit: int | None = None) -> _Page:
        self._questions += 1
        return self._page(since, until, limit)

    def _step_ms(self) -> int:
        """Return the length that an empty page surely stands for."""
        return min(self.limit, max(self._largest, _SURE_ROWS)) * self.fewest_ms

    def _is_hole(self, cursor: int, oldest: int, page: _Page, *, follows_row: bool) -> bool:
        """Return whether a row could lie between `cursor` and the oldest row of its page."""
        if follows_row:
            return oldest - cursor > self._spacing_ms(page) + self.slack_ms
        return oldest - cursor >= self._spacing_ms(page) - self.slack_ms

    def _spacing_ms(self, page: _Page) -> int:
        steps = [after - before for before, after in itertools.pairwise(sorted(page))]
        return max(self.fewest_ms, min(steps, default=self.fewest_ms))

    def _probe_holes(self, page: _Page, high: int) -> None:
        """Ask for the longest hole inside a page, before `high`, itself; where rows come, for all holes of the page."""
        holes = [(a, min(b, high)) for a, b in self._list_holes(page) if min(b, high) - a >= self.fewest_ms]
        if not holes:
            return
        longest = max(holes, key=lambda hole: hole[1] - hole[0])
        if any(at < longest[1] for at in self._ask_within(longest[0], longest[1] - 1)):
            for hole in holes:
                self._settle(*hole, page)

    def _list_holes(self, page: _Page) -> list[tuple[int, int]]:
        """Return where rows of a page are further apart than rows there are: each from behind a row to the next one."""
        instants = sorted(page)
        steps = [after - before for before, after in itertools.pairwise(instants)]
        holes = []
        for place, step in enumerate(steps):
            beside = (
                [self.fewest_ms] if self.is_regular else steps[max(place - 1, 0) : place] + steps[place + 1 : place + 2]
            )
            if beside and step > max(beside) + self.slack_ms:
                holes.append((instants[place] + 1, instants[place + 1]))
        return holes

    def _ask_within(self, low: int, last: int) -> _Page:
        """Ask for the rows of `low` … `last`; where the exchange takes no end, for those from `low` on."""
        try:
            return self._ask_about(low, last)
        except VenueRejectedError:
            return self._ask_about(low, None)

    def _settle(self, low: int, high: int, page: _Page) -> None:
        """Ask for the hole [low, high) itself, from its end down where the exchange pages so; note what stays open."""
        waiting = [(low, high)]
        while waiting:
            low, high = waiting.pop()
            try:
                between = self._ask_about(low, high - 1)
            except VenueRejectedError:  # it takes no `until`
                between = dict(page)
            inside = [at for at in between if at < high]
            if inside:
                self._take(between, low, high)
                self._probe_holes(between, high)
                spacing = self._spacing_ms(page | {at: between[at] for at in inside}) + self.slack_ms
                if high - max(inside) > spacing:
                    waiting.append((max(inside) + 1, high))
                if low < min(inside):
                    waiting.append((low, min(inside)))
            elif between:  # it does not heed `until`
                self._settle_without_end(low, high, page)
            else:
                self._empty.append((low, high))

    def _settle_without_end(self, low: int, high: int, page: _Page) -> None:
        """Let a page of one row say in which way the exchange pages; `page` was the answer from `low` on."""
        single = self._ask_about(low, None, 1)
        if len(single) == 1 and min(single) == min(page):
            return  # oldest first: nothing lies before it
        if any(at >= min(page) for at in single):
            self._unproven.append((low, high))
            return
        # A window, of which perhaps only the end fitted into the page: smaller ones fit. Or the answer was none.
        size = len(page)
        while low < high:
            end = min(low + size * self.fewest_ms, high)
            within = self._ask_about(low, None, size)
            self._take(within, low, high)
            if not within:
                self._empty.append((low, end))
            elif min(within) >= end and len(within) >= size:  # no window: these are the newest rows
                self._unproven.append((low, high))
                return
            low = end

    def _skip_to_listing(self, cursor: int, end: int) -> int | None:
        """Return where the instrument was listed, or `end` before that, if the page below it is empty as well.

        None where the exchange gives no time, and where it is none to rely on.
        """
        step = self._step_ms()
        if self.listed_ms is None or self.listed_ms <= cursor + step:
            return None
        listed = min(self.listed_ms, end)
        last = max(cursor, listed - step)
        return listed if not [at for at in self._ask_about(last, None) if at < listed] else None

    def _confirm_empty(self) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
        """Ask once more about what was answered with nothing; return what is unanswered, and what is contradicted.

        A row that is known comes first: a silence behind it is another one than that of the walk. Rows that come now
        say that the first answer was none. Where the walk ended in silence, a second fact must show that the exchange
        answers at all.
        """
        until_old = float("inf") if self.newest_ms is None else self.newest_ms - _YOUNG_MS
        empty = [(to_ms(low), to_ms(high)) for low, high in union((from_ms(a), from_ms(b)) for a, b in self._empty)]
        old = [(low, high) for low, high in empty if low < until_old]
        was_silent, unanswered, contradicted, silent = self._is_silent, [], [], []
        if old and self._seen and not self._answers_known():
            return _spans(old), ()
        for low, high in old:
            follower = self._find_follower(high)
            # Some exchanges leave out what lies at the end that was asked for.
            again = self._ask_within(low, high - 1 if follower is None else follower + 1)
            was_silent &= not again
            if any(at < high for at in again):
                contradicted.append((low, high))
            elif again:
                if not self._shows_its_oldest(low, high, again):
                    self._unproven.append((low, high))
            elif any(at < high for at in self._ask_in_windows(low, high)):
                contradicted.append((low, high))
            elif follower is None:
                silent.append((low, high))
            elif not self._ask_within(max(low, follower - self._step_ms() // 2), follower + 1):
                # A window may be too short to reach from the hole's begin to the row behind it: one at its end is not.
                unanswered.append((low, high))
        if silent and self.newest_ms is not None and self.answers_now is not None:
            if was_silent and not self.answers_now():
                return _spans(old), ()
            contradicted += self._contradict(silent)
        return _spans(unanswered), _spans(contradicted)

    def _contradict(self, silent: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the parts of which rows come after all; what is left empty for the third time is empty."""
        contradicted = []
        for low, high in silent:
            again = self._ask_within(low, high - 1)
            if any(at < high for at in again):
                contradicted.append((low, high))
            elif again and not self._shows_its_oldest(low, high, again):
                self._unproven.append((low, high))
        return contradicted

    def _answers_known(self) -> bool:
        """Return whether the exchange sends the newest row that it has sent, asked for a few times.

        Behind an answer with rows, silence is another one than that which was met before it.
        """
        return any(self._ask_about(max(self._seen), None) for _ in range(_TRIES))

    def _shows_its_oldest(self, low: int, high: int, page: _Page) -> bool:
        """Return whether a page from `low` on, none of whose rows lies before `high`, proves that there is none.

        One that is not full does, in whichever way the exchange pages; a full one may be the newest rows, or the end of
        a window.
        """
        if len(page) < min(self.limit, max(self._largest, _FEWEST_ROWS)):
            return True
        single = self._ask_about(low, None, 1)
        if len(single) == 1 and min(single) == min(page):
            return True  # oldest first
        smaller = self._ask_about(low, None, len(page))
        return high <= min(smaller, default=0) and len(smaller) < len(page)

    def _ask_in_windows(self, low: int, high: int) -> _Page:
        """Ask for [low, high) in pieces that fit into a page, and return the rows of the first one that has any."""
        found: _Page = {}
        while low < high and not found:
            end = min(low + self._step_ms(), high)
            found, low = self._ask_within(low, end - 1), end
        return found

    def _find_follower(self, high: int) -> int | None:
        """Return the row that follows a hole which ends at `high`; None where none came that is near it."""
        follower = min((at for at in self._seen if at >= high), default=None)
        return None if follower is None or follower - high > self._step_ms() // 2 else follower

    def _take(self, page: _Page, low: int, high: int) -> None:
        for at, rows in page.items():
            if low <= at < high:
                own = self._rows.setdefault(at, [])
                for row in rows:
                    if all(self.value(row) != self.value(one) for one in own):
                        own.append(row)


def _spans(parts: list[tuple[int, int]]) -> tuple[Span, ...]:
    return tuple((from_ms(low), from_ms(high)) for low, high in parts)


def _show(at: int) -> str:
    return f"{from_ms(at):%Y-%m-%d %H:%M} UTC"
