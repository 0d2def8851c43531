"""What is inside Binance's archives: CSV with a header or without, milliseconds or microseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.knowledge_time import closed_known_at, history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.sources.bounded_archives import ExpandsTooFarError, unzip_one
from ingestion.sources.bounded_csv import brief, read_texts, refuse_non_numbers
from ingestion.sources.file_rows import Note, place_on_hours
from ingestion.sources.file_ticks import build_trade_bars
from ingestion.sources.http import TooLargeError
from ingestion.sources.instants import FIRST, describe_unit, last_instant
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError, show
from pairity.errors import DataError, VenueAnswerError
from pairity.number_formats import format_count
from pairity.timeline import MINUTE, to_ms

_KLINE = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "volume_quote",
    "trade_count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
_AGG_TRADE = ("agg_trade_id", "price", "size", "first_trade_id", "last_trade_id", "time", "buyer_is_maker")
_TRADE = ("trade_id", "price", "size", "quote_size", "time", "buyer_is_maker")
_FUNDING = ("funding_time", "interval_h", "funding_rate")
_NOTHING_STORED = "nothing of it was stored"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Most that one archive of a month or a day may hold: bytes, expanded bytes, rows."""

    size: int
    expanded: int
    rows: int


OF_BARS = FileLimits(size=16 * MIB, expanded=64 * MIB, rows=50_000)
"""A month of minutes has 44,640 rows."""
OF_TRADES = FileLimits(size=256 * MIB, expanded=1024 * MIB, rows=16_000_000)
"""A day of the busiest market; months above it are read by the day."""
CHECKSUM_SIZE = 4096
"""Bytes of a checksum file: a digest and a name."""
_MICROSECONDS_FROM = 100_000_000_000_000
"""Spot archives count microseconds since 2025; a number this large would be the year 5138 in milliseconds."""


def verify_checksum(archive: bytes, checksum: bytes | None, where: str) -> None:
    """Raise VenueAnswerError unless the archive is the one that its `.CHECKSUM` file (SHA-256, name) describes."""
    text = (checksum or b"").decode("ascii", "replace").split()
    actual = hashlib.sha256(archive).hexdigest()
    if not text:
        raise VenueAnswerError(f"{where} has no checksum beside it", _NOTHING_STORED)
    if text[0].lower() != actual:
        raise VenueAnswerError(
            f"{where} has the SHA-256 {actual[:16]}…, its checksum file says {ascii(text[0][:16])[1:-1]}…",
            _NOTHING_STORED,
        )


def unzip_csv(archive: bytes, where: str, limits: FileLimits = OF_BARS) -> bytes:
    """Return the one CSV of an archive. VenueAnswerError where it is no ZIP, is damaged, or holds something else.

    TooLargeError for a CSV beyond the limits.
    """
    with _named(where):
        return unzip_one(archive, ".csv", limits.expanded)


def read_klines(csv: bytes, dataset: str, where: str) -> pl.DataFrame:
    """Return the candles of a klines file in the columns of `dataset`; prices in USDT, volume in base coins."""
    kind = DATASETS[dataset]
    with _named(where):
        rows = _table(csv, _KLINE, "open_time", OF_BARS.rows).with_columns(_instant("open_time"))
        return kind.conform(rows.with_columns(history_known_at(kind))).sort("open_time")


def read_funding(csv: bytes, where: str) -> pl.DataFrame:
    """Return the settlements of a fundingRate file; one that is stamped a little off belongs to its full hour."""
    with _named(where):
        table = _table(csv, _FUNDING, "funding_time", OF_BARS.rows)
        stamp = _instant("funding_time").dt.truncate("1s").alias("stamp")
        return place_on_hours(table.select(stamp, pl.col("funding_rate").cast(pl.Float64)))


