"""One cell of the matrix: a situation while an operation is under way, what came of it, and what must hold always."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from pairity.timeline import from_ms
from pairity.universe import inst_id
from paper_exchange.run import SYNTHETIC_START
from serving.journal import Purpose, TradingState
from tests.fault_matrix.desk import BTC, SIZE, Desk
from tests.fault_matrix.operations import Operation
from tests.fault_matrix.situations import BEGINS_S, ENDS_S, EVERY_S, Situation
from tests.paper_exchange.signed_requests import ask

LASTS = timedelta(seconds=45)
PROTECTED_WITHIN = timedelta(seconds=60)
_MOST_LOOKS = 90


@dataclass
class Cell:
    """A cell while it is played."""

    situation: Situation
    operation: Operation
    desk: Desk
    lasting: bool
    turn: int = 0
    """How often the event of the row has come before."""
    causes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def play(self) -> str:
        """Play it and return what came of it, in the words of the table."""
        desk = self.desk
        if self.turn:
            # An event of hours ago is over; what it left behind belongs to its own cell.
            await desk.clock.sleep_until(_at(self.turn * EVERY_S))
        await desk.watch.look()
        if self.operation.open_before:
            await desk.decide()
            assert len(desk.journal.open_positions()) == 1, desk.said.lines
        if self.operation.name == "protect":
            self._cancel_stops()
        await self._begin()
        await self._operate()
        self._note()
        until = desk.clock.now() + (LASTS if self.lasting else timedelta(0))
        while desk.clock.now() < until:
            await self._look()
        await self._end()
        ended = desk.clock.now()
        await self._look()
        await self._check_protection(ended)
        result = self._describe()
        await self._settle()
        self.wrong += self._compare()
        return result

    async def _operate(self) -> None:
        name = self.operation.name
        if name in ("entry", "query"):
            await self.desk.decide()
        elif name in ("exit", "cancel"):
            await self.desk.decide(leave=True)
        else:
            await self._look()

    async def _look(self) -> None:
        await self.desk.look()
        self._note()

    def _note(self) -> None:
        supervisor = self.desk.supervisor
        found = list(supervisor.causes) + (["halt"] if supervisor.state is TradingState.HALTED else [])
        self.causes += [cause for cause in found if cause not in self.causes]

    def _describe(self) -> str:
        open_now = self.desk.journal.open_positions()
        words = {"entry": ("opened", "not opened"), "query": ("opened", "not opened")}
        there, gone = words.get(self.operation.name, ("held", "closed"))
        blocked = ["blocked"] if BTC in self.desk.status.blocked else []
        guards = [f"guards: {', '.join(self.causes)}"] if self.causes else []
        return "; ".join([there if open_now else gone, *blocked, *guards])

    async def _begin(self) -> None:
        what = self.situation
        if what.kind == "fault":
            params = dict(what.params)
            path = "*" if what.everywhere else self.operation.path
            count = None if self.lasting else 1
            _control(self.desk, "POST", "faults", {"kind": what.what, "path": path, "count": count, "params": params})
        elif what.kind == "event":
            await self.desk.clock.sleep_until(_at(BEGINS_S + self.turn * EVERY_S))
        elif what.kind == "person":
            self._act()

    async def _end(self) -> None:
        what = self.situation
        if what.kind == "fault":
            _control(self.desk, "DELETE", "faults", None)
        elif what.kind == "event":
            await self.desk.clock.sleep_until(_at(ENDS_S + self.turn * EVERY_S))
        elif what.what == "rest":
            cancelled = {"instId": BTC, "clOrdId": what.params["client_id"]}
            assert ask(self.desk.url, "POST", "trade/cancel-order", cancelled)["code"] == "0"
            self.desk.say_alone()

    def _act(self) -> None:
        """Do what the person or the other program of a row does."""
        params, desk = self.situation.params, self.desk
        if self.situation.what == "cancel_stop":
            self._cancel_stops()
        elif self.situation.what == "leverage":
            desk.ask("POST", "account/set-leverage", instId=BTC, mgnMode=desk.margin.value, lever=params["lever"])
        elif self.situation.what == "rest":
            price = str(round(float(desk.ask("GET", "market/ticker", instId=BTC)[0]["last"]) * 0.985, 1))
            desk.ask(
                "POST",
                "trade/order",
                instId=BTC,
                tdMode=desk.margin.value,
                side="buy",
                ordType="post_only",
                px=price,
                sz="0.01",
                clOrdId=params["client_id"],
            )
        else:
            part, name = Decimal(params["part"]), params.get("instrument", BTC)
            contracts = abs(part * SIZE) or SIZE
            side = "sell" if part < 0 else "buy"
            desk.ask(
                "POST",
                "trade/order",
                instId=name,
                tdMode=(desk.margin.other if params.get("other_margin") else desk.margin).value,
                side=side,
                ordType="market",
                sz=str(contracts),
            )

    def _cancel_stops(self) -> None:
        for stop in self.desk.see_stops():
            body = [{"instId": stop["instId"], "algoId": stop["algoId"]}]
            assert ask(self.desk.url, "POST", "trade/cancel-algos", body)["code"] == "0"

    def tidy(self) -> None:
        """Leave nothing on the account for the next cell."""
        _control(self.desk, "DELETE", "faults", None)
        self._cancel_stops()
        for order in self.desk.ask("GET", "trade/orders-pending"):
            ask(self.desk.url, "POST", "trade/cancel-order", {"instId": order["instId"], "ordId": order["ordId"]})
        self._close_all()

    def _close_all(self) -> list[str]:
        """Close by hand what is left, and return what it was."""
        left = []
        for (name, mode), contracts in self.desk.see_positions().items():
            left.append(f"{contracts} contracts of {name} are left")
            side = "sell" if contracts > 0 else "buy"
            body = {"instId": name, "tdMode": mode, "side": side, "ordType": "market", "sz": str(abs(contracts))}
            ask(self.desk.url, "POST", "trade/order", body)
        return left

    async def _check_protection(self, since: datetime) -> None:
        """Note where a position of ours has no stop once the situation has been over for a minute."""
        while not self._is_protected():
            if self.desk.clock.now() - since > PROTECTED_WITHIN:
                self.wrong.append("no stop a minute after it was over")
                return
            await self._look()

    def _is_protected(self) -> bool:
        held = self.desk.see_positions()
        stops = self.desk.see_stops()
        for record in self.desk.journal.open_positions():
            for leg in record.position.legs:
                size = min(leg.contracts, abs(held.get((inst_id(leg.asset), self.desk.margin), Decimal(0))))
                own = inst_id(leg.asset), self.desk.margin
                cover = sum(Decimal(stop["sz"] or 10**9) for stop in stops if (stop["instId"], stop["tdMode"]) == own)
                if cover < size:
                    return False
        return True

    async def _settle(self) -> None:
        """Look until the process trades again; then a person takes away what is theirs, and ours is closed."""
        for _ in range(_MOST_LOOKS):
            if self.desk.supervisor.state is TradingState.TRADING:
                break
            await self._look()
        else:
            self.wrong.append(f"it is still {self.desk.supervisor.explain_refusal()}")
        if self.desk.journal.open_positions():
            await self.desk.decide(leave=True)
            for _ in range(_MOST_LOOKS):
                if not self.desk.journal.open_positions():
                    break
                await self._look()
        if self.situation.kind == "venue":
            await asyncio.sleep(1)  # its lists lag by the wall clock, for a person too
        left = self._close_all()
        if self.situation.kind != "person":
            self.wrong += left
        for _ in range(3):
            await self.desk.look()

    def _compare(self) -> list[str]:
        """Return what is not as it must be at the end, whatever happened."""
        journal, wrong = self.desk.journal, []
        if self.desk.supervisor.state is not TradingState.TRADING:
            wrong.append(f"at the end it is {self.desk.supervisor.explain_refusal()}")
        wrong += [f"{record.position.position_id} is not closed" for record in journal.open_positions()]
        wrong += [f"stop {stop['algoClOrdId']} is left" for stop in self.desk.see_stops()]
        wrong += [
            f"{intent.client_order_id} is {intent.state}"
            for intent in journal.unsettled()
            if intent.purpose is not Purpose.PROTECT
        ]
        orders = self.desk.ask("GET", "trade/orders-history", instType="SWAP", limit="100")
        filled = [row["clOrdId"] for row in orders if row["clOrdId"] and Decimal(row["accFillSz"])]
        wrong += [f"order {name} was executed twice" for name in set(filled) if filled.count(name) > 1]
        wrong += [
            f"{record.position.position_id} has no result: {record.close}"
            for record in journal.closed_positions()
            if record.close is not None and record.close.net_usdt is None
        ]
        return wrong


def _at(seconds: int) -> datetime:
    return from_ms(int(SYNTHETIC_START.timestamp() * 1000) + seconds * 1000 + 1000)


def _control(desk: Desk, method: str, path: str, body: object) -> None:
    request = urllib.request.Request(
        f"{desk.url}/control/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    urllib.request.urlopen(request, timeout=30).close()
