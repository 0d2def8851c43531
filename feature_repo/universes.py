"""Stored universes: which assets belonged to a universe from which instant on, as it was known then.

One Parquet file per universe. A *snapshot* is the membership that holds from its instant `since` until the next one; a
reader at an instant sees the newest snapshot up to then and nothing later. Snapshots without any member are kept as
one row without an asset: they are not the same as no snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import INSTANT
from feature_repo.stored_tables import naming, read_stored
from pairity.durable import replace_file_with
from pairity.errors import ConfigError, LakeCorruptError, MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.names import ASSET, IDENTIFIER
from pairity.settings import Settings, UniverseSettings
from pairity.timeline import format_instant

SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "since": INSTANT,
        "asset": pl.String(),
        "rank": pl.Int64(),
        "mean_notional": pl.Float64(),
        "age_bars": pl.Int64(),
        "exchanges": pl.String(),
    }
)
"""`source` says how it was built, `rank` is 1 for the first; `mean_notional` (USDT per hour) and `age_bars` (hourly
bars) are of dynamic universes, `exchanges` (codes, blanks between) of a map of exchanges; null elsewhere."""
_REMEDY = "delete it and build it again with pairity universe"


@dataclass(frozen=True, slots=True)
class StoredUniverse:
    """One universe; `rows` has the columns of `SCHEMA`, sorted by `since` and `rank`."""

    name: str
    rows: pl.DataFrame

    @property
    def source(self) -> str:
        """How it was built: `okx`, `tiingo:MEXC:usdt`."""
        return str(self.rows["source"][0])

    @property
    def assets(self) -> tuple[str, ...]:
        """All assets that were ever a member, sorted."""
        return tuple(self.rows["asset"].drop_nulls().unique().sort())

    @property
    def snapshots(self) -> tuple[datetime, ...]:
        """The instants of all snapshots, ascending."""
        return tuple(self.rows["since"].unique().sort())

    def find_snapshot(self, instant: datetime) -> datetime:
        """Return the newest snapshot at or before `instant`; MissingDataError where there is none yet."""
        before = [since for since in self.snapshots if since <= instant]
        if not before:
            raise MissingDataError(
                f"universe {self.name} is not known at {format_instant(instant)}: its first snapshot is of "
                f"{self.snapshots[0].isoformat()}",
                "choose a later date, or build it from an earlier one on",
            )
        return before[-1]

    def list_members(self, instant: datetime) -> tuple[str, ...]:
        """Return the members at `instant`, by rank; MissingDataError before the first snapshot. Nobody is a result."""
        own = self.rows.filter(pl.col("since") == self.find_snapshot(instant), pl.col("asset").is_not_null())
        return tuple(own.sort("rank")["asset"])


def locate_universe(layout: Layout, name: str) -> Path:
    """Return the file of a universe; ConfigError for what is no name."""
    return layout.universes / f"{IDENTIFIER.check(name, 'the universe')}.parquet"


def list_universes(layout: Layout) -> tuple[str, ...]:
    """Return the names of all stored universes, sorted."""
    return tuple(sorted(path.stem for path in layout.universes.glob("*.parquet") if IDENTIFIER.accepts(path.stem)))


def read_universe(layout: Layout, name: str) -> StoredUniverse:
    """Return a stored universe; UnknownNameError lists those that exist, LakeCorruptError for a damaged file."""
    path = locate_universe(layout, name)
    if not path.exists():
        raise UnknownNameError("universe", name, list_universes(layout) or ("none: build one with pairity universe",))
    rows = read_stored(path, _REMEDY)
    with naming(path, _REMEDY):
        if rows.schema != SCHEMA or rows.is_empty() or rows["source"].n_unique() != 1 or rows["since"].has_nulls():
            raise LakeCorruptError(f"{path} is no universe", _REMEDY)
        if not all(ASSET.accepts(asset) for asset in rows["asset"].drop_nulls().unique()):
            raise LakeCorruptError(f"{path} names what is no asset", _REMEDY)
    return StoredUniverse(name, rows)


def add_members(settings: Settings, universe: StoredUniverse) -> Settings:
    """Return settings whose assets are followed by all that were ever a member of `universe`.

    The pairs stay those that they are: hundreds of members have tens of thousands.
    """
    own = settings.universe
    others = tuple(asset for asset in universe.assets if asset not in own.assets)
    widened = own.model_dump() | {"assets": own.assets + others, "pair_assets": own.traded}
    return settings.model_copy(update={"universe": UniverseSettings(**widened)})


def store_universe(layout: Layout, name: str, rows: pl.DataFrame, *, keep: bool) -> StoredUniverse:
    """Store snapshots (columns of `SCHEMA`) under a name in one step and return the universe.

    `keep`: stored snapshots of other instants stay, for sources that tell only one day at a time; otherwise the rows
    are all of it. ConfigError where the name belongs to a universe of another source, MissingDataError without rows.
    """
    path = locate_universe(layout, name)
    if rows.is_empty():
        raise MissingDataError(f"universe {name} has no snapshot", "choose another range")
    if path.exists():
        stored = read_universe(layout, name)
        if stored.source != rows["source"][0]:
            raise ConfigError(
                f"universe {name} is of {stored.source}, this one of {rows['source'][0]}", "give another --name"
            )
        if keep:
            others = stored.rows.filter(~pl.col("since").is_in(rows["since"].unique().to_list()))
            rows = pl.concat([others, rows])
    rows = rows.select(pl.col(column).cast(dtype) for column, dtype in SCHEMA.items()).sort("since", "rank", "asset")
    replace_file_with(path, rows.write_parquet)
    return StoredUniverse(name, rows)


def make_snapshot(
    source: str, since: datetime, members: Sequence[tuple[str, float | None, int | None, str | None]]
) -> pl.DataFrame:
    """Return one snapshot of members (asset, mean notional, age in bars, exchanges) in the order of their rank."""
    ranked = [(source, since, asset, rank, *values) for rank, (asset, *values) in enumerate(members, 1)]
    return pl.DataFrame(ranked or [(source, since, None, None, None, None, None)], schema=SCHEMA, orient="row")
