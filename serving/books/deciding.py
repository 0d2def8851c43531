"""One decision of a book: the market and what is held go in, the journal's record comes out. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from feature_repo.catalog import BOOK_FEATURES
from model_registry.combined_fits import CombinedFit
from model_registry.outcome_fits import OutcomeFit
from model_registry.records import ModelRef
from model_registry.stored_books import StoredFit
from pairity.books.decision import HeldBook, NameDecision, WeightPlan, decide_book
from pairity.books.explanation import TOO_FEW, explain_weight
from pairity.books.families import BookFamily
from pairity.books.limits import BookLimits
from pairity.books.margin import leave_for_others
from pairity.books.present import PresentMarket
from pairity.books.readiness import explain_no_universe
from pairity.books.rebalance import Cause, Change
from pairity.digest import digest_bytes
from pairity.number_formats import format_plain
from pairity.strategy.types import Action, Decision, StrategyState
from pairity.universe import ContractSpec
from serving.books.members import explain_passed_over
from serving.journal import BookName, BookRecord, DecisionRecord
from serving.journal.book_records import BOOK_VERSION


@dataclass(frozen=True, slots=True)
class TradedBook:
    """What a book is traded by: its family, its limits, and its contracts by name."""

    family: BookFamily
    limits: BookLimits
    specs: Mapping[str, ContractSpec]
    version: ModelRef | None = None
    """Champion that defines the book; None where the command line or a setting names its family."""
    fit: StoredFit | None = None
    """What the version learnt, or its books did; None for a rule."""

    @property
    def model(self) -> tuple[str, str, str]:
        """Name, version and digest by which its decisions are journalled."""
        if self.version is None:
            return self.family.name, BOOK_VERSION, self.digest
        return self.version.key

    @property
    def digest(self) -> str:
        """Digest of family and limits: another book has another one."""
        family = self.family
        text = f"{family.name} {family.size} {family.every_hours} {family.band} {self.limits}"
        return digest_bytes(text.encode())


def decide(
    terms: TradedBook,
    present: PresentMarket,
    held: HeldBook,
    able: Collection[str],
    staying: Mapping[str, str],
    *,
    decision_id: str,
    close: datetime,
    before: BookRecord | None = None,
    others: float = 0.0,
) -> BookRecord:
    """Return what is decided of every name that is held, wanted or in the universe; `before`: the decision before.

    `others`: initial margin of the account, USDT, that serves something else than this book. `able`: names that the
    book may trade; those of them that are held and of which nothing is known at this close stay as they are. So do
    those of `staying`, which cannot be traded or have no bar, with the reason.
    """
    limits = leave_for_others(terms.limits, held.equity, others)
    said = [] if limits == terms.limits else [f"{format_plain(others)} USDT of the account's margin serve others"]
    plan, chosen = decide_book(
        terms.family,
        present.market,
        limits,
        present.realised,
        held,
        terms.specs,
        able,
        staying,
    )
    names = chosen.names
    seen = {one.name for one in names}
    lacking = explain_no_universe(present.market.features, terms.specs)
    untouched = [
        NameDecision(Change(name, 0.0, 0.0, cause), Decimal(0), Decimal(0))
        for cause, idlers in ((Cause.WITHIN_BAND, plan.target.universe), (Cause.NOT_KNOWN, present.unusable))
        for name in idlers
        if name not in seen
    ]
    return BookRecord(
        decision_id=decision_id,
        family=terms.family.name,
        close=close,
        equity_usdt=held.equity,
        names=tuple(
            _describe(one, plan, present, held, staying, _find_opening(one, close, before))
            for one in sorted([*names, *untouched], key=lambda one: one.name)
        ),
        steps=(
            *said,
            *([] if lacking is None else [lacking]),
            *_explain_idle(terms.fit),
            *explain_passed_over(terms.family, before, present.market.members, close),
            *(f"{step.name}: {step.why}" for step in plan.steps),
            *([chosen.margin] if chosen.margin else []),
        ),
        pairs=dict(plan.target.pairs),
        hours_left=dict(plan.target.hours_left),
        smoothed=dict(present.market.smoothed),
        members=dict(present.market.members),
    )


def make_record(
    book: BookRecord, terms: TradedBook, *, run_id: str, decision_time: datetime, available_usdt: float
) -> DecisionRecord:
    """Return the journal's decision around a book's."""
    name, version, sha256 = terms.model
    traded = sum(one.is_traded for one in book.names)
    said = f"{terms.family.name}: {traded} of {len(book.names)} names traded"
    return DecisionRecord(
        decision_id=book.decision_id,
        run_id=run_id,
        decision_time=decision_time,
        event_timestamp=book.close,
        feature_service=BOOK_FEATURES.name,
        model_name=name,
        model_version=version,
        model_sha256=sha256,
        decision=Decision(
            action=Action.REBALANCE if traded else Action.HOLD,
            reason="; ".join([said, *book.steps]),
            scores=(),
            exits=(),
            entries=(),
            state=StrategyState(available_usdt),
        ),
    )


def _explain_idle(fit: StoredFit | None) -> list[str]:
    """Return why a fit wants nothing of any pair, where it does not."""
    if isinstance(fit, CombinedFit):
        return [f"{name}: {why}" for name, own in fit.members.items() for why in _explain_idle(own.fit)]
    if not isinstance(fit, OutcomeFit) or fit.margin is not None:
        return []
    return [f"nothing is wanted: no margin above costs paid in the folds of the fit of {fit.made_at:%Y-%m-%d}"]


def _find_opening(one: NameDecision, close: datetime, before: BookRecord | None) -> datetime | None:
    """Return the close since which a name is held on the side that is wanted now; None where none of it is."""
    if not one.wanted:
        return None
    known = None if before is None else before.find(one.name)
    kept = known is not None and known.opened_at is not None and one.held * one.wanted > 0
    return known.opened_at if known is not None and kept else close


def _describe(
    one: NameDecision,
    plan: WeightPlan,
    present: PresentMarket,
    held: HeldBook,
    staying: Mapping[str, str],
    opened_at: datetime | None,
) -> BookName:
    known = present.market.features.get(one.name)
    volatility = None if known is None else known.volatility
    if one.change.cause is Cause.NOT_KNOWN and one.name in staying:
        why = staying[one.name]
    elif one.change.cause is Cause.NOT_KNOWN and one.name in present.missing:
        why = "no bar at this close"
    elif one.change.cause is Cause.NOT_KNOWN and known is not None and one.held:
        why = TOO_FEW
    else:
        why = present.unusable.get(one.name) or explain_weight(one.name, plan.target, plan.steps, volatility)
    return BookName(
        name=one.name,
        score=plan.target.scores.get(one.name),
        volatility=volatility,
        wanted=plan.target.weights.get(one.name, 0.0),
        target=plan.weights.get(one.name, 0.0),
        weight=one.change.held,
        cause=one.change.cause.value,
        why=f"{why}; {one.note}" if one.note else why,
        # A name outside the universe has no bars, and its stop needs a price: the mark that its size was found at.
        price=held.prices.get(one.name),
        held=one.held,
        contracts=one.wanted,
        opened_at=opened_at,
    )
