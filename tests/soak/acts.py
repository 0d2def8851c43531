"""What befalls a trading process: faults of answers, people, another program, contracts that stop trading, kills."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal

from pairity.universe import inst_id
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.placing import place
from paper_exchange.account.refusals import Refused
from paper_exchange.params import Params
from paper_exchange.wire import WireError
from serving.journal import Purpose, client_order_id
from tests.soak.market import ASSETS
from tests.soak.venue import Venue

EMPTY = json.dumps({"code": "0", "msg": "", "data": []})
ANSWERS = (
    "reset",
    "abort_body",
    "rate_limit_json",
    "rate_limit_html",
    "html_502",
    "html_503",
    "html_504",
    "html_520",
    "html_200",
    "empty_200",
    "cut_json_200",
    "timeout_50004",
    "system_50026",
    "maintenance_50001",
    "clock_50102",
    "redirect",
)
READS = (
    "GET account/positions",
    "GET trade/orders-algo-pending",
    "GET trade/orders-pending",
    "GET trade/fills-history",
    "GET trade/order",
    "GET trade/order-algo",
    "GET account/bills",
    "GET account/positions-history",
    "GET public/instruments",
    "GET account/leverage-info",
)
WRITES = ("POST trade/order", "POST trade/order-algo", "POST trade/cancel-algos", "POST trade/cancel-order")
LISTS = READS[:4]
REFUSALS = ("51008", "51000", "51020", "50013", "51280", "51169", "51028")


class Acts:
    """Acts on one venue; `people` and `kills` say which of them happen. Each returns what it did, in words."""

    def __init__(self, draw: random.Random, venue: Venue, *, people: bool, kills: bool) -> None:
        self._draw, self._venue = draw, venue
        self._known: list[tuple[int, Callable[[], str]]] = [
            (5, self._spoil_some_answers),
            (2, self._spoil_a_write),
            (2, self._empty_a_list),
            (1, self._deny_orders),
            (2, self._refuse_writes),
            (1, self._go_away),
            (1, self._suspend),
            (1, self._odd_rows),
        ]
        if kills:
            self._known.append((5, self._kill))
        if people:
            self._known += [
                (3, self._cancel_a_stop),
                (2, self._trade_by_hand),
                (1, self._open_by_hand),
                (1, self._rival),
            ]
        self.touched: set[str] = set()
        """Instruments in which a person traded in this chapter."""
        self.suspended: set[str] = set()

    def draw_one(self) -> str:
        """Do one act."""
        weights, acts = zip(*self._known, strict=True)
        return self._draw.choices(acts, weights)[0]()

    def end(self) -> None:
        """End what lasts: faults, suspensions, resting orders of others."""
        venue = self._venue
        venue.faults.clear()
        for name in sorted(self.suspended):
            venue.market.set_state(name, "live", venue.clock.now_ms())
        self.suspended.clear()
        for order in venue.account.pending():
            if order.client_id.startswith("pairity") and order.kind == "post_only":
                venue.account.cancel(order, "1")

    def undo_by_hand(self, name: str, contracts: Decimal) -> None:
        """Trade away what a person still holds of an instrument: `contracts`, signed."""
        side = "sell" if contracts > 0 else "buy"
        self._place(name, side, abs(contracts))
        self.touched.add(name)

    def _spoil_some_answers(self) -> str:
        kind, path = self._draw.choice(ANSWERS), self._draw.choice((*READS, *WRITES))
        return self._fault(kind, path, self._draw.choice((1, 1, 2, 3, 8)))

    def _spoil_a_write(self) -> str:
        return self._fault(self._draw.choice(ANSWERS), self._draw.choice(WRITES), self._draw.choice((1, 2)))

    def _empty_a_list(self) -> str:
        path, count = self._draw.choice(LISTS), self._draw.choice((1, 3, 10, None))
        return self._fault("body", path, count, text=EMPTY)

    def _deny_orders(self) -> str:
        path = self._draw.choice(("GET trade/order", "GET trade/order-algo"))
        return self._fault("missing_51603", path, self._draw.choice((1, 2, 5, 20)))

    def _refuse_writes(self) -> str:
        path, code = self._draw.choice(WRITES), self._draw.choice(REFUSALS)
        kind = self._draw.choice(("code", "partial_code_2", "scode_on_code_0"))
        params = {"code": code, "msg": "drawn"} if kind == "code" else {"sCode": code, "sMsg": "drawn"}
        return self._fault(kind, path, self._draw.choice((1, 2, 4, None)), **params)

    def _go_away(self) -> str:
        return self._fault(self._draw.choice(ANSWERS), "*/api/v5/*", self._draw.choice((5, 20, 60)))

    def _odd_rows(self) -> str:
        kind = self._draw.choice(("zero_position_row", "cancel_pending"))
        return self._fault(kind, "*", self._draw.choice((1, 3)))

    def _suspend(self) -> str:
        name = self._draw_name()
        self.suspended.add(name)
        self._venue.market.set_state(name, "suspend", self._venue.clock.now_ms())
        return f"{name} is suspended"

    def _kill(self) -> str:
        requests, answered = self._draw.randint(1, 40), self._draw.random() < 0.5
        self._venue.kill_after(requests, answered=answered)
        return f"kill at the {requests}th request, {'after' if answered else 'before'} it"

    def _cancel_a_stop(self) -> str:
        stops: list[AlgoOrder] = self._venue.account.live_algos()
        if not stops:
            return "no stop to cancel"
        stop = self._draw.choice(stops)
        self._venue.account.cancel_algo(stop)
        return f"a person cancels stop {stop.client_id} of {stop.inst_id}"

    def _trade_by_hand(self) -> str:
        held = list(self._venue.account.positions.values())
        if not held:
            return "nothing held to trade"
        position = self._draw.choice(held)
        lot = self._venue.market.instruments[position.inst_id].lot_sz
        part = self._draw.choice((Decimal("0.3"), Decimal("0.5"), Decimal(1), Decimal("1.5")))
        contracts = max(lot, (abs(position.size) * part / lot).to_integral_value(ROUND_FLOOR) * lot)
        side = self._draw.choice(("buy", "sell"))
        return self._place(position.inst_id, side, contracts)

    def _open_by_hand(self) -> str:
        name = self._draw_name()
        lot = self._venue.market.instruments[name].min_sz
        return self._place(name, self._draw.choice(("buy", "sell")), lot * self._draw.choice((1, 5)))

    def _rival(self) -> str:
        name, client_id = self._draw_name(), client_order_id("rival", str(self._draw.random()), 0, Purpose.ENTRY)
        instrument = self._venue.market.instruments[name]
        price = (self._venue.account.last(name) * Decimal("0.985") / instrument.tick_sz).to_integral_value(
            ROUND_FLOOR
        ) * instrument.tick_sz
        body = {"side": "buy", "ordType": "post_only", "px": str(price), "clOrdId": client_id}
        self.touched.add(name)
        self._venue.meter.foreign.add(name)
        return f"another program rests {client_id}: " + self._send(name, body, instrument.min_sz)

    def _place(self, name: str, side: str, contracts: Decimal) -> str:
        self.touched.add(name)
        self._venue.meter.foreign.add(name)
        return self._send(name, {"side": side, "ordType": "market"}, contracts)

    def _send(self, name: str, body: dict[str, str], contracts: Decimal) -> str:
        said = f"by hand: {body['side']} {contracts} {name}"
        try:
            place(self._venue.account, Params({"instId": name, "tdMode": "cross", "sz": str(contracts), **body}))
        except (Refused, WireError) as refusal:
            return f"{said}: refused: {refusal}"
        return said

    def _fault(self, kind: str, path: str, count: int | None, **params: str) -> str:
        self._venue.faults.add(kind, path, count, params)
        return f"{kind} at {path} ×{count} {params}"

    def _draw_name(self) -> str:
        held = [position.inst_id for position in self._venue.account.positions.values()]
        return self._draw.choice([*held, *held, inst_id(self._draw.choice(ASSETS))])
