"""Books of a combination between its decisions: what they decided then, and the same computed again from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.books.limits import BookLimits
from pairity.books.members import MembersLeft, MemberStep
from pairity.books.present import MeasureBook
from pairity.errors import PairityError
from pairity.settings import Settings
from serving.journal import BookRecord

FEATURE = "decided_between"
"""Under which it stands beside the values of feature services."""


def find_left(family: BookFamily, before: BookRecord | None) -> MembersLeft | None:
    """Return what the decision before left of the members of `family`; None where it was not one of it."""
    if not family.members or before is None or before.family != family.name:
        return None
    return MembersLeft(before.close, before.members)


@dataclass(frozen=True, slots=True)
class BetweenRecomputation:
    """What members decided between two decisions: as decided on, and computed again."""

    recorded: Mapping[str, tuple[MemberStep, ...]]
    again: Mapping[str, tuple[MemberStep, ...]]
    fault: str | None = None
    """Why it could not be computed again."""

    @property
    def compared(self) -> int:
        """Decisions of members that are compared."""
        return len(self._list_keys())

    @property
    def different(self) -> list[tuple[str, str | None, str | None]]:
        """Member, what was decided and what is now, of decisions that differ; None where there is none."""
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
    recorded = {name: one.between for name, one in book.members.items() if one.between}
    family = BOOK_FAMILIES.get(book.family)
    left = None if family is None else find_left(family, before)
    if family is None or left is None:
        return BetweenRecomputation(recorded, {}, f"{book.family} is no book of this release, or nothing was before it")
    # Names of today's universe that the decision did not have must not be asked for, and those that left must be.
    universe = settings.universe.model_copy(update={"assets": book.walked.names})
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
        return BetweenRecomputation(recorded, {}, error.what)
    return BetweenRecomputation(recorded, {name: steps for name, steps in again.between.items() if steps})


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


def _index(between: Mapping[str, tuple[MemberStep, ...]]) -> dict[tuple[str, str], MemberStep]:
    return {(name, step.close.isoformat()): step for name, steps in between.items() for step in steps}


def _write(step: MemberStep | None) -> str | None:
    if step is None:
        return None
    held = ", ".join(f"{'+' if side > 0 else '-'}{pair[0]}/{pair[1]}" for pair, side in sorted(step.pairs.items()))
    return f"{step.close:%Y-%m-%d %H:%M}: {held or 'nothing'}; {dict(sorted(step.weights.items()))}"
