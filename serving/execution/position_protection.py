"""Protection of whole positions: the stops of every leg, as they rest on the venue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from pairity.errors import VenueError
from pairity.strategy.stops import StopPrices
from pairity.strategy.types import Leg, PairPosition
from pairity.universe import ContractSpec, exact
from serving.execution.contracts import get_contract
from serving.execution.leg_order import find_leg_number
from serving.execution.orders import OrderDesk
from serving.execution.protection import Claim, Protector, Shield
from serving.execution.resting_stops import RestingStops


class Confirmation(NamedTuple):
    """What a look read back of a position's stops, by asset, and when."""

    at: datetime
    shields: Mapping[str, Shield]


class PositionProtector:
    """Protector of all legs of a position; `contracts` by asset short name."""

    def __init__(self, desk: OrderDesk, contracts: Mapping[str, ContractSpec]) -> None:
        self._desk = desk
        self._contracts = contracts
        self.protector = Protector(desk)
        self.confirmed: dict[str, Confirmation] = {}
        """The last look at each position's stops that could read them, by position id."""

    async def protect(
        self,
        position: PairPosition,
        decision_id: str | None,
        *,
        expected: bool = False,
        stops: RestingStops | None = None,
    ) -> tuple[PairPosition, list[str], bool]:
        """Make the stops of every leg true on the venue.

        Returns the position with the stops that rest there, problems, and whether every leg has a stop-loss.
        `expected`: the venue should be creating them, so they are given a moment. `stops`: the list of a pass over
        several positions. Raises VenueError where the venue cannot be read: then nothing is known.
        """
        shields = await self._ensure_all(position, decision_id, expected=expected, stops=stops)
        legs = tuple(_apply_shield(leg, shield) for leg, shield in zip(position.legs, shields, strict=True))
        protected = replace(position, legs=legs)
        if protected != position:
            self._desk.journal.save_position(protected)
        problems = [shield.problem for shield in shields if shield.problem]
        return protected, problems, all(shield.protected for shield in shields)

    async def _try_listed(self, claims: Sequence[Claim], shields: Sequence[Shield]) -> list[Shield]:
        """Try once more what the venue refused where it lists other limits now: they may have changed since.

        A contract of another value is left alone: how many contracts the leg has is not known then.
        """
        try:
            listings = await self._desk.venue.listings()
        except VenueError:
            return list(shields)
        tried = list(shields)
        for index, claim in enumerate(claims):
            listing = listings.get(claim.instrument)
            refused = shields[index].problem is not None and not shields[index].protected
            if not refused or listing is None or listing.spec == claim.spec or listing.spec.ct_val != claim.spec.ct_val:
                continue
            again = await self.protector.ensure(replace(claim, spec=listing.spec), expected=False)
            said = again.problem or f"{claim.instrument} is listed with other limits now: its stops keep to them"
            tried[index] = replace(again, problem=said)
        return tried

    async def cover(self, position: PairPosition, decision_id: str | None) -> tuple[list[str], bool]:
        """Do what `protect` does for a position that is still being opened: nothing of it is journalled."""
        shields = await self._ensure_all(position, decision_id, expected=True)
        return [shield.problem for shield in shields if shield.problem], all(shield.protected for shield in shields)

    async def _ensure_all(
        self, position: PairPosition, decision_id: str | None, *, expected: bool, stops: RestingStops | None = None
    ) -> list[Shield]:
        claims = [self._make_claim(position, index, decision_id) for index in range(len(position.legs))]
        shields = [await self.protector.ensure(claim, expected=expected, stops=stops) for claim in claims]
        if any(shield.problem and not shield.protected for shield in shields):
            shields = await self._try_listed(claims, shields)
        by_asset = {leg.asset: shield for leg, shield in zip(position.legs, shields, strict=True)}
        self.confirmed[position.position_id] = Confirmation(self._desk.clock.now(), by_asset)
        return shields

    def forget_others(self, open_now: Collection[str]) -> None:
        """Forget what was seen of positions that are open no more."""
        for name in self.confirmed.keys() - set(open_now):
            del self.confirmed[name]

    def _make_claim(self, position: PairPosition, index: int, decision_id: str | None) -> Claim:
        leg = position.legs[index]
        assert leg.stop_price is not None
        assert leg.target_price is not None
        return Claim(
            position_id=position.position_id,
            leg=find_leg_number(self._desk.journal, position, leg),
            decision_id=decision_id,
            side=leg.side,
            contracts=leg.contracts,
            prices=StopPrices(exact(leg.stop_price), exact(leg.target_price)),
            spec=get_contract(self._contracts, leg.asset),
            at=self._desk.clock.now(),
            margin_mode=position.margin_mode,
        )


def _apply_shield(leg: Leg, shield: Shield) -> Leg:
    """Return the leg with the prices that rest on the venue, or with its own where nothing rests."""
    if shield.stop is None:
        return leg
    target = leg.target_price if shield.target is None else float(shield.target)
    return replace(leg, stop_price=float(shield.stop), target_price=target)