def read_trade_bars(csv: bytes, where: str, note: Note, *, every: timedelta = MINUTE) -> pl.DataFrame:
    """Return bars of an aggTrades or a trades file in the columns of `trade_bars_1m`; the columns tell which it is.

    A trade counts once, by its id. `note` takes what is said of trades of zero quantity, which are left out.
    """
    width = csv.partition(b"\n")[0].count(b",") + 1
    aggregated = b"agg_trade_id" in csv[:200] or (width == 8 or (width == 7 and _is_aggregated(csv)))
    identity, count = pl.col("trade_id" if not aggregated else "agg_trade_id"), pl.lit(1)
    if aggregated:
        count = pl.col("last_trade_id").cast(pl.Int64) - pl.col("first_trade_id").cast(pl.Int64) + 1
    with _named(where):
        rows = _table(csv, _AGG_TRADE if aggregated else _TRADE, "time", OF_TRADES.rows)
        ticks = rows.select(
            pl.lit("").alias("asset"),
            _instant("time"),
            identity.cast(pl.Int64).alias("trade_id"),
            pl.col("price").cast(pl.Float64),
            pl.col("size").cast(pl.Float64),
            (pl.col("buyer_is_maker").str.to_lowercase() != "true").alias("taker_buys"),
            count.alias("trades"),
            closed_known_at(_instant("time").dt.truncate(every) + every),
        )
        _require_amounts(ticks)
        return build_trade_bars(ticks, lambda what: note(f"{where} has {what}"), every=every)


def _require_amounts(ticks: pl.DataFrame) -> None:
    wrong = ticks.filter((pl.col("price") <= 0) | (pl.col("size") < 0) | (pl.col("trades") < 1))
    if wrong.height:
        number, price, size = wrong.row(0, named=True)["trade_id"], wrong["price"][0], wrong["size"][0]
        raise OutOfBoundsError(
            f"has {format_count(wrong.height, 'trade that is none', 'trades that are none')}: {number} of {size} "
            f"at {price}"
        )


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Name the archive in what is wrong with its content."""
    try:
        yield
    except ExpandsTooFarError as error:
        raise TooLargeError(f"{where} {error.what}", _NOTHING_STORED) from None
    except OutOfBoundsError as error:
        raise VenueAnswerError(f"{where} {error.what}", _NOTHING_STORED) from None
    except DataError as error:
        raise VenueAnswerError(f"{where}: {error.what}", _NOTHING_STORED) from None
    except pl.exceptions.PolarsError as error:
        raise VenueAnswerError(f"{where} holds values that cannot be used: {brief(error)}", _NOTHING_STORED) from None


def _is_aggregated(csv: bytes) -> bool:
    """Return whether seven columns are aggregated trades: they end in one flag, plain spot trades in two."""
    return csv.partition(b"\n")[0].rsplit(b",", 2)[-2].strip().isdigit()


def _table(csv: bytes, names: tuple[str, ...], time: str, rows: int) -> pl.DataFrame:
    """Return all columns as text under `names`, checked to be numbers; further columns are left out."""
    texts = read_texts(csv, rows, has_header=_has_header(csv))
    if texts.width < len(names):
        raise OutOfBoundsError(f"has {texts.width} columns instead of {len(names)}: {brief(texts.columns)}")
    table = texts.select(pl.nth(place).alias(name) for place, name in enumerate(names))
    refuse_non_numbers(table, [name for name in names if name != "buyer_is_maker"])
    at = pl.col(time).cast(pl.Int64, strict=False)
    at = pl.when(at >= _MICROSECONDS_FROM).then(at // 1000).otherwise(at)
    now = datetime.now(UTC)
    is_instant = at.is_between(to_ms(FIRST), to_ms(last_instant(now))).fill_null(False)
    strange = table.with_row_index("line").filter(is_instant.not_())
    if strange.height:
        shown = strange[time][0]
        raise OutOfBoundsError(
            f"has {strange.height} rows whose {time} is no instant in ms or us: {show(shown)} in row "
            f"{strange['line'][0] + 1}{describe_unit(shown, now)}"
        )
    return table


def _has_header(csv: bytes) -> bool:
    """Return whether the first line has names. One that has neither names nor numbers would be lost as a header."""
    first = csv[:1]
    if first and not first.isdigit() and not first.isalpha():
        raise OutOfBoundsError(f"begins with {show(csv[:20].decode('ascii', 'replace'))}, neither a name nor a number")
    return not first.isdigit()


def _instant(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Int64)
    microseconds = pl.when(number >= _MICROSECONDS_FROM).then(number).otherwise(number * 1000)
    return microseconds.cast(INSTANT).alias(name)
