"""A book over some hours as the gate asks for it: traded from the first of them on, with what decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_repo.catalog import EVENT_TIME
from model_registry.combined_fits import CombinedFit, MemberFit
from model_registry.stored_books import StoredFit
from model_registry.stored_fits import LearntFit
from pairity.books.combination import PAST_DAYS
from pairity.books.families import BookFamily
from pairity.books.fits import BookFit
from pairity.errors import MissingDataError
from pairity.settings import Settings
from pairity.timeline import DAY, HOUR, floor_to
from training.books.bench import BookBench
from training.books.combined import WalkForwardBooks
from training.books.engine import BookRun, BookTerms
from training.books.outcome_walk import open_outcomes
from training.books.panel import BookPanel
from training.books.plan import Basis, PlannedDecision, list_due, plan_book, plan_members
from training.books.ranker import LEAST_DAYS, WalkForwardRanker
from training.books.stored_market import StoredMarket, load_hours


@dataclass(frozen=True)
class WalkedBook:
    """A book over the bar closes from `first` to the end of the market; hours before are history to it."""

    bench: BookBench
    market: StoredMarket
    first: datetime
    universe: datetime
    """First close at which there is something to choose from."""

    @cached_property
    def run(self) -> BookRun:
        """The book, traded."""
        return self.bench.run()

    def fit_until(self, end: datetime) -> StoredFit | None:
        """Return what a family that learns is fitted to at the last midnight (UTC) up to `end`; None for a rule.

        Of a combination that is what each of its books is fitted to, and what it had done on the walk. MissingDataError
        where too little was known then.
        """
        family, panel = self.bench.family, self.panel
        if not family.is_fitted:
            return None
        made_at = floor_to(min(end, panel.close_of(panel.hours - 1)), DAY)
        if not family.members:
            return self._fit(family, made_at)
        done = self._look_back(made_at)
        members = {
            one.name: replace(done[one.name], fit=self._fit(one, made_at) if one.learns else None)
            for one in family.books
        }
        return CombinedFit(made_at, members)

    def _fit(self, family: BookFamily, made_at: datetime) -> LearntFit:
        """Return what the walk of a family that learns fits at a close."""
        fit = None
        if made_at >= self.panel.start:
            fit = self._fit_at(family, (made_at - self.panel.start) // HOUR)
        if fit is None:
            what = "decisions" if family.outcome is None else "outcomes"
            raise MissingDataError(
                f"{family.name} learns from {LEAST_DAYS} days of {what}, and at {made_at:%Y-%m-%d} there are fewer: "
                "nothing was fitted",
                "collect a longer history of the universe, or train a family that learns nothing",
            )
        return fit

    def _fit_at(self, family: BookFamily, row: int) -> LearntFit | None:
        """Return what the walk fits at a row; None where it has learnt too little yet."""
        history, able = self.market.history, frozenset(self.bench.list_names())
        if family.ranker is not None:
            return WalkForwardRanker(history=history, kind=family.ranker, able=able, size=family.size).fit(row)
        assert family.outcome is not None
        outcomes = open_outcomes(history, family.outcome, able, family.size, self.bench.terms.costs)
        return outcomes.fit(row) if outcomes.has_learnt(row) else None

    def _look_back(self, made_at: datetime) -> dict[str, MemberFit]:
        """Return what the books of a combination had done on the walk up to a close; nothing before its first."""
        bench, panel = self.bench, self.panel
        able, row = frozenset(bench.list_names()), (made_at - panel.start) // HOUR
        due = list_due(panel, bench.family, bench.first, row + 1)
        if not due:
            return {name: MemberFit() for name in bench.family.members}
        basis = Basis(able, able, bench.first, 0, bench.terms.costs)
        books = WalkForwardBooks(panel, plan_members(self.market.history, bench.family, basis), bench.terms.costs)
        seen: Mapping[str, object] = {}
        past: Mapping[str, Sequence[float]] = {}
        for hour in due:
            seen, past = books.see(hour)
        kept = PAST_DAYS if bench.family.follows_past else 0
        return {
            name: MemberFit(begun=name in seen, past=tuple(past.get(name, ())[-kept:] if kept else ()))
            for name in bench.family.members
        }

    @property
    def panel(self) -> BookPanel:
        """The market's bars and settlements."""
        return self.market.history.panel

    def tabulate_weights(self) -> pl.DataFrame:
        """Return the weights that were wanted: event_timestamp, name, weight; 0 of names that were left alone."""
        return _tabulate(self.panel, self.bench.plan())

    def tabulate_before(self) -> pl.DataFrame:
        """Return the same of the hours before `first`, as the book would have wanted them; empty without any.

        Of a book that learns, or whose books do, from the first decision on at which it wants anything.
        """
        begin = (self.universe - self.panel.start) // HOUR
        if begin >= self.bench.first:
            return _tabulate(self.panel, ())
        able = frozenset(self.bench.list_names())
        terms = self.bench.terms
        plan = plan_book(
            self.market.history, self.bench.family, able, first=begin, limits=terms.limits, costs=terms.costs
        )
        began = next((one.hour for one in plan if one.weights), 0) if self.bench.family.is_fitted else 0
        return _tabulate(self.panel, [one for one in plan if began <= one.hour < self.bench.first])

    def digest_market(self) -> str:
        """Return the digest of everything that is known of the market here."""
        return self.panel.compute_digest()


def walk_book(
    settings: Settings,
    family: BookFamily,
    terms: BookTerms,
    first: datetime,
    last: datetime,
    now: datetime,
    fit: BookFit | None = None,
) -> WalkedBook:
    """Return the book over the bar closes from `first` to `last`, as known at `now`.

    `fit`: what a version of it learnt; without one a family that learns does so walk-forward. MissingDataError where
    there is nothing to choose from before `last`, and where bars do not reach over the hours.
    """
    try:
        market, universe = load_hours(settings, first, last, now)
    except MissingDataError as error:
        raise MissingDataError(f"{family.name}: {error.what}", error.remedy) from None
    row = (first - market.history.panel.start) // HOUR
    bench = BookBench(history=market.history, family=family, terms=terms, specs=market.specs, first=row, fit=fit)
    return WalkedBook(bench, market, first, universe)


def _tabulate(panel: BookPanel, plan: Sequence[PlannedDecision]) -> pl.DataFrame:
    rows = [
        (panel.close_of(one.hour), name, one.weights.get(name, 0.0))
        for one in plan
        for name in sorted({*one.target.universe, *one.weights})
    ]
    schema: dict[str, pl.DataType] = {EVENT_TIME: pl.Datetime("us", "UTC"), "name": pl.String(), "weight": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")
