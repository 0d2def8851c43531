"""The account of a backtest: its cash and positions, and what happens to them within one bar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from math import fsum
from typing import Any

from pairity.margin import MarginMode
from pairity.strategy.lifecycle import with_closed, with_opened
from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Action, Decision, Entry, ExitReason, Leg, LegOrder, PairPosition, StrategyState
from pairity.timeline import HOUR, ceil_to
from pairity.universe import ContractSpec, exact
from training.backtest import fills
from training.backtest.records import LegExit, MarketHistory, OpenLeg, OpenPosition, PriceBar, Settlement, Terms
from training.backtest.trade_log import make_trade_row

_IDENTITY_TOLERANCE = 1e-9


class Account:
    """Account of a backtest: cash (initial equity + realised P&L − fees − funding), held positions, and the logs.

    Money is USDT. `state` is what the strategy carries from one decision to the next; the engine replaces it after each
    decision.
    """

    def __init__(self, history: MarketHistory, terms: Terms, protected: bool) -> None:
        self.state = StrategyState(available_usdt=terms.initial_equity)
        self.trades: list[dict[str, Any]] = []
        self.equity: list[tuple[datetime, float, float, int, float, float]] = []
        self.unfilled_entries = self.funding_unknown_hours = 0
        self._history, self._terms, self._protected = history, terms, protected
        self._cash = terms.initial_equity
        self._costs = self._funding = 0.0
        self._isolated = terms.margin_mode is MarginMode.ISOLATED
        self._closing_rate = terms.maintenance_rate + terms.taker_fee_bps * fills.BPS
        self._held: dict[str, OpenPosition] = {}
        self._leaving: dict[str, ExitReason] = {}
        self._settlements: dict[str, dict[datetime, list[Settlement]]] = {}

    @property
    def value(self) -> float:
        """Equity, marked at the last known closes."""
        return self._mark_to_market()[0]

    @property
    def available(self) -> float:
        """Equity that is not bound as margin; never below 0.

        In isolated margin what legs earn is not free, and what they lose is lost to their own margin.
        """
        if self._isolated:
            return max(self._cash - sum(leg.margin for leg in self._iterate_legs()), 0.0)
        value, notional = self._mark_to_market()
        return max(value - notional / self._terms.leverage, 0.0)

    @property
    def _cushion(self) -> float:
        """Equity above the venue's requirement for the legs held; below 0 the venue liquidates them."""
        value, notional = self._mark_to_market()
        return value - self._closing_rate * notional

    def _mark_to_market(self) -> tuple[float, float]:
        """Return equity and notional held, both in one walk over the legs: each hour needs them several times."""
        unrealised = notional = 0.0
        for position in self._held.values():
            for leg in position.legs:
                unrealised += leg.unrealised
                notional += leg.notional
        return self._cash + unrealised, notional

    def _iterate_legs(self) -> Iterator[OpenLeg]:
        return (leg for position in self._held.values() for leg in position.legs)

    def live_through(self, hour: datetime, pending: Decision | None) -> None:
        """Process everything that happens in the bar that closes at `hour`; `pending` was decided at its open."""
        for leave in pending.exits if pending is not None else ():
            self._leaving.setdefault(leave.position_id, leave.reason)
        self._leave(hour)
        for entry in pending.entries if pending is not None else ():
            self._enter(entry, hour, alone=pending is not None and pending.action is Action.REBALANCE)
        if self._held:
            self._trigger(hour)
            self._mark(hour)
            self._sweep(hour)
            for leg in self._iterate_legs():
                self._settle(leg, hour)
        value, notional = self._mark_to_market()
        exposure = notional / value if self._held else 0.0
        self.equity.append((hour, value, exposure, len(self._held), self._costs, self._funding))

    def finish(self) -> None:
        """Close what is left at the last known close, with costs; ArithmeticError if the books do not balance."""
        last = self._history.hours[-1]
        for position in list(self._held.values()):
            for leg in list(position.legs):
                self._close(position, leg, LegExit(leg.mark, last, ExitReason.END))
        self.equity[-1] = (last, self._cash, 0.0, 0, self._costs, self._funding)
        self._check_books()

    def _find_bar(self, asset: str, hour: datetime) -> PriceBar | None:
        return self._history.bars.get(asset, {}).get(hour)

    def _leave(self, hour: datetime) -> None:
        """Fill exits at the bar's open, all legs or none; while a leg has no bar (outage), all of them wait."""
        for position_id, reason in list(self._leaving.items()):
            position = self._held.get(position_id)
            legs = [] if position is None else [(leg, self._find_bar(leg.asset, hour)) for leg in position.legs]
            if any(bar is None for _, bar in legs):
                continue
            for leg, bar in legs:
                if position is not None and bar is not None:
                    self._close(position, leg, LegExit(bar.open, hour - HOUR, reason))
            del self._leaving[position_id]

    def _enter(self, entry: Entry, hour: datetime, *, alone: bool) -> None:
        """Fill an entry in this bar, in all its legs.

        The entry is dropped, and counted, where a leg has no bar, where the margin does not suffice at the fill prices,
        and while an exit is still waiting (unless the entry stands `alone`: it does not depend on the exits). If only
        some limit orders fill, a broken position is left, which is closed at the bar's close.
        """
        bars = [self._find_bar(order.asset, hour) for order in entry.legs]
        done = [
            (index, order, fill)
            for index, (order, bar) in enumerate(zip(entry.legs, bars, strict=True))
            if bar is not None
            and (fill := fills.fill_entry(order.asset, order.side, order.reference_price, bar, self._terms))
        ]
        decided_at = hour - HOUR
        legs = [self._open_leg(index, order, fill, decided_at) for index, order, fill in done]
        needed = sum(leg.size * leg.entry_price / self._terms.leverage + leg.fees for leg in legs)
        whole = len(legs) == len(entry.legs)
        self.unfilled_entries += not whole
        if not legs or None in bars:
            return
        if needed > self.available or (self._leaving and not alone):
            self.unfilled_entries += whole
            return
        record = PairPosition(
            position_id=entry.position_id,
            pair=entry.pair,
            direction=entry.direction,
            legs=tuple(map(_make_leg_record, legs)),
            opened_at=decided_at,
            entry_z=entry.z,
            entry_score=entry.score,
            last_z=entry.z,
        )
        self._cash -= sum(leg.fees for leg in legs)
        self._costs += sum(leg.fees + leg.sign * leg.size * (leg.entry_price - leg.reference_price) for leg in legs)
        self.state = with_opened(self.state, record)
        self._held[entry.position_id] = OpenPosition(record, entry.probability, decided_at, legs, whole)

    def _open_leg(self, index: int, order: LegOrder, fill: fills.FillPrice, decided_at: datetime) -> OpenLeg:
        spec = self._require_spec(order.asset, decided_at)
        size = float(order.contracts * spec.ct_val)
        stop = target = None
        if self._protected:
            prices = compute_stop_prices(order.stops, order.side, exact(fill.price), spec)
            stop, target = float(prices.stop), float(prices.target)
        return OpenLeg(
            index=index,
            asset=order.asset,
            side=order.side,
            contracts=order.contracts,
            size=size,
            reference_price=fill.reference_price,
            entry_price=fill.price,
            stop_price=stop,
            target_price=target,
            fees=size * fill.price * fill.fee_bps * fills.BPS,
            mark=fill.reference_price,
            margin=size * fill.price / self._terms.leverage if self._isolated else 0.0,
        )

    def _require_spec(self, asset: str, decided_at: datetime) -> ContractSpec:
        spec = self._history.views[decided_at][asset].spec
        if spec is None:
            raise ArithmeticError(f"{asset} was to be traded at {decided_at:%Y-%m-%d %H:%M} UTC without a contract")
        return spec

    def _trigger(self, hour: datetime) -> None:
        """Check stops, targets and liquidation of each leg against the bar; other legs stand at their last closes.

        An isolated leg that opens beyond its liquidation price is liquidated there, whatever stop is nearer.
        """
        # Hits are collected before any is booked: each leg meets the account as of the last closes, in whatever order.
        cushion, opened = self._cushion, hour - HOUR
        hits: list[tuple[OpenPosition, OpenLeg, LegExit]] = []
        for position in self._held.values():
            target = self._terms.fill_model == "next_open_taker" or position.opened_at < opened
            for leg in position.legs:
                bar = self._find_bar(leg.asset, hour)
                others = leg.margin if self._isolated else cushion - leg.unrealised + self._closing_rate * leg.notional
                level = fills.solve_liquidation_price(leg, others, self._closing_rate)
                if bar is None:
                    continue
                if self._isolated and level is not None and (bar.open - level) * leg.sign <= 0:
                    hits.append((position, leg, LegExit(bar.open, opened, ExitReason.LIQUIDATION)))
                    continue
                leg_exit = fills.trigger_exit(leg, bar, hour, level, opened=opened, target=target)
                if leg_exit is not None:
                    hits.append((position, leg, leg_exit))
        for position, leg, leg_exit in hits:
            self._close(position, leg, leg_exit)

    def _mark(self, hour: datetime) -> None:
        """Mark the legs at the bar's close; without a bar nothing trades and nothing moves."""
        for leg in self._iterate_legs():
            bar = self._find_bar(leg.asset, hour)
            if bar is not None:
                leg.mark = bar.close

    def _sweep(self, hour: datetime) -> None:
        """Close, at the bar's close, everything of an account without cushion, else what is left of broken positions.

        A leg without a bar is closed at the open of its next one.
        """
        dead = not self._isolated and self._cushion < 0
        reason = ExitReason.LIQUIDATION if dead else ExitReason.OTHER_LEG
        for position in [position for position in self._held.values() if dead or not position.whole]:
            for leg in list(position.legs):
                if self._find_bar(leg.asset, hour) is not None:
                    self._close(position, leg, LegExit(leg.mark, hour, reason))
            if position.legs:
                self._leaving.setdefault(position.record.position_id, reason)

    def _settle(self, leg: OpenLeg, hour: datetime) -> None:
        """Book the funding settlements of this bar on the marked notional (rate > 0: longs pay shorts)."""
        paid = leg.sign * self._sum_funding(leg, hour)
        leg.funding += paid
        if self._isolated:
            leg.margin -= paid
        self._cash -= paid
        self._funding += paid
        view = self._history.views.get(hour, {}).get(leg.asset)
        if view is None or view.funding_rate is None:
            self.funding_unknown_hours += 1

    def _sum_funding(self, leg: OpenLeg, hour: datetime) -> float:
        """Return what the leg would pay in (hour − 1h, hour] if it were long."""
        if leg.asset not in self._settlements:
            by_hour: dict[datetime, list[Settlement]] = {}
            for settlement in self._history.settlements.get(leg.asset, ()):
                by_hour.setdefault(ceil_to(settlement.time, HOUR), []).append(settlement)
            self._settlements[leg.asset] = by_hour
        due = self._settlements[leg.asset].get(hour, ())
        marks = self._history.marks.get(leg.asset)
        if not marks:
            return leg.notional * sum(one.rate for one in due)
        return leg.size * sum(one.rate * marks.get(one.time, leg.mark) for one in due)

    def _close(self, position: OpenPosition, leg: OpenLeg, leg_exit: LegExit) -> None:
        price = fills.price_market_order(leg.asset, leg_exit.reference_price, -leg.sign, self._terms)
        if self._isolated:  # whatever closes it: a price that leaves less would have liquidated it before
            price = fills.limit_loss(leg, price, self._terms.taker_fee_bps * fills.BPS)
        fee = leg.size * price * self._terms.taker_fee_bps * fills.BPS
        self._cash += leg.sign * leg.size * (price - leg.entry_price) - fee
        self._costs += fee + leg.sign * leg.size * (leg_exit.reference_price - price)
        leg.fees += fee
        held = next(p for p in self.state.positions if p.position_id == position.record.position_id)
        self.trades.append(make_trade_row(position, held, leg, leg_exit, price))
        position.legs.remove(leg)
        position.whole = False
        if not position.legs:
            self.state = with_closed(self.state, held.position_id)
            del self._held[held.position_id]

    def _check_books(self) -> None:
        """Raise ArithmeticError unless the equity change is Σ leg P&L − fees − funding.

        Cash is kept event by event and the log leg by leg: they agree only if no event was lost or booked twice.
        """
        booked = fsum(trade["leg_pnl"] - trade["fees"] - trade["funding"] for trade in self.trades)
        change = self._cash - self._terms.initial_equity
        moved = fsum(abs(trade["leg_pnl"]) + trade["fees"] + abs(trade["funding"]) for trade in self.trades)
        if abs(change - booked) > _IDENTITY_TOLERANCE * max(self._terms.initial_equity, moved):
            raise ArithmeticError(f"the books do not balance: equity changed by {change!r}, trades say {booked!r}")


def _make_leg_record(leg: OpenLeg) -> Leg:
    return Leg(
        asset=leg.asset,
        side=leg.side,
        contracts=leg.contracts,
        entry_price=leg.entry_price,
        stop_price=leg.stop_price,
        target_price=leg.target_price,
    )
