"""Books of a combination between its decisions: what they did then, and the same computed again from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from model_registry.stored_books import StoredFit
from pairity.books.combination import PAST_DAYS
from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.books.limits import BookLimits
from pairity.books.members import MembersLeft, MembersSince, MemberState, MemberStep
from pairity.books.present import MeasureBook
from pairity.errors import PairityError
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import floor_to
from serving.journal import BookRecord
from serving.journal.book_pages import BookPages

FEATURE = "decided_between"
"""Under which it stands beside the values of feature services."""


def find_left(family: BookFamily, before: BookRecord | None, cost_bps: float) -> MembersLeft | None:
    """Return what the decision before left of the members of `family`; None where it was not one of it.

    `cost_bps`: that of `MembersLeft`.
    """
    if not family.members or before is None or before.family != family.name:
        return None
    return MembersLeft(before.close, before.members, cost_bps)


def explain_passed_over(
    family: BookFamily, before: BookRecord | None, members: Mapping[str, MemberState], close: datetime
) -> list[str]:
    """Return which decisions of members between `before` and the one at `close` nobody made, and why."""
    if before is None or before.family != family.name or not members:
        return []
    said = []
    for member in family.books:
        made = {step.close for step in members[member.name].between}
        every = timedelta(hours=member.every_hours)
        due, missed = floor_to(before.close, every) + every, 0
        while due < close:
            missed += due not in made
            due += every
        if missed and member.every_hours < family.every_hours:
            said.append(
                f"{member.name} passed over {format_count(missed, 'decision')} of its own: no name was known in time"
            )
    return said


def list_past(
    books: BookPages, family: BookFamily, fit: StoredFit | None, close: datetime
) -> Mapping[str, Sequence[float]]:
    """Return what members of a combination earned at its decisions before `close`, behind what its version knows.

    Empty where nothing follows it.
    """
    if not family.follows_past or fit is None:
        return {}
    return books.list_earned(family.name, fit.made_at, close, PAST_DAYS)


def recall_since(book: BookRecord, past: Mapping[str, Sequence[float]]) -> MembersSince:
    """Return what members did before a decision, as it was recorded; `past`: that of `list_past`."""
    members = book.members.items()
    earned = {name: one.earned for name, one in members if one.earned is not None}
    return MembersSince({name: one.between for name, one in members}, earned, past)


@dataclass(frozen=True, slots=True)
class BetweenRecomputation:
    """What members did between two decisions: as decided on, and computed again."""

    recorded: MembersSince
    again: MembersSince
    fault: str | None = None
    """Why it could not be computed again."""

    @property
    def compared(self) -> int:
        """Decisions of members, and what they earned, that are compared."""
        return len(self._list_keys())

    @property
    def different(self) -> list[tuple[str, str | None, str | None]]:
        """Member, what was recorded and what is now, where these differ; None where there is none."""
        ours, theirs = _index(self.recorded), _index(self.again)
        return [
            (key[0], _write(ours.get(key)), _write(theirs.get(key)))
            for key in self._list_keys()
            if ours.get(key) != theirs.get(key)
        ]

    def _list_keys(self) -> list[tuple[str, str]]:
        return sorted({*_index(self.recorded), *_index(self.again)})


def walk_again(
    settings: Settings, book: BookRecord, before: BookRecord | None, measure: MeasureBook
) -> BetweenRecomputation | None:
    """Compute what members decided before a decision of a combination, as known when that was computed.

    `before`: the decision before. None where the decision has nothing of the kind.
    """
    if book.walked is None:
        return None
    recorded, nothing = recall_since(book, {}), MembersSince()
    family = BOOK_FAMILIES.get(book.family)
    left = None if family is None else find_left(family, before, book.walked.cost_bps)
    if family is None or left is None:
        return BetweenRecomputation(recorded, nothing, "the decision before is none of this book")
    # Names of today's universe that the decision did not have must not be asked for, and those that left must be: what
    # was held of them moved, too.
    held = {name for one in left.members.values() for name in (*one.weights, *one.prior)}
    names = (*book.walked.names, *sorted(held.difference(book.walked.names)))
    universe = settings.universe.model_copy(update={"assets": names})
    try:
        again = measure(
            settings.model_copy(update={"universe": universe}),
            family,
            BookLimits(),
            book.walked.names,
            left=left,
            close=book.close,
            now=book.walked.known_at,
        )
    except PairityError as error:
        return BetweenRecomputation(recorded, nothing, error.what)
    return BetweenRecomputation(recorded, again.since)


def walk_all_again(
    settings: Settings, decided: Iterable[tuple[BookRecord, BookRecord | None]], measure: MeasureBook
) -> tuple[Counter[str], list[tuple[BookRecord, BetweenRecomputation]]]:
    """Return what was compared, counted as `serving.parity.FeatureParity` does, and the decisions that differ.

    `decided`: decisions, each with the one before it.
    """
    counts: Counter[str] = Counter()
    found = []
    for book, before in decided:
        one = walk_again(settings, book, before, measure)
        if one is None:
            continue
        different = one.different
        counts.update(compared=one.compared, different=len(different))
        counts.update(missing=sum(ours is None for _, ours, _ in different))
        counts.update(extra=sum(theirs is None for _, _, theirs in different))
        if different:
            found.append((book, one))
    return counts, found


def _index(since: MembersSince) -> dict[tuple[str, str], MemberStep | float]:
    steps = {(name, step.close.isoformat()): step for name, own in since.between.items() for step in own}
    return {**steps, **{(name, "earned"): earned for name, earned in since.earned.items()}}


def _write(step: MemberStep | float | None) -> str | None:
    if step is None:
        return None
    if isinstance(step, float):
        return f"earned {step!r}"
    held = ", ".join(f"{'+' if side > 0 else '-'}{pair[0]}/{pair[1]}" for pair, side in sorted(step.pairs.items()))
    return f"{step.close:%Y-%m-%d %H:%M}: {held or 'nothing'}; {dict(sorted(step.weights.items()))}"
