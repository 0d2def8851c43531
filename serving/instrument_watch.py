"""Watch over the instruments: sizes and contract values as the venue lists them, and what does not trade."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ingestion.sources.okx_rows import Listing
from pairity.errors import UnconfirmedError
from pairity.timeline import format_instant
from pairity.universe import ContractSpec, inst_id, short_name
from serving.execution.facts import count_listed
from serving.held_assets import list_held_assets
from serving.journal import Rescaling
from serving.parts import GuardParts

_LISTED_FOR = timedelta(minutes=5)
"""How long the list of instruments counts as the present one: states and sizes change seldom, and the list is long."""


class InstrumentWatch:
    """Contracts of one process, kept as the venue lists them; `idle` names what does not trade, and since when.

    `assets` are those that it may trade: one that is listed only now has a contract from then on.
    """

    def __init__(self, parts: GuardParts, assets: Sequence[str]) -> None:
        self._parts = parts
        self._assets = tuple(assets)
        self._venue = parts.executor.desk.venue
        self._listed_at: datetime | None = None
        self._since: dict[str, tuple[str, datetime]] = {}

    @property
    def idle(self) -> dict[str, str]:
        """Reason by canonical id, with the instant from which this process has seen it."""
        return {name: f"{what} (seen {format_instant(at)})" for name, (what, at) in self._since.items()}

    async def follow(self, blocked: Collection[str], *, odd: bool) -> bool:
        """Look at the list where it is due, and return whether an instrument trades again.

        It is due after five minutes, and at once where something is `odd` or an instrument of ours is `blocked`:
        positions that do not fit may be in contracts of another value; what is refused, in one that does not trade.
        Takes over sizes and values. An asset of the universe that is listed only now has a contract from now on. Raises
        VenueError, and UnconfirmedError where positions do not show a new value.
        """
        now, contracts = self._parts.clock.now(), self._parts.contracts
        odd = odd or any(short_name(name) in contracts for name in blocked)
        if self._listed_at is not None and now - self._listed_at < _LISTED_FOR and not odd:
            return False
        listings = await self._venue.listings()
        for asset in self._assets:
            if asset not in contracts and (listed := listings.get(inst_id(asset))) is not None:
                contracts[asset] = listed.spec
                self._parts.progress.say(f"the venue lists {inst_id(asset)} now")
        idle = self._find_idle(listings)
        before = self._since
        self._since = {
            name: before[name] if name in before and before[name][0] == what else (what, now)
            for name, what in idle.items()
        }
        for asset, known in list(contracts.items()):
            listing = listings.get(known.instrument)
            if listing is None:
                continue
            if listing.spec.ct_val != known.ct_val:
                await self._rescale(asset, known, listing.spec)
            if listing.spec != known:
                contracts[asset] = listing.spec
                self._parts.progress.say(f"the venue changed the contract {known.instrument}: {listing.spec}")
        # What is held in an asset outside the universe (it was changed since) needs its contract too.
        for asset in list_held_assets(self._parts.journal):
            if asset not in contracts and (listed := listings.get(inst_id(asset))) is not None:
                contracts[asset] = listed.spec
        self._listed_at = now
        return bool(before.keys() - idle.keys())

    def _find_idle(self, listings: Mapping[str, Listing]) -> dict[str, str]:
        """Return what of the universe, and of what has a contract here, is not listed or does not trade."""
        idle: dict[str, str] = {}
        for asset in dict.fromkeys((*self._assets, *self._parts.contracts)):
            name = inst_id(asset)
            if name not in listings:
                idle[name] = f"the venue does not list {name}"
            elif listings[name].state != "live":
                idle[name] = f"{name} does not trade: {listings[name].state}"
        return idle

    async def _rescale(self, asset: str, old: ContractSpec, new: ContractSpec) -> None:
        """Take over the contracts that positions have after the value of one changed: the coins stay the same.

        UnconfirmedError where the list of positions does not show just that number.
        """
        journal, now = self._parts.journal, self._parts.clock.now()
        rows = await self._venue.position_rows()
        for record in journal.open_positions():
            legs = list(record.position.legs)
            for index, leg in enumerate(legs):
                if leg.asset != asset:
                    continue
                contracts = leg.contracts * old.ct_val / new.ct_val
                if count_listed(record.position, leg, rows) != contracts:
                    raise UnconfirmedError(
                        f"a contract {new.instrument} is {new.ct_val} coins now, was {old.ct_val}, and the list of "
                        f"positions does not show {contracts} contracts",
                        "close the position by hand if that stays so",
                    )
                legs[index] = replace(leg, contracts=contracts)
                rescaled = replace(record.position, legs=tuple(legs))
                journal.rescale_position(rescaled, Rescaling(new.instrument, now, contracts))
