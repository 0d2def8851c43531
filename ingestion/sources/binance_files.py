"""What is inside Binance's archives: CSV with a header or without, milliseconds or microseconds."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from datetime import timedelta

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT
from feature_repo.transforms.ticks import build_bars_from_trades
from pairity.errors import VenueAnswerError
from pairity.timeline import HISTORY_LAG, MINUTE

_KLINE = ("open_time", "open", "high", "low", "close", "volume", "close_time", "volume_quote", "trade_count",
          "taker_buy_volume", "taker_buy_quote_volume", "ignore")  # fmt: skip
_AGG_TRADE = ("agg_trade_id", "price", "size", "first_trade_id", "last_trade_id", "time", "buyer_is_maker")
_TRADE = ("trade_id", "price", "size", "quote_size", "time", "buyer_is_maker")
_FUNDING = ("funding_time", "interval_h", "funding_rate")
_MICROSECONDS_FROM = 100_000_000_000_000
"""Spot archives count microseconds since 2025; a number this large would be the year 5138 in milliseconds."""


def check_sum(archive: bytes, told: bytes | None, where: str) -> None:
    """VenueAnswerError unless the archive is the one that its `.CHECKSUM` file (SHA-256, name) describes."""
    text = (told or b"").decode("ascii", "replace").split()
    found = hashlib.sha256(archive).hexdigest()
    if not text:
        raise VenueAnswerError(f"{where} has no checksum beside it", "nothing of it was stored")
    if text[0].lower() != found:
        raise VenueAnswerError(
            f"{where} has the SHA-256 {found[:16]}…, its checksum file says {text[0][:16]}…", "nothing of it was stored"
        )


def unzipped(archive: bytes, where: str) -> bytes:
    """The one CSV of an archive; VenueAnswerError where it is no ZIP, is damaged, or holds something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as whole:
            names = [name for name in whole.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise VenueAnswerError(f"{where} holds {whole.namelist()} instead of one CSV")
            return whole.read(names[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise VenueAnswerError(f"{where} is no whole ZIP: {error}", "nothing of it was stored; run again") from None


def klines(csv: bytes, dataset: str, where: str) -> pl.DataFrame:
    """Candles of a klines file, in the dataset's columns."""
    kind = DATASETS[dataset]
    rows = _table(csv, _KLINE, where).with_columns(_instant("open_time"))
    known = (pl.col("open_time") + kind.known_after + HISTORY_LAG).alias(KNOWN_AT)
    return kind.conform(rows.with_columns(known)).sort("open_time")


def funding(csv: bytes, where: str) -> pl.DataFrame:
    """Settlements of a fundingRate file; a settlement some milliseconds late is that of its full second."""
    rows = _table(csv, _FUNDING, where).with_columns(_instant("funding_time").dt.truncate("1s"))
    known = (pl.col("funding_time") + HISTORY_LAG).alias(KNOWN_AT)
    return DATASETS["funding"].conform(rows.with_columns(known)).sort("funding_time")


def trade_bars(csv: bytes, where: str, *, every: timedelta = MINUTE) -> pl.DataFrame:
    """Bars of an aggTrades or a trades file (told apart by their columns), in the columns of `trade_bars_1m`."""
    width = csv.partition(b"\n")[0].count(b",") + 1
    aggregated = b"agg_trade_id" in csv[:200] or (width == 8 or (width == 7 and _is_aggregated(csv)))
    rows = _table(csv, _AGG_TRADE if aggregated else _TRADE, where)
    identity, count = pl.col("trade_id" if not aggregated else "agg_trade_id"), pl.lit(1)
    if aggregated:
        count = pl.col("last_trade_id").cast(pl.Int64) - pl.col("first_trade_id").cast(pl.Int64) + 1
    ticks = rows.select(
        pl.lit("").alias("asset"), _instant("time"), identity.cast(pl.Int64).alias("trade_id"),
        pl.col("price").cast(pl.Float64), pl.col("size").cast(pl.Float64),
        (pl.col("buyer_is_maker").str.to_lowercase() != "true").alias("taker_buys"), count.alias("trades"),
        (_instant("time").dt.truncate(every) + every + HISTORY_LAG).alias(KNOWN_AT),
    )  # fmt: skip
    return DATASETS["trade_bars_1m"].conform(build_bars_from_trades(ticks.lazy(), every).collect())


def _is_aggregated(csv: bytes) -> bool:
    """Seven columns: aggregated futures trades have the maker flag last, plain spot trades have two flags."""
    return csv.partition(b"\n")[0].rsplit(b",", 2)[-2].strip().isdigit()


def _table(csv: bytes, names: tuple[str, ...], where: str) -> pl.DataFrame:
    """All columns as text, under our names; columns beyond them are left out."""
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
