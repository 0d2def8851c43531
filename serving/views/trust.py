"""View of trust: may what is shown be believed? Parity, quarantine, stale inputs, reconciliation, ledger, clocks."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from pairity.errors import PairityError
from pairity.number_formats import format_plain
from pairity.timeline import HOUR
from serving.journal import DecisionRecord
from serving.journal.verdict_records import find_standing
from serving.last_checks import read_outcome
from serving.views.base import Inputs, View
from validation.quarantine import Quarantine

_MOST_ITEMS = 500
_PRICE_SERVICE = "market_state_v1"


class ParityView(View):
    """The newest parity check: of the day, of a person, or before a promotion."""

    checked: int = Field(description="Values compared.")
    different: int
    missing: int = Field(description="Of those: read as null where the store knew a value.")
    extra: int = Field(description="Of those: read where the store knew nothing.")
    causes: dict[str, int] = Field(description="Values that differ by cause.")
    decisions: int
    last_bar: datetime
    at: datetime
    blocks: str | None = Field(description="The verdict that keeps promotions back, in words; null where none does.")


class LedgerView(View):
    """The last `pairity ledger`: differences between the journal's money and the venue's bills."""

    at: datetime
    differences: int


class ReconciliationView(View):
    """The last comparison of journal and venue, of the process that runs."""

    at: datetime
    differences: int


class QuarantineLine(View):
    """Rows that are withheld."""

    stage: str
    key: str
    rules: list[str]
    rows: int
    first: datetime | None
    last: datetime | None


class StaleLine(View):
    """An asset whose features were not of the bar that was decided on last."""

    asset: str
    reason: str


class TrustLimits(View):
    """Limits of what is trusted."""

    clock_skew_s: float
    drift: float


class TrustView(View):
    """What may be believed, and how old that is. Null: never checked."""

    parity: ParityView | None
    quarantine: list[QuarantineLine] = Field(description="Newest first, at most 500.")
    quarantine_error: str | None = Field(description="Why the quarantine cannot be read; null where it can.")
    stale: list[StaleLine]
    reconciliation: ReconciliationView | None
    ledger: LedgerView | None
    clock_skew_s: float | None
    limits: TrustLimits


def view_trust(seen: Inputs) -> TrustView:
    """Return what may be believed; what cannot be read says why, and hides nothing else."""
    ledger = read_outcome(seen.layout, "ledger")
    reconciled = seen.sightings.reconciliation
    withheld, problem = _list_quarantine(seen)
    return TrustView(
        parity=_view_parity(seen),
        quarantine=withheld,
        quarantine_error=problem,
        stale=_list_stale(seen),
        reconciliation=None
        if reconciled is None
        else ReconciliationView(at=reconciled.at, differences=reconciled.differences),
        ledger=None if ledger is None else LedgerView(at=ledger.at, differences=ledger.different),
        clock_skew_s=seen.sightings.clock_skew_s,
        limits=TrustLimits(clock_skew_s=seen.settings.limits.clock_skew_s, drift=seen.settings.limits.drift),
    )


def _view_parity(seen: Inputs) -> ParityView | None:
    verdicts = seen.journal.verdicts.all()
    if not verdicts:
        return None
    newest, standing = verdicts[-1], find_standing(verdicts)
    return ParityView(
        checked=newest.values,
        different=newest.different,
        missing=newest.missing,
        extra=newest.extra,
        causes=dict(newest.causes),
        decisions=newest.decisions,
        last_bar=newest.last_bar,
        at=newest.at,
        blocks=None if standing is None else standing.explain(),
    )


def _list_quarantine(seen: Inputs) -> tuple[list[QuarantineLine], str | None]:
    try:
        items = Quarantine.read(seen.layout).list_items(state="held")
    except PairityError as error:
        return [], error.what
    items.sort(key=lambda item: item.at, reverse=True)
    return [
        QuarantineLine(
            stage=item.dataset,
            key=item.key,
            rules=list(item.rules),
            rows=item.rows,
            first=item.first,
            last=item.last,
        )
        for item in items[:_MOST_ITEMS]
    ], None


def _list_stale(seen: Inputs) -> list[StaleLine]:
    record = seen.journal.last_decision()
    return [] if record is None else list(_find_stale(seen, record))


def _find_stale(seen: Inputs, record: DecisionRecord) -> list[StaleLine]:
    stale = []
    for vector in seen.journal.vectors(record.decision_id):
        if vector.service != _PRICE_SERVICE or vector.event_timestamp == record.event_timestamp:
            continue
        if vector.event_timestamp is None:
            reason = "no features online"
        else:
            hours = (record.event_timestamp - vector.event_timestamp) / HOUR
            reason = f"of {vector.event_timestamp:%Y-%m-%d %H:%M} UTC, {format_plain(hours)} h older than the decision"
        stale.append(StaleLine(asset=vector.entity, reason=reason))
    return stale
