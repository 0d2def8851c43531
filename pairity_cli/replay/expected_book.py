"""The backtest that a replay of a book is compared with: the same decisions, at the exchange's quotes and marks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from feature_repo.contract_specs import read_contracts
from pairity.books.families import BookFamily
from pairity.books.fits import BookFit
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, MINUTE
from pairity_cli.replay.expected import make_quotes, read_settlement_marks
from training.backtest.inputs import read_lake_settlements
from training.books.engine import BookRun, run_book
from training.books.panel import BookPanel
from training.books.plan import plan_book
from training.books.stored_market import load_market, make_book_terms


@dataclass(frozen=True, slots=True)
class ExpectedBook:
    """Backtest of a book, and the market that it saw."""

    run: BookRun
    panel: BookPanel


def backtest_book(
    settings: Settings,
    family: BookFamily,
    within: tuple[datetime, datetime],
    silent: Collection[datetime],
    late: Mapping[datetime, int],
    fit: BookFit | None = None,
) -> ExpectedBook:
    """Backtest the decisions from `within`'s first close to before its last on the data of the replay's own directory.

    At `silent` closes nothing is decided; what is decided at `late` ones is filled so many hours later. `fit`: what the
    version of the book learnt, which speaks from beginning to end. Raises what `load_market` raises.
    """
    since, until = within
    layout, now = Layout.of(settings), until + MINUTE
    history = load_market(settings, now, until).history
    panel, contracts, terms = history.panel, read_contracts(layout), make_book_terms(settings)
    asked = terms.costs  # what paper returns of members pay, as in the process
    settled = read_lake_settlements(layout, settings.features.venue, panel.names, now)
    terms = replace(
        terms,
        costs=replace(terms.costs, slippage_bps=0.0, impact=0.0, quotes=make_quotes(contracts)),
        marks=read_settlement_marks(settings, settled),
    )
    first = (since - panel.start) // HOUR
    able = frozenset(panel.names) & frozenset(contracts)
    if fit is None:
        planned = plan_book(history, family, able, first=first, limits=terms.limits, costs=terms.costs)
    else:
        # What is smoothed goes on from decision to decision, as it does in the process: from the first that was made.
        rows = {(close - panel.start) // HOUR for close in silent}
        planned = plan_book(history, family, able, first=first, limits=terms.limits, costs=asked, fit=fit, silent=rows)
    plan = [one for one in planned if panel.close_of(one.hour) not in silent]
    return ExpectedBook(run_book(history, family, terms, contracts, first=first, plan=plan, late=late), panel)
