"""Carrying out of a script: events by time at their very instant, events by requests before the request they strike."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from paper_exchange.account import resting_orders
from paper_exchange.account.account import Account
from paper_exchange.events.delisting import rescale_position, settle_instrument
from paper_exchange.events.script import Event
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.events.venue_state import VenueState
from paper_exchange.faults.catalogue import Fault, FaultPlan
from paper_exchange.wire import Json

_END = "end_fault"


class Schedule:
    """A script and how far it has come. Events at one instant happen in the order of the script."""

    def __init__(self, events: Sequence[Event], market: ScriptedMarket, faults: FaultPlan) -> None:
        self.venue = VenueState(tuple(events))
        self._market, self._faults = market, faults
        self._timed = sorted((event for event in events if event.at_ms is not None), key=_read_time)
        self._counted = [event for event in events if event.requests is not None]
        self._counts = [0] * len(self._counted)
        self._done = [False] * len(self._counted)

    def advance(self, now_ms: int, account: Account | None, settle: Callable[[int], None]) -> None:
        """Let every event up to and including `now_ms` happen, in order; `settle` brings the account to an instant."""
        while self._timed and (at_ms := self._timed[0].at_ms) is not None and at_ms <= now_ms:
            settle(at_ms)
            self._happen(self._timed.pop(0), account)

    def count_request(self, method: str, path: str) -> None:
        """Count a request, and let what strikes it happen before it is looked at."""
        for number, event in enumerate(self._counted):
            if self._done[number] or not Fault("", event.path).matches(method, path):
                continue
            if self._counts[number] == event.requests:
                self._done[number] = True
                self._happen(event, None)
            self._counts[number] += 1

    def _happen(self, event: Event, account: Account | None) -> None:
        inst_id, at_ms = event.subject, event.at_ms or 0
        if event.kind == "fault":
            fault = self._faults.add(event.subject, event.path, event.values["count"], event.values["params"])
            self._end_later(event, _END, {"fault": fault})
        elif event.kind == _END:
            # It may have struck as often as it should, or been cleared by hand.
            self._faults.waiting[:] = [fault for fault in self._faults.waiting if fault is not event.values["fault"]]
        elif event.kind == "clear_faults":
            self._faults.clear()
        elif event.kind == "state":
            self._market.set_state(inst_id, event.values["state"], at_ms)
            self._end_later(event, "state", {"state": "live"})
        elif event.kind == "funding_hours":
            self._market.set_funding_hours(inst_id, event.values["hours"], at_ms)
        elif event.kind == "change":
            self._change(event, account)
        elif event.kind == "fill_resting":
            if account is not None:
                resting_orders.fill_all(account, inst_id, event.values["share"])
        elif event.kind == "cancel_resting":
            if account is not None:
                resting_orders.cancel_all(account, inst_id, event.values["source"])
        elif event.kind == "delist":
            if account is not None:
                settle_instrument(account, inst_id)
            self._market.end(inst_id, at_ms)

    def _end_later(self, event: Event, kind: str, values: Mapping[str, Json]) -> None:
        """Let what begins with an event end when it says so."""
        if event.until_ms is not None:
            ending = replace(event, kind=kind, at_ms=event.until_ms, until_ms=None, values=values)
            insort(self._timed, ending, key=_read_time)

    def _change(self, event: Event, account: Account | None) -> None:
        old = self._market.every_instrument[event.subject].ct_val
        if account is not None and "ctVal" in event.values:
            rescale_position(account, event.subject, old, event.values["ctVal"])
        self._market.change(event.subject, event.values)


def _read_time(event: Event) -> int:
    assert event.at_ms is not None
    return event.at_ms
