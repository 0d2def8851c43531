"""Feast's project and entities: what features are about."""

from __future__ import annotations

from feast import Entity, Project, ValueType

PROJECT = Project(name="pairity", description="Pairs of crypto perpetual futures: features known at each bar's close.")
ASSET = Entity(
    name="asset",
    join_keys=["asset"],
    value_type=ValueType.STRING,
    description="Base coin of one USDT-margined perpetual swap, e.g. BTC.",
)
PAIR = Entity(
    name="pair_id",
    join_keys=["pair_id"],
    value_type=ValueType.STRING,
    description="Two assets in universe order, BASE__QUOTE.",
)
VENUE = Entity(
    name="venue",
    join_keys=["venue"],
    value_type=ValueType.STRING,
    description="Venue whose market the row is about, e.g. okx.",
)
ENTITIES = {entity.name: entity for entity in (ASSET, PAIR, VENUE)}
