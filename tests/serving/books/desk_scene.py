"""A watch over a book on the tiny exchange: decisions are given, and looks carry them out. What a test does between
two looks (a hand that trades, a stop that strikes, an instrument that is suspended) happens on the exchange itself.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pairity.books.families import BOOK_FAMILIES
from pairity.settings import Settings
from pairity.strategy.types import Action, Decision, StrategyState
from pairity.timeline import from_ms
from pairity.universe import ContractSpec
from serving.books.parts import BookDesk
from serving.execution.limit_entries import LimitTerms
from serving.journal import BookName, BookRecord, DecisionRecord, Intent, Purpose, decision_id
from serving.status import Status
from serving.watch import Watch
from tests.serving.guarding import MovingClock, Said, make_guard_parts
from tests.serving.resting_okx import RestingOkx
from tests.serving.tiny_okx import Refused
from tests.serving.trading import RUN, desk_on

BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
SOL_SPEC = ContractSpec(SOL, Decimal(1), Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(100))
TERMS = LimitTerms(deadline_s=60.0, quotes=1, drift=Decimal("0.002"), cancel_after_s=30)


class BookOkx(RestingOkx):
    """The tiny exchange as books use it: stops without a target, and nothing is traded in what is not live."""

    def __init__(self) -> None:
        super().__init__()
        self.cash = Decimal(1_000_000)

    def _new_algo(self, instrument: str, side: str, size: str, client_id: str, row: dict[str, Any]) -> dict[str, Any]:
        never = "1000000000" if side == "sell" else "0.00001"
        return super()._new_algo(instrument, side, size, client_id, {"tpTriggerPx": never, **row})

    def _require_live(self, instrument: str) -> None:
        if self.states[instrument] != "live":
            raise Refused("51022", "Contract suspended.")

    def _privatePostTradeOrder(self, params: Any) -> list[Any]:
        self._require_live(params["instId"])
        return super()._privatePostTradeOrder(params)

    def _privatePostTradeOrderAlgo(self, params: Any) -> list[Any]:
        self._require_live(params["instId"])
        return super()._privatePostTradeOrderAlgo(params)


class BookGuard:
    """One process that carries out a book's decisions; `restarted` is the next one on the same journal."""

    def __init__(
        self,
        tiny: BookOkx,
        home: Path,
        *,
        assets: tuple[str, ...] = ("BTC", "ETH", "SOL"),
        known: tuple[str, ...] | None = None,
        limits: LimitTerms | None = None,
        **changes: Any,
    ) -> None:
        self.tiny, self.home = tiny, home
        self.desk = desk_on(tiny, home / "journal.db", limits=limits)
        self.journal = self.desk.journal
        if self.journal.run(RUN.run_id) is None:
            self.journal.record_run(RUN)
        contracts: dict[str, ContractSpec] = self.desk.executor.contracts  # type: ignore[assignment]
        contracts["SOL"] = SOL_SPEC
        for name in [*contracts]:
            if known is not None and name not in known:
                del contracts[name]
        entry = {} if limits is None else {"entry_order": "limit_then_market"}
        settings = Settings(
            home=home,
            universe={"assets": assets, "pair_assets": assets[:2]},
            strategy={"book": "trend_carry_book", **entry},
            limits={"day_loss": 1, "drawdown": 1, "orders_per_hour": 1000, "rejects_per_hour": 1000},
            **changes,
        )
        self.status, self.said = Status("paper", "tiny", {}), Said()
        self.parts = make_guard_parts(settings, MovingClock(tiny), self.desk.executor, self.status, self.said)
        family = BOOK_FAMILIES["trend_carry_book"]
        self.watch = Watch(
            self.parts, lambda rivals, limiter: BookDesk(self.parts, family, rivals, limiter).reconciler, assets
        )

    def decide(self, **wanted: str) -> BookRecord:
        """Journal a decision of now: contracts to hold, by name; names that are held and not named leave."""
        held = {name.removesuffix("-USDT-SWAP"): size for name, size in self.journal.books.count_held().items()}
        close, equity = from_ms(self.tiny.now_ms), float(self.tiny.cash)
        name = decision_id(self.journal.scope, close)
        chosen = Decision(Action.REBALANCE, "because", (), (), (), StrategyState(equity))
        digest = "m" * 64
        record = DecisionRecord(name, RUN.run_id, close, close, "book_features_v1", "book", "1", digest, chosen)
        names = tuple(
            BookName(
                name=one,
                score=0.1,
                volatility=0.01,
                wanted=0.1,
                target=0.1,
                weight=0.1,
                cause="beyond the band",
                why="because",
                price=float(self.tiny.prices[f"{one}-USDT-SWAP"]),
                held=held.get(one, Decimal(0)),
                contracts=Decimal(wanted.get(one, "0")),
            )
            for one in sorted({*held, *wanted})
        )
        book = BookRecord(
            decision_id=name,
            family="trend_carry_book",
            close=close,
            equity_usdt=equity,
            names=names,
            steps=(),
            pairs={},
        )
        self.journal.books.record(record, book)
        return book

    def look(self, seconds: float = 15) -> None:
        """Let venue time pass, and the watch look once."""
        self.tiny.now_ms += int(seconds * 1000)
        self.tiny.run_timers()
        asyncio.run(self.watch.look())

    def next_day(self) -> None:
        """Let time pass until the next decision is due."""
        self.tiny.now_ms += int(timedelta(days=1).total_seconds() * 1000)

    def held(self) -> dict[str, Decimal]:
        """Return what the journal says that the book holds."""
        return self.journal.books.count_held()

    def sent(self, instrument: str, purpose: Purpose) -> list[Intent]:
        """Return the orders of one purpose in an instrument, oldest first."""
        return [one for one in self.journal.books.orders() if (one.instrument, one.purpose) == (instrument, purpose)]

    def restarted(self, **options: Any) -> BookGuard:
        """End this process, and return the next one."""
        self.journal.close()
        return BookGuard(self.tiny, self.home, **options)
