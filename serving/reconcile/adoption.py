"""Positions that the journal does not know: taken over if the settings allow it, refused by name otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pairity.errors import ForeignPositionError
from pairity.margin import MarginMode
from pairity.settings import Settings
from pairity.strategy.stops import compute_stop_prices
from pairity.strategy.types import Leg, PairPosition, StopRule
from pairity.universe import ContractSpec, short_name
from serving.execution.contracts import get_contract
from serving.execution.venue_records import VenuePosition


def make_adopted_position(
    there: VenuePosition, settings: Settings, contracts: Mapping[str, ContractSpec], now: datetime
) -> PairPosition:
    """Return a position of ours for one that the venue has: stops at the default distances, in its base asset's pair.

    It ends when the z-score of the first pair with its asset as base crosses. Raises ForeignPositionError where the
    universe has no such pair.
    """
    asset, strategy = short_name(there.instrument), settings.strategy
    pair = next((pair for pair in settings.universe.pairs if pair.base == asset), None)
    if pair is None:
        raise foreign_error({there.instrument: there}, f"no pair of the universe has {asset} as its base; ")
    rule = StopRule(
        stop_distance=None,
        target_distance=None,
        stop_bounds=strategy.stop_bounds,
        target_bounds=strategy.target_bounds,
        stop_default=strategy.stop_default,
        target_default=strategy.target_default,
    )
    prices = compute_stop_prices(rule, there.side, there.average_price, get_contract(contracts, asset))
    z = -there.side.sign * strategy.z_entry  # as if it had been entered at the threshold
    leg = Leg(
        asset=pair.base,
        side=there.side,
        contracts=abs(there.contracts),
        entry_price=float(there.average_price),
        stop_price=float(prices.stop),
        target_price=float(prices.target),
    )
    return PairPosition(
        position_id=f"{pair.pair_id}@adopted{now:%Y%m%dT%H%M%SZ}",
        pair=pair,
        direction=there.side.sign,
        legs=(leg,),
        opened_at=now,
        entry_z=z,
        entry_score=0.0,
        last_z=z,
        margin_mode=MarginMode(there.margin_mode),
    )


def foreign_error(positions: Mapping[str, VenuePosition], reason: str = "") -> ForeignPositionError:
    """Return the error that names foreign positions with their sizes; `reason` begins its remedy."""
    listed = ", ".join(
        f"{name} {there.contracts:+f} contracts at {there.average_price}" for name, there in positions.items()
    )
    return ForeignPositionError(
        f"the venue holds positions that the journal does not know: {listed}",
        f"{reason}close them on the venue, or set serve.adopt_positions to take them over with stops",
    )
