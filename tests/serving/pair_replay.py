"""A replay: a made-up hourly market on a paper exchange, traded by the execution of the trading process.

Nothing decides but `decide`, and nothing trades but the executor and the reconciler: what a backtest does with the same
scores must come of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from pairity.settings import Settings, StrategySettings
from pairity.strategy.lifecycle import decide
from pairity.strategy.types import Action, AssetView, Decision, MarketView, PairScore
from pairity.timeline import to_ms
from pairity.universe import inst_id, pairs_of
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.market.market import Bar, Funding, Instrument
from serving.execution.executor import Executor
from serving.execution.okx import OkxVenue
from serving.execution.orders import OrderDesk
from serving.execution.pace import Pace
from serving.journal import DecisionRecord, Journal, decision_id
from serving.reconcile import Reconciler
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.paper_keys import exchange_at
from tests.serving.trading import RUN
from tests.training.generated import LAG, START, hours, spec
from training.backtest.records import HourScores, MarketHistory, PriceBar, Settlement
from venue.okx_client import aclose, make_client

HOUR_MS = 3_600_000
ASSETS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "BNB")


def make_history(seed: int, count: int, dear: int = 1) -> tuple[MarketHistory, dict[Any, HourScores]]:
    """Return a market without gaps, and z-scores that go up and down through zero.

    Prices are on a tick of 0.01; `dear` times the usual ones make that finer.
    """
    rng = np.random.default_rng(seed)
    times = hours(count)
    bars: dict[str, dict[Any, PriceBar]] = {}
    views: dict[Any, dict[str, AssetView]] = {time: {} for time in times}
    settlements = {}
    for number, asset in enumerate(ASSETS):
        price, bars[asset] = 40.0 * dear * (number + 1), {}
        for time in times:
            close = round(price * (1 + rng.normal(0, 0.008)), 2)
            high = round(max(price, close) * (1 + abs(rng.normal(0, 0.002))), 2)
            low = round(min(price, close) * (1 - abs(rng.normal(0, 0.002))), 2)
            bars[asset][time] = PriceBar(price, max(high, price, close), min(low, price, close), close)
            price = close
            views[time][asset] = AssetView(asset, close, 0.004 * close, 0.01, 0.0001, spec(asset, "0.001", "1"))
        settlements[asset] = [Settlement(t, float(round(rng.normal(0, 0.0004), 6))) for t in times if t.hour % 8 == 0]
    pairs = pairs_of(ASSETS)
    z = dict.fromkeys(pairs, 0.0)
    scores = {}
    for time in times:
        z = {pair: 0.7 * value + float(rng.normal(0, 0.9)) for pair, value in z.items()}
        lines = tuple(PairScore(pair, z[pair], 0.6, None, 0.5 + number % 4 / 3) for number, pair in enumerate(pairs))
        scores[time] = HourScores(lines, {pair.pair_id: 0.1 for pair in pairs})
    return MarketHistory(times, views, bars, settlements), scores


class HourlyMarket:
    """`paper_exchange`'s market over the bars of a history; the first hour is made of its first open."""

    label = "replayed"

    def __init__(self, history: MarketHistory) -> None:
        self._history = history
        self.start_ms = to_ms(history.hours[0]) - HOUR_MS
        self.end_ms = to_ms(history.hours[-1]) + 2 * HOUR_MS
        self.instruments = {inst_id(asset): _make_instrument(asset, self.start_ms) for asset in ASSETS}
        self._bars = {
            inst_id(asset): [Bar(to_ms(close) - HOUR_MS, *bar, 1e6) for close, bar in path.items()]
            for asset, path in history.bars.items()
        }

    def bar_ms(self, _inst_id: str) -> int:
        return HOUR_MS

    def bars(self, name: str, since_ms: int, until_ms: int, _kind: str = "last") -> list[Bar]:
        return [bar for bar in self._bars[name] if since_ms <= bar.open_ms < until_ms]

    def bar_at(self, name: str, at_ms: int, _kind: str = "last") -> Bar | None:
        return max((bar for bar in self._bars[name] if bar.open_ms <= at_ms), default=None)

    def funding(self, name: str, since_ms: int, until_ms: int) -> list[Funding]:
        known = self._history.settlements[name.removesuffix("-USDT-SWAP")]
        return [Funding(to_ms(s.time), s.rate) for s in known if since_ms <= to_ms(s.time) < until_ms]

    def open_interest(self, _inst_id: str, _at_ms: int) -> None:
        return None


