"""What OKX answers about a market, read: text becomes numbers, instants and rows of the lake.

Every reader refuses what breaks the protocol with a VenueAnswerError that shows the row: cells of another type, numbers
that are not finite or longer than any real one, instants that nobody can mean. OKX counts trades, books and
liquidations in contracts; rows carry base coins (contracts × contract value).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT, RawDataset
from feature_repo.transforms.ticks import build_bars_from_trades
from ingestion.sources.protocol import ANSWER
from pairity.bounded_numbers import MAX_CHARACTERS, OutOfBoundsError, parse_float, parse_int
from pairity.errors import VenueAnswerError
from pairity.timeline import MINUTE, from_ms
from pairity.universe import ContractSpec
from venue.okx_answers import short
from venue.okx_values import LAST_MS, read_id, read_ms, read_size, read_spec

BOOK_LEVELS = 20
T = TypeVar("T")
_PLACE = pl.UInt32
_NONE = object()
_ALWAYS_GIVEN = frozenset({"open_interest"})
"""Values that other venues may lack and OKX never does."""
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
    ends_at: datetime | None = None
    """When the venue takes it off its list; None where it says no such instant, or none that can be read."""
    lists_at: datetime | None = None
    """When it was listed, or will be; None as above."""


def read_listing(row: Mapping[str, Any]) -> Listing:
    """Return the listing of one row of public/instruments; sizes and ticks are exact decimals above zero."""
    spec = ContractSpec(
        instrument=_field(row, "instId", read_id),
        ct_val=_field(row, "ctVal", read_spec),
        lot_sz=_field(row, "lotSz", read_spec),
        min_sz=_field(row, "minSz", read_spec),
        tick_sz=_field(row, "tickSz", read_spec),
        max_leverage=_field(row, "lever", read_spec),
        max_market_sz=_field(row, "maxMktSz", read_size) if row.get("maxMktSz") else None,
        max_stop_sz=_field(row, "maxStopSz", read_size) if row.get("maxStopSz") else None,
    )
    ends_at, lists_at = _read_instant(row.get("expTime")), _read_instant(row.get("listTime"))
    return Listing(spec, _field(row, "state", read_id), ends_at, lists_at)


def _read_instant(value: object) -> datetime | None:
    """Return an instant; None for anything else: trading does not follow it, and must not end with it."""
    try:
        return from_ms(read_ms(value)) if value else None
    except OutOfBoundsError:
        return None


def _field(row: Mapping[str, Any], name: str, read: Callable[[object], T]) -> T:
    try:
        return read(row.get(name))
    except OutOfBoundsError as refusal:
        raise VenueAnswerError(
            f"public/instruments describes {short(row.get('instId'))} with {name} that {refusal.what}"
        ) from None


def read_whole_number(row: Any, key: int | str) -> int:  # noqa: ANN401 - the venue's JSON
    """Return the cell `key` of a row: a time in Unix milliseconds, or an id."""
    try:
        return parse_int(row[key])
    except (IndexError, KeyError, TypeError, ValueError):
        raise VenueAnswerError(f"the venue sent a row without a time or id at {key!r}: {short(row)}") from None


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
        odd = next((row for row in answer.rows if not isinstance(row, list) or len(row) != len(names)), _NONE)
        if odd is not _NONE:
            raise VenueAnswerError(f"{kind.name}: a row has not the {len(names)} columns of one: {short(odd)}")
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
    try:
        rows = [
            (row["fundingTime"], row.get("realizedRate") or row.get("fundingRate"))
            for answer in answers
            for row in answer.rows
        ]
    except (AttributeError, LookupError, TypeError) as error:
        raise VenueAnswerError(f"the venue sent a settlement that is not one: {error!r}") from None
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
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise VenueAnswerError(f"{method} answered {short(answer.rows)}: {short(repr(error))}") from None
        values += own
        places += [place] * len(own)
    schema = {kind.time: pl.Int64, **dict.fromkeys(kind.values, pl.Float64)}
    return type_rows(kind, pl.DataFrame(values, schema=schema, orient="row"), places)


def read_book(rows: Sequence[Mapping[str, Any]], contract_value: float) -> list[tuple[Any, ...]]:
    """Return top of book and the sizes of 20 levels, in coins. A side with fewer has no sum; an empty one no row."""
    tops = []
    for row in rows:
        bids, asks = (
            [(parse_float(level[0]), parse_float(level[1]) * contract_value) for level in _levels(row, side)]
            for side in ("bids", "asks")
        )
        if bids and asks:
            deep = [sum(s for _, s in side) if len(side) == BOOK_LEVELS else None for side in (bids, asks)]
            tops.append((read_ms(row["ts"]), *bids[0], *asks[0], *deep))
    return tops


def _levels(row: Mapping[str, Any], side: str) -> list[list[Any]]:
    levels: list[list[Any]] = row[side]
    # Texts have places and lengths too.
    if not isinstance(levels, list) or not all(isinstance(level, list) for level in levels):
        raise TypeError(f"{side} are no list of levels")
    return levels


def read_liquidations(rows: Sequence[Mapping[str, Any]], contract_value: float) -> list[tuple[Any, ...]]:
    """Return USDT at the bankruptcy price by side of the position, summed per instant."""
    sums: dict[int, list[float]] = {}
    for detail in (detail for row in rows for detail in row["details"]):
        side = detail.get("posSide")
        if side not in ("long", "short"):
            # In net mode only the order's side is given: a forced sale ends a long.
            side = {"sell": "long", "buy": "short"}[detail["side"]]
        both = sums.setdefault(read_ms(detail["ts"]), [0.0, 0.0])
        both[side == "short"] += parse_float(detail["sz"]) * contract_value * parse_float(detail["bkPx"])
    return [(at, *both) for at, both in sums.items()]


def read_open_interest(rows: Sequence[Mapping[str, Any]], _contract_value: float) -> list[tuple[Any, ...]]:
    """Return open interest in coins and in USD (null where the venue gives none); no row where there are no coins."""
    return [
        (read_ms(row["ts"]), parse_float(row["oiCcy"]), parse_float(row["oiUsd"]) if row.get("oiUsd") else None)
        for row in rows
        if row["oiCcy"]
    ]


def type_rows(kind: RawDataset, raw: pl.DataFrame, places: Sequence[int]) -> pl.DataFrame:
    """Return `raw` (time in Unix milliseconds, values as text) in the dataset's columns behind `answer`.

    `places` has the place of each row's answer. Sorted by answer and time, without doubles.
    """
    # OKX writes "" for what it does not know.
    numbers = [
        pl.col(name).cast(pl.String).replace("", None).cast(pl.Float64) for name in kind.values if name in raw.columns
    ]
    try:
        typed = raw.select(pl.col(kind.time).cast(pl.Int64), *numbers)
    except pl.exceptions.InvalidOperationError as error:
        raise VenueAnswerError(f"the venue sent a row of {kind.name} that is not a number: {short(error)}") from None
    required = [name for name in typed.columns if name not in kind.nullable or name in _ALWAYS_GIVEN]
    # A comparison with null is null, and counts for nothing.
    impossible = [~pl.col(kind.time).is_between(0, LAST_MS), *(~pl.col(name).is_finite() for name in typed.columns[1:])]
    broken = typed.filter(pl.any_horizontal(*(pl.col(name).is_null() for name in required), *impossible))
    if broken.height:
        row = broken.row(0, named=True)
        raise VenueAnswerError(f"the venue sent a row of {kind.name} with empty fields or impossible numbers: {row}")
    time = pl.col(kind.time).cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
    rows = kind.conform(typed.with_columns(time).with_columns(history_known_at(kind)))
    rows.insert_column(0, pl.Series(ANSWER, places, _PLACE))
    return rows.unique(maintain_order=True).sort(ANSWER, kind.time, maintain_order=True)


def _columns_of_text(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    # By column: from rows Polars would look at the type of every cell.
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    try:
        series = [pl.Series(name, cells, pl.String) for name, cells in zip(names, columns, strict=True)]
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise VenueAnswerError(f"the venue sent cells that are no texts: {short(error)}") from None
    # Texts of lengths that no number has are not even read.
    for own in series:
        if isinstance(longest := own.str.len_bytes().max(), int) and longest > MAX_CHARACTERS:
            raise VenueAnswerError(
                f"the venue sent a {own.name} of {longest} characters, more than the limit of {MAX_CHARACTERS}"
            )
    return pl.DataFrame(series)


def _places(answers: Sequence[OkxRows]) -> list[int]:
    return [place for place, answer in enumerate(answers) for _ in answer.rows]


def _trade_cells(row: Mapping[str, Any], contract_value: float) -> tuple[int, int, float, float, bool]:
    try:
        buys = {"buy": True, "sell": False}[row["side"]]
        size = parse_float(row["sz"]) * contract_value
        return read_ms(row["ts"]), parse_int(row["tradeId"]), parse_float(row["px"]), size, buys
    except (KeyError, TypeError, ValueError):
        raise VenueAnswerError(f"the venue sent a trade that is not one: {short(row)}") from None
