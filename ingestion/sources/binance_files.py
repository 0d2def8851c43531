"""What is inside Binance's archives: CSV with a header or without, milliseconds or microseconds."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from datetime import timedelta

import polars as pl

from feature_repo.knowledge_time import closed_known_at, history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from feature_repo.transforms.ticks import build_bars_from_trades
from pairity.errors import VenueAnswerError
from pairity.timeline import MINUTE

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
_MICROSECONDS_FROM = 100_000_000_000_000
"""Spot archives count microseconds since 2025; a number this large would be the year 5138 in milliseconds."""


def verify_checksum(archive: bytes, checksum: bytes | None, where: str) -> None:
    """Raise VenueAnswerError unless the archive is the one that its `.CHECKSUM` file (SHA-256, name) describes."""
    text = (checksum or b"").decode("ascii", "replace").split()
    actual = hashlib.sha256(archive).hexdigest()
    if not text:
        raise VenueAnswerError(f"{where} has no checksum beside it", "nothing of it was stored")
    if text[0].lower() != actual:
        raise VenueAnswerError(
            f"{where} has the SHA-256 {actual[:16]}…, its checksum file says {text[0][:16]}…",
            "nothing of it was stored",
        )


def unzip_csv(archive: bytes, where: str) -> bytes:
    """Return the one CSV of an archive. VenueAnswerError where it is no ZIP, is damaged, or holds something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as whole:
            names = [name for name in whole.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise VenueAnswerError(f"{where} holds {whole.namelist()} instead of one CSV")
            return whole.read(names[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise VenueAnswerError(f"{where} is no whole ZIP: {error}", "nothing of it was stored; run again") from None


def read_klines(csv: bytes, dataset: str, where: str) -> pl.DataFrame:
    """Return the candles of a klines file in the columns of `dataset`; prices in USDT, volume in base coins."""
    kind = DATASETS[dataset]
    rows = _table(csv, _KLINE, where).with_columns(_instant("open_time"))
    return kind.conform(rows.with_columns(history_known_at(kind))).sort("open_time")


def read_funding(csv: bytes, where: str) -> pl.DataFrame:
    """Return the settlements of a fundingRate file; one that is some milliseconds late belongs to its full second."""
    rows = _table(csv, _FUNDING, where).with_columns(_instant("funding_time").dt.truncate("1s"))
    kind = DATASETS["funding"]
    return kind.conform(rows.with_columns(history_known_at(kind))).sort("funding_time")


def read_trade_bars(csv: bytes, where: str, *, every: timedelta = MINUTE) -> pl.DataFrame:
    """Return bars of an aggTrades or a trades file in the columns of `trade_bars_1m`; the columns tell which it is."""
    width = csv.partition(b"\n")[0].count(b",") + 1
    aggregated = b"agg_trade_id" in csv[:200] or (width == 8 or (width == 7 and _is_aggregated(csv)))
    rows = _table(csv, _AGG_TRADE if aggregated else _TRADE, where)
    identity, count = pl.col("trade_id" if not aggregated else "agg_trade_id"), pl.lit(1)
    if aggregated:
        count = pl.col("last_trade_id").cast(pl.Int64) - pl.col("first_trade_id").cast(pl.Int64) + 1
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
    return DATASETS["trade_bars_1m"].conform(build_bars_from_trades(ticks.lazy(), every).collect())


def _is_aggregated(csv: bytes) -> bool:
    """Return whether seven columns are aggregated trades: they end in one flag, plain spot trades in two."""
    return csv.partition(b"\n")[0].rsplit(b",", 2)[-2].strip().isdigit()


def _table(csv: bytes, names: tuple[str, ...], where: str) -> pl.DataFrame:
    """Return all columns as text under `names`; further columns are left out."""
    has_header = not csv[:1].isdigit()
    try:
        rows = pl.read_csv(csv, has_header=has_header, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise VenueAnswerError(f"{where} holds no table: {error}", "nothing of it was stored") from None
    if rows.width < len(names):
        raise VenueAnswerError(f"{where} has {rows.width} columns instead of {len(names)}: {rows.columns}")
    table = rows.select(pl.nth(place).alias(name) for place, name in enumerate(names))
    numbers = [name for name in names if name != "buyer_is_maker"]
    broken = table.filter(pl.any_horizontal(pl.col(numbers).cast(pl.Float64, strict=False).is_null()))
    if broken.height:
        raise VenueAnswerError(f"{where} has {broken.height} rows that are not numbers: {broken.row(0, named=True)}")
    return table


def _instant(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Int64)
    microseconds = pl.when(number >= _MICROSECONDS_FROM).then(number).otherwise(number * 1000)
    return microseconds.cast(INSTANT).alias(name)
