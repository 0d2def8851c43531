"""What OKX answers about a market, read: text becomes numbers, instants and rows of the lake.

Every reader refuses what breaks the protocol with a VenueAnswerError that shows the row. OKX counts trades, books and
liquidations in contracts; rows carry base coins (contracts × contract value).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT, RawDataset
from feature_repo.transforms.ticks import build_bars_from_trades
from ingestion.sources.protocol import ANSWER
from pairity.errors import VenueAnswerError
from pairity.timeline import MINUTE
from pairity.universe import ContractSpec

BOOK_LEVELS = 20
_PLACE = pl.UInt32
SnapshotReader = Callable[[Sequence[Mapping[str, Any]], float], list[tuple[Any, ...]]]
"""From an answer and the contract value to tuples: Unix milliseconds, then the dataset's values."""
_TRADE_COLUMNS = {
    "ts": pl.Int64,
    "trade_id": pl.Int64,
    "price": pl.Float64,
    "size": pl.Float64,
    "taker_buys": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class OkxRows:
    """Rows of one answer as they came, and what is needed to read them."""

    rows: list[Any]
    contract_value: float
    """Base coins per contract."""
    until: datetime
    """End of the range that was asked for."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One swap as the venue lists it: its contract, and whether it trades now (`live`) or is suspended."""

    spec: ContractSpec
    state: str


def read_listing(row: Mapping[str, Any]) -> Listing:
    """Return the listing of one row of public/instruments; sizes and ticks are exact decimals."""
    try:
        maximum = row.get("maxMktSz")
        spec = ContractSpec(
            instrument=row["instId"],
            ct_val=Decimal(row["ctVal"]),
            lot_sz=Decimal(row["lotSz"]),
            min_sz=Decimal(row["minSz"]),
            tick_sz=Decimal(row["tickSz"]),
            max_leverage=Decimal(row["lever"]),
            max_market_sz=Decimal(maximum) if maximum else None,
        )
        return Listing(spec, str(row["state"]))
    except (KeyError, InvalidOperation, TypeError) as error:
        raise VenueAnswerError(f"public/instruments describes {row.get('instId')} without {error}") from None


def read_whole_number(row: Any, key: int | str) -> int:  # noqa: ANN401 - the venue's JSON
    """Return the cell `key` of a row: a time in Unix milliseconds, or an id."""
    try:
        return int(row[key])
    except (IndexError, KeyError, TypeError, ValueError):
        raise VenueAnswerError(f"the venue sent a row without a time or id at {key!r}: {row!r}") from None


def read_series(kind: RawDataset, columns: tuple[str, ...], answers: Sequence[OkxRows]) -> pl.DataFrame:
    """Return rows that are lists (their time, then `columns`), typed: see `type_rows`.

    Where `columns` end in `confirm`, only confirmed bars count. Where the venue marks nothing, a bar counts when it
    ends by its answer's `until`, which must not lie beyond the venue's now.
    """
    names = (kind.time, *columns)
    marked = names[-1] == "confirm"
    rows: list[list[Any]] = []
    places: list[int] = []
    for place, answer in enumerate(answers):
        odd = next((row for row in answer.rows if len(row) != len(names)), None)
        if odd is not None:
            raise VenueAnswerError(f"{kind.name}: a row has {len(odd)} columns instead of {len(names)}: {odd!r}")
        counted = [row for row in answer.rows if row[-1] == "1"] if marked else answer.rows
        rows += counted
        places += [place] * len(counted)
    typed = type_rows(kind, _columns_of_text(names, rows), places)
    if marked:
        return typed
    until = pl.Series([answer.until for answer in answers], dtype=INSTANT).gather(typed[ANSWER])
    return typed.filter(pl.col(kind.time) + kind.known_after <= until)


def read_funding(answers: Sequence[OkxRows]) -> pl.DataFrame:
    """Return settlements, typed: the realized rate, or the announced one where there is no other."""
    rows = [
        (str(row["fundingTime"]), row.get("realizedRate") or row.get("fundingRate"))
        for answer in answers
        for row in answer.rows
    ]
    return type_rows(DATASETS["funding"], _columns_of_text(("funding_time", "funding_rate"), rows), _places(answers))


def read_trades(answers: Sequence[OkxRows]) -> pl.DataFrame:
    """Return trades as bars of one minute in base coins, typed; a minute without trades has no row."""
    kind = DATASETS["trade_bars_1m"]
    cells = [_trade_cells(row, answer.contract_value) for answer in answers for row in answer.rows]
    time = pl.from_epoch("ts", time_unit="ms").dt.replace_time_zone("UTC").cast(INSTANT)
    trades = (
        pl.DataFrame(cells, orient="row", schema=_TRADE_COLUMNS)
        .with_columns(pl.Series("asset", _places(answers), _PLACE))
        # Pages overlap when trades arrive between two requests.
        .unique(["asset", "trade_id"], maintain_order=True)
        .select(
            "asset",
            time.alias("time"),
            "trade_id",
            "price",
            "size",
            "taker_buys",
            pl.lit(1, pl.Int64).alias("trades"),
            time.alias("known_at"),
        )
    )
    # A bar is made of the trades of one answer: its place takes the column of the asset.
    bars = build_bars_from_trades(trades.lazy(), MINUTE).collect().with_columns(history_known_at(kind))
    return kind.conform(bars).insert_column(0, bars["asset"].alias(ANSWER))


def read_snapshots(kind: RawDataset, method: str, answers: Sequence[OkxRows], read: SnapshotReader) -> pl.DataFrame:
    """Return the present states that `read` takes from answers of `method`, typed."""
    values: list[tuple[Any, ...]] = []
    places: list[int] = []
    for place, answer in enumerate(answers):
        try:
            own = read([row for row in answer.rows if isinstance(row, dict)], answer.contract_value)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise VenueAnswerError(f"{method} answered {str(answer.rows)[:200]}: {error!r}") from None
        values += own
        places += [place] * len(own)
    schema = {kind.time: pl.Int64, **dict.fromkeys(kind.values, pl.Float64)}
    return type_rows(kind, pl.DataFrame(values, schema=schema, orient="row"), places)


def read_book(rows: Sequence[Mapping[str, Any]], contract_value: float) -> list[tuple[Any, ...]]:
    """Return top of book and the sizes of 20 levels, in coins. A side with fewer has no sum; an empty one no row."""
    tops = []
    for row in rows:
        bids, asks = (
            [(float(level[0]), float(level[1]) * contract_value) for level in row[side]] for side in ("bids", "asks")
        )
        if bids and asks:
            deep = [sum(s for _, s in side) if len(side) == BOOK_LEVELS else None for side in (bids, asks)]
            tops.append((int(row["ts"]), *bids[0], *asks[0], *deep))
    return tops


def read_liquidations(rows: Sequence[Mapping[str, Any]], contract_value: float) -> list[tuple[Any, ...]]:
    """Return USDT at the bankruptcy price by side of the position, summed per instant."""
    sums: dict[int, list[float]] = {}
    for detail in (detail for row in rows for detail in row["details"]):
        side = detail.get("posSide")
        if side not in ("long", "short"):
            # In net mode only the order's side is given: a forced sale ends a long.
            side = {"sell": "long", "buy": "short"}[detail["side"]]
        both = sums.setdefault(int(detail["ts"]), [0.0, 0.0])
        both[side == "short"] += float(detail["sz"]) * contract_value * float(detail["bkPx"])
    return [(at, *both) for at, both in sums.items()]


def read_open_interest(rows: Sequence[Mapping[str, Any]], _contract_value: float) -> list[tuple[Any, ...]]:
    """Return open interest in coins and in USD (null where the venue gives none); no row where there are no coins."""
    return [
        (int(row["ts"]), float(row["oiCcy"]), float(row["oiUsd"]) if row.get("oiUsd") else None)
        for row in rows
        if row["oiCcy"]
    ]


def type_rows(kind: RawDataset, raw: pl.DataFrame, places: Sequence[int]) -> pl.DataFrame:
    """Return `raw` (time in Unix milliseconds, values as text) in the dataset's columns behind `answer`.

    `places` has the place of each row's answer. Sorted by answer and time, without doubles.
    """
    time = pl.col(kind.time).cast(pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
    # OKX writes "" for what it does not know.
    numbers = [
        pl.col(name).cast(pl.String).replace("", None).cast(pl.Float64) for name in kind.values if name in raw.columns
    ]
    try:
        typed = raw.select(time, *numbers)
    except pl.exceptions.InvalidOperationError as error:
        raise VenueAnswerError(f"the venue sent a row of {kind.name} that is not a number: {error}") from None
    required = [name for name in typed.columns if name not in kind.nullable]
    broken = typed.filter(pl.any_horizontal(pl.col(required).is_null()))
    if broken.height:
        row = broken.row(0, named=True)
        raise VenueAnswerError(f"the venue sent a row of {kind.name} with empty fields: {row}")
    rows = kind.conform(typed.with_columns(history_known_at(kind)))
    rows.insert_column(0, pl.Series(ANSWER, places, _PLACE))
    return rows.unique(maintain_order=True).sort(ANSWER, kind.time, maintain_order=True)


def _columns_of_text(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    # By column: from rows Polars would look at the type of every cell.
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pl.DataFrame([pl.Series(name, cells, pl.String) for name, cells in zip(names, columns, strict=True)])


def _places(answers: Sequence[OkxRows]) -> list[int]:
    return [place for place, answer in enumerate(answers) for _ in answer.rows]


def _trade_cells(row: Mapping[str, Any], contract_value: float) -> tuple[int, int, float, float, bool]:
    try:
        buys = {"buy": True, "sell": False}[row["side"]]
        return int(row["ts"]), int(row["tradeId"]), float(row["px"]), float(row["sz"]) * contract_value, buys
    except (KeyError, TypeError, ValueError):
        raise VenueAnswerError(f"the venue sent a trade that is not one: {row!r}") from None