def _make_instrument(asset: str, list_ms: int) -> Instrument:
    contract = spec(asset, "0.001", "1")
    return Instrument(
        inst_id=contract.instrument,
        ct_val=contract.ct_val,
        lot_sz=contract.lot_sz,
        min_sz=contract.min_sz,
        tick_sz=contract.tick_sz,
        max_leverage=contract.max_leverage,
        max_limit_sz=Decimal(10**9),
        max_market_sz=Decimal(10**9),
        list_ms=list_ms - 24 * HOUR_MS,
    )


@dataclass
class Replay:
    """What a replay leaves: the exchange's account and the journal."""

    account: Account
    journal: Journal
    settings: Settings


async def trade_replay(
    history: MarketHistory, scores: dict[Any, HourScores], strategy: StrategySettings, path: Path, **kindness: Any
) -> Replay:
    """Trade a history hour by hour, and close what is left after the last one."""
    market = HourlyMarket(history)
    clock = VirtualClock("stepped", to_ms(history.hours[0]))
    account = Account(market, clock, Decimal(100_000), unkind="unkind_seed" in kindness, seed=1)
    with serving(market, clock, account=account, **kindness) as url:
        exchange = exchange_at(url)
        settings = Settings(exchange=exchange, strategy=strategy)
        client = make_client(settings, signed=True)
        replay = Replay(account, Journal.open(path, scope="test"), settings)
        try:
            await _Loop(replay, client, clock, history, scores).run()
        finally:
            await aclose(client)
    return replay


class _Loop:
    def __init__(self, replay: Replay, client: Any, clock: VirtualClock, history: MarketHistory, scores: Any) -> None:
        self._journal, self._settings = replay.journal, replay.settings
        self._clock, self._history, self._scores = clock, history, scores
        self._venue = OkxVenue(client, retries=1)
        self.now = START
        pace = Pace(poll_s=0.02, settle_s=1.0)
        desk = OrderDesk(self._venue, self._journal, _Now(self), pace)
        self._executor = Executor(desk, _specs(), self._settings.strategy.leverage)
        self._reconciler = Reconciler(self._executor, self._settings)

    async def run(self) -> None:
        self._journal.record_run(RUN)
        for hour in self._history.hours:
            self.now = hour + LAG
            self._clock.advance_to(to_ms(self.now))
            report = await self._reconciler.run()
            # A list that lags shows a stop that fills in parts as a position that gets smaller.
            assert [text for text in report.problems if "taken over" not in text] == [], report
            assert report.unresolved == []
            await self._carry_out(self._decide(hour))
            await self._check_equal()
        for record in self._journal.open_positions():
            await self._executor.close(record.position, "end_of_data", None)

    def _decide(self, hour: Any) -> DecisionRecord:
        scored = self._scores[hour]
        market = MarketView(self.now, hour, dict(self._history.views[hour]), scored.correlations)
        state = self._journal.restore_state(100_000.0)
        outcome: Decision = decide(state, scored.scores, market, self._settings.strategy)
        if hour == self._history.hours[-1]:
            outcome = Decision(Action.HOLD, "the end", (), (), (), outcome.state)
        record = DecisionRecord(
            decision_id("test", hour),
            RUN.run_id,
            self.now,
            hour,
            "pair_model_v1",
            "pair_forest",
            "1",
            "m" * 64,
            outcome,
        )
        self._journal.record_decision(record, [])
        return record

    async def _carry_out(self, record: DecisionRecord) -> None:
        for leave in record.decision.exits:
            held = self._journal.position(leave.position_id)
            assert held is not None
            if held.close is None:
                closed = await self._executor.close(held.position, str(leave.reason), record.decision_id)
                assert closed.problems == ()
        for entry in record.decision.entries:
            opened = await self._executor.open(entry, record)
            assert opened.problems == ()

    async def _check_equal(self) -> None:
        """Positions and stops of the venue are those of the journal: every leg, and nothing else."""
        legs = [leg for record in self._journal.open_positions() for leg in record.position.legs]
        ours = {inst_id(leg.asset): leg.side.sign * leg.contracts for leg in legs}
        assert len(ours) == len(legs)
        mode = self._settings.strategy.margin_mode
        for _ in range(100):
            there = {name: held.contracts for name, held in (await self._venue.positions(mode)).items()}
            if there == ours:
                break
            await self._executor.desk.pace.wait()
        assert there == ours
        stops = {algo.instrument for algo in await self._venue.algo_orders()}
        assert stops == set(ours)


class _Now:
    def __init__(self, loop: _Loop) -> None:
        self._loop = loop

    def now(self) -> Any:
        return self._loop.now

    async def sleep_until(self, instant: Any) -> None:
        raise AssertionError("execution waits in real seconds")


def _specs() -> dict[str, Any]:
    return {asset: spec(asset, "0.001", "1") for asset in ASSETS}
