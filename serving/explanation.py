"""Explanation of a past decision: why a pair was traded at a bar's close, or why it was not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pairity.asset_spelling import spell_asset
from pairity.errors import MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.number_formats import Figure, format_against, format_fixed
from pairity.settings import Settings
from pairity.strategy.types import PairAssessment
from serving.journal import BookRecord, DecisionRecord
from serving.journal.reading import ReadingJournal

_LIMIT = re.compile(r"(?P<what>\|z\||probability) not above (?P<limit>\d+(?:\.\d+)?)")
"""How `pairity.strategy.selection` names a limit that a pair did not reach."""


def read_decision_at(settings: Settings, instant: datetime) -> DecisionRecord:
    """Read the decision that was in force at `instant`: the newest one whose bar had closed by then.

    MissingDataError where nothing had been decided by then, JournalError where the journal cannot be read.
    """
    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        decision, first = journal.decision_at(instant), journal.first_bar()
    finally:
        journal.close()
    if decision is None:
        oldest = "there is none" if first is None else f"the first one is of {first:%Y-%m-%d %H:%M} UTC"
        raise MissingDataError(
            f"nothing was decided up to {instant:%Y-%m-%d %H:%M} UTC: {oldest}",
            "give --at the close of a bar that was traded, or look whether the trading process ran",
        )
    return decision


def read_book(settings: Settings, record: DecisionRecord) -> BookRecord | None:
    """Read what a decision of a book says of its names; None for a decision on pairs. Raises JournalError."""
    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        return journal.books.get(record.decision_id)
    finally:
        journal.close()


def has_name(settings: Settings, instant: datetime, name: str) -> bool:
    """Return whether `name` is one of the book that was decided last by `instant`. Raises JournalError."""
    try:
        book = read_book(settings, read_decision_at(settings, instant))
    except MissingDataError:
        return False
    return book is not None and any(one.name == name for one in book.names)


def select_assessments(record: DecisionRecord, pair: str | None = None) -> tuple[PairAssessment, ...]:
    """Return what the decision said of every pair, or of `pair`: `BASE__QUOTE` or `BASE/QUOTE`, in either order.

    UnknownNameError lists the pairs of the decision.
    """
    assessments = record.decision.scores
    if pair is None:
        return assessments
    wanted = {spell_asset(asset) for asset in pair.replace("__", "/").split("/")}
    selected = tuple(item for item in assessments if set(item.pair.assets) == wanted)
    if not selected:
        raise UnknownNameError("pair", pair, (item.pair.pair_id for item in assessments))
    return selected


@dataclass(frozen=True, slots=True)
class ReasonLimits:
    """Limits of |z| and of the probability that a decision's reasons name; None where none names it."""

    z: float | None = None
    probability: float | None = None

    @classmethod
    def of(cls, scores: Iterable[PairAssessment]) -> ReasonLimits:
        """Read them from the reasons against the pairs, which are what the journal has of them."""
        found: dict[str, float] = {}
        for item in scores:
            if item.rejected is not None and (named := _LIMIT.match(item.rejected)) is not None:
                found[named["what"]] = float(named["limit"])
        return cls(found.get("|z|"), found.get("probability"))

    def write_z(self, z: float | None, *, signed: bool = False) -> Figure:
        """Return z with two decimals, and more where they tell it from its limit."""
        figure = format_fixed(z) if z is None or self.z is None else format_against(z, self.z if z > 0 else -self.z)
        return Figure(f"+{figure}", figure.number) if signed and z is not None and z > 0 else figure

    def write_probability(self, probability: float | None) -> Figure:
        """Return a probability with three decimals, and more where they tell it from its limit."""
        if probability is None or self.probability is None:
            return format_fixed(probability, 3)
        return format_against(probability, self.probability, 3)


def explain_assessment(record: DecisionRecord, assessment: PairAssessment) -> str:
    """Say in one line what became of a pair: opened, passed over in favour of another, or the reason against it."""
    if assessment.rejected is not None:
        return assessment.rejected
    if any(entry.pair == assessment.pair for entry in record.decision.entries):
        return "opened"
    # No reason of its own: the decision as a whole took another way.
    return f"a candidate, but the decision was to {record.decision.action}: {record.decision.reason}"
