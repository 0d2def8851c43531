"""The backtest that a replay is compared with: the same decisions, at the paper exchange's quotes and mark prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from feature_repo.contract_specs import read_contracts
from feature_repo.raw_files import scan_versions
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Action, Decision, MarketView, PairScore, StrategyState
from pairity.universe import ContractSpec, exact
from pairity_cli.replay.models import score_promotions
from paper_exchange.market.prices import best_quotes
from paper_exchange.market.specifications import specify_instrument
from serving.replay.scheduled_champion import Promotion
from training.backtest.comparison import make_terms
from training.backtest.engine import run_backtest
from training.backtest.inputs import group_scores_by_hour
from training.backtest.policies import Strategy
from training.backtest.records import BacktestResult, MarketHistory, Quotes, Settlement
from training.data.history import load_history, make_store_join


@dataclass(frozen=True, slots=True)
class Expected:
    """Result of the backtest, and what it filled at."""

    result: BacktestResult
    history: MarketHistory
    quotes: Quotes


class SeenBalances:
    """The strategy with the balances that the trading process saw: sizes then depend on nothing else.

    The venue marks what is held at the next bar's open and the engine at the close, so that the two balances differ
    while something is held. Where the equity is wrong, the comparison of the equity says so.
    """

    protected = True

    def __init__(self, strategy: Strategy, seen: Mapping[datetime, float], silent: Mapping[datetime, str]) -> None:
        self._strategy, self._seen, self._silent = strategy, seen, silent

    def decide(self, state: StrategyState, scores: Sequence[PairScore], market: MarketView) -> Decision:
        """Decide with the balance that was seen at this close; at a silent one nobody decides."""
        if (reason := self._silent.get(market.event_timestamp)) is not None:
            return Decision(action=Action.HOLD, reason=reason, scores=(), exits=(), entries=(), state=state)
        available = self._seen.get(market.event_timestamp, state.available_usdt)
        return self._strategy.decide(replace(state, available_usdt=available), scores, market)


def backtest_replayed(
    settings: Settings,
    promotions: tuple[Promotion, ...],
    within: tuple[datetime, datetime],
    seen: Mapping[datetime, float],
    silent: Mapping[datetime, str],
) -> Expected:
    """Backtest the decisions of `within` on the data of the replay's own directory, those at `silent` closes not."""
    join, now = make_store_join(settings), within[1] + timedelta(minutes=1)
    scored = score_promotions(settings, promotions, join, now, within)
    history, _ = load_history(settings, join, *within, now)
    history = replace(history, marks=read_settlement_marks(settings, history.settlements))
    quotes = make_quotes(read_contracts(Layout.of(settings)))
    result = run_backtest(
        history,
        group_scores_by_hour(scored, settings.universe.pairs),
        SeenBalances(Strategy(settings.strategy), seen, silent),
        replace(make_terms(settings), quotes=quotes),
        decision_lag=settings.features.decision_lag,
        train_end=datetime.fromisoformat(promotions[0].scorer.ref.train_end),
    )
    return Expected(result, history, quotes)


def make_quotes(contracts: Mapping[str, ContractSpec]) -> Quotes:
    """Return the paper exchange's quotes: half a basis point or a tick around a price, on ticks."""
    instruments = {
        asset: specify_instrument(asset, price=1.0, list_ms=0, given=spec) for asset, spec in contracts.items()
    }

    def quote(asset: str, price: float, sign: int) -> float:
        bid, ask = best_quotes(instruments[asset], exact(price))
        return float(ask if sign > 0 else bid)

    return quote


def read_settlement_marks(
    settings: Settings, settled: Mapping[str, Sequence[Settlement]]
) -> dict[str, dict[datetime, float]]:
    """Return the mark price at each settlement by asset, where the lake has it: the open of the mark's bar."""
    marks = {}
    for asset, settlements in settled.items():
        times = [settlement.time for settlement in settlements]
        rows = scan_versions(Layout.of(settings), "mark_1h", settings.features.venue, asset)
        known = rows.filter(pl.col("open_time").is_in(times)).sort("known_at").select("open_time", "open").collect()
        marks[asset] = dict(known.iter_rows())
    return marks
