"""Explanation of a past decision: why a pair was traded at a bar's close, or why it was not."""

from __future__ import annotations

from datetime import datetime

from pairity.asset_spelling import spell_asset
from pairity.errors import MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import PairAssessment
from serving.journal import DecisionRecord, Journal


def read_decision_at(settings: Settings, instant: datetime) -> DecisionRecord:
    """Read the decision that was in force at `instant`: the newest one whose bar had closed by then.

    MissingDataError where nothing had been decided by then, JournalError where the journal cannot be read.
    """
    journal = Journal.read(Layout.of(settings).journal)
    try:
        decision, first = journal.decision_at(instant), journal.first_bar()
    finally:
        journal.close()
    if decision is None:
        oldest = "there is none" if first is None else f"the first one is of {first:%Y-%m-%d %H:%M}"
        raise MissingDataError(
            f"nothing was decided up to {instant:%Y-%m-%d %H:%M} UTC: {oldest}",
            "give --at the close of a bar that was traded, or look whether the trading process ran",
        )
    return decision


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


def explain_assessment(record: DecisionRecord, assessment: PairAssessment) -> str:
    """Say in one line what became of a pair: opened, passed over in favour of another, or the reason against it."""
    if assessment.rejected is not None:
        return assessment.rejected
    if any(entry.pair == assessment.pair for entry in record.decision.entries):
        return "opened"
    # No reason of its own: the decision as a whole took another way.
    return f"a candidate, but the decision was to {record.decision.action}: {record.decision.reason}"
