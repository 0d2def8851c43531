"""The account of a backtest: cash, positions, and what happens to them within one bar."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from typing import Any

from pairity.strategy.lifecycle import with_closed, with_opened
from pairity.strategy.stops import stop_prices
from pairity.strategy.types import Decision, Entry, ExitReason, Leg, PairPosition, StrategyState
from pairity.timeline import HOUR
from pairity.universe import ContractSpec, exact
from training.backtest import fills
from training.backtest.records import Closing, MarketHistory, OpenPosition, Settlement, Terms

_BPS = 1e-4
_IDENTITY_TOLERANCE = 1e-9


class Account:
    """Cash (initial equity + realised P&L − fees − funding), held positions, and the logs of trades and equity.

    `state` is what the strategy carries on; the engine replaces it with each decision's.
    """

    def __init__(self, history: MarketHistory, terms: Terms, protected: bool) -> None:
        self.state = StrategyState(available_usdt=terms.initial_equity)
        self.trades: list[dict[str, Any]] = []
        self.equity: list[tuple[datetime, float, float, int]] = []
        self.unfilled_entries = self.funding_unknown_hours = 0
        self._history, self._terms, self._protected = history, terms, protected
        self._cash = terms.initial_equity
        self._held: dict[str, OpenPosition] = {}
        self._leaving: dict[str, ExitReason] = {}

    @property
    def value(self) -> float:
        """Equity, marked at the last known closes."""
        return self._cash + sum(position.unrealised for position in self._held.values())

    @property
    def available(self) -> float:
        """Equity that is not initial margin; never below 0."""
        return max(self.value - self._notional / self._terms.leverage, 0.0)

    @property
    def _notional(self) -> float:
        return sum(position.size * position.mark for position in self._held.values())

    def live_through(self, hour: datetime, pending: Decision | None) -> None:
        """Everything that happens in the bar that closes at `hour`; `pending` was decided at its open."""
        if pending is not None:
            self._leaving |= {leave.position_id: leave.reason for leave in pending.exits}
        self._leave(hour)
        for entry in pending.entries if pending is not None else ():
            self._enter(entry, hour)
        for position in list(self._held.values()):
            self._survive(position, hour)
        for position in self._held.values():
            self._settle(position, hour)
        self.equity.append((hour, self.value, self._notional / self.value if self._held else 0.0, len(self._held)))

    def finish(self) -> None:
        """Close what is left at the last known close, with costs, and check the books."""
        last = self._history.hours[-1]
        for position in list(self._held.values()):
            self._close(position, Closing(position.mark, last, ExitReason.END))
        self.equity[-1] = (last, self._cash, 0.0, 0)
        self._check_books()

    def _leave(self, hour: datetime) -> None:
        """Fill exits at the bar's open; without a bar (outage) they wait for the next one."""
        for position_id, reason in list(self._leaving.items()):
            position = self._held.get(position_id)
            bar = self._history.bars[position.asset].get(hour) if position is not None else None
            if position is not None and bar is None:
                continue
            if position is not None and bar is not None:
                self._close(position, Closing(bar.open, hour - HOUR, reason))
            del self._leaving[position_id]

    def _enter(self, entry: Entry, hour: datetime) -> None:
        """Fill an entry at the bar's open.

        Dropped, and counted, without a bar, without the margin at that price, or while an exit is still waiting.
        """
        order = entry.legs[0]
        bar = self._history.bars.get(order.asset, {}).get(hour)
        if bar is None or self._leaving:
            self.unfilled_entries += 1
            return
        decided_at = hour - HOUR
        spec = self._spec(order.asset, decided_at)
        price = fills.slipped(bar.open, order.side.sign, self._terms.slippage_bps)
        size = float(order.contracts * spec.ct_val)
        fee = size * price * self._terms.taker_fee_bps * _BPS
        if size * price / self._terms.leverage + fee > self.available:
            self.unfilled_entries += 1
            return
        record = self._record(entry, price, spec, decided_at)
        leg = record.legs[0]
        self._cash -= fee
        self.state = with_opened(self.state, record)
        self._held[entry.position_id] = OpenPosition(
            record=record, asset=order.asset, sign=order.side.sign, size=size, contracts=order.contracts,
            probability=entry.probability, decided_at=decided_at, opened_at=decided_at, reference_price=bar.open,
            entry_price=price, stop_price=leg.stop_price, target_price=leg.target_price, fees=fee, mark=bar.open,
        )  # fmt: skip

    def _spec(self, asset: str, decided_at: datetime) -> ContractSpec:
        spec = self._history.views[decided_at][asset].spec
        if spec is None:
            raise ArithmeticError(f"{asset} was to be traded at {decided_at.isoformat()} without a contract")
        return spec

    def _record(self, entry: Entry, price: float, spec: ContractSpec, opened_at: datetime) -> PairPosition:
        order = entry.legs[0]
        leg = Leg(order.asset, order.side, order.contracts, price)
        if self._protected:
            stops = stop_prices(order.stops, order.side, exact(price), spec)
            leg = Leg(order.asset, order.side, order.contracts, price, float(stops.stop), float(stops.target))
        return PairPosition(
            entry.position_id, entry.pair, entry.direction, (leg,), opened_at, entry.z, entry.score, entry.z
        )

    def _survive(self, position: OpenPosition, hour: datetime) -> None:
        """Trigger stops within the bar, else mark at its close; without a bar nothing trades and nothing moves."""
        bar = self._history.bars[position.asset].get(hour)
        if bar is None:
            return
        others = self.value - position.unrealised
        liquidation = fills.liquidation_price(position, others, self._terms.maintenance_rate)
        closing = fills.triggered(position, bar, hour - HOUR, hour, liquidation)
        if closing is not None:
            self._close(position, closing)
        else:
            position.mark = bar.close

    def _settle(self, position: OpenPosition, hour: datetime) -> None:
        """Book the settlements of this bar on the marked notional (rate > 0: longs pay shorts)."""
        for settlement in self._settlements(position.asset, hour):
            paid = position.sign * position.size * position.mark * settlement.rate
            position.funding += paid
            self._cash -= paid
        view = self._history.views.get(hour, {}).get(position.asset)
        if view is None or view.funding_rate is None:
            self.funding_unknown_hours += 1

    def _settlements(self, asset: str, hour: datetime) -> tuple[Settlement, ...]:
        """Settlements in (hour − 1h, hour]."""
        known = self._history.settlements.get(asset, ())
        first = bisect_right(known, hour - HOUR, key=lambda item: item.time)
        return tuple(known[first : bisect_right(known, hour, key=lambda item: item.time)])

    def _close(self, position: OpenPosition, closing: Closing) -> None:
        price = fills.slipped(closing.reference_price, -position.sign, self._terms.slippage_bps)
        fee = position.size * price * self._terms.taker_fee_bps * _BPS
        leg_pnl = position.sign * position.size * (price - position.entry_price)
        self._cash += leg_pnl - fee
        position.fees += fee
        held = next(p for p in self.state.positions if p.position_id == position.record.position_id)
        self.state = with_closed(self.state, held.position_id)
        del self._held[held.position_id]
        self.trades.append(_trade(position, held, closing, price, leg_pnl))

    def _check_books(self) -> None:
        """Equity change = Σ leg P&L − fees − funding; cash was kept event by event, the log trade by trade."""
        booked = sum(trade["leg_pnl"] - trade["fees"] - trade["funding"] for trade in self.trades)
        change = self._cash - self._terms.initial_equity
        if abs(change - booked) > _IDENTITY_TOLERANCE * max(1.0, self._terms.initial_equity):
            raise ArithmeticError(f"the books do not balance: equity changed by {change!r}, trades say {booked!r}")


def _trade(
    position: OpenPosition, held: PairPosition, closing: Closing, price: float, leg_pnl: float
) -> dict[str, Any]:
    gross = position.sign * position.size * (closing.reference_price - position.reference_price)
    return {
        "position_id": held.position_id, "pair_id": held.pair.pair_id, "asset": position.asset,
        "side": held.legs[0].side.value, "contracts": str(position.contracts), "size_base": position.size,
        "decided_at": position.decided_at, "opened_at": position.opened_at, "closed_at": closing.at,
        "bars_held": held.bars_held, "entry_z": held.entry_z, "entry_probability": position.probability,
        "entry_score": held.entry_score, "entry_reference": position.reference_price,
        "entry_price": position.entry_price, "stop_price": position.stop_price,
        "target_price": position.target_price, "exit_reference": closing.reference_price, "exit_price": price,
        "exit_reason": closing.reason.value,
        "traded_notional": position.size * (position.entry_price + price),
        "gross_pnl": gross, "slippage": gross - leg_pnl, "leg_pnl": leg_pnl, "fees": position.fees,
        "funding": position.funding, "net_pnl": leg_pnl - position.fees - position.funding,
    }  # fmt: skip
