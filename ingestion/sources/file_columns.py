"""Columns of files by the names that people and programs give them, and what a file with these columns holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ingestion.sources.reading import RefusedFileError
from pairity.bounded_numbers import show

TIME, RECEIVED = "time", "received"
_TIMES = ("ts", "timestamp", "open_time", "opentime", "funding_time", "fundingtime", "calc_time", "origin_time")
_WEAKER_TIMES = ("datetime", "date", "time", "__index_level_0__")
BAR = ("open", "high", "low", "close")
ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        TIME: (*_TIMES, *_WEAKER_TIMES),
        RECEIVED: ("recv_ns", "received_time", "received_at", "received"),
        **{name: (name,) for name in BAR},
        "volume": ("volume", "vol", "volume_base", "base_volume"),
        "volume_quote": ("quote_volume", "volume_quote"),
        "trade_count": ("trades", "trade_count", "number_of_trades"),
        "taker_buy_volume": ("taker_buy_volume", "taker_buy_base_volume"),
        "funding_rate": ("funding_rate", "fundingrate", "last_funding_rate"),
        "trade_id": ("trade_id", "agg_trade_id", "id"),
        "first_trade_id": ("first_trade_id",),
        "last_trade_id": ("last_trade_id",),
        "price": ("price", "px"),
        "size": ("size", "qty", "quantity", "sz"),
        "side": ("side",),
        "buyer_is_maker": ("is_buyer_maker", "buyer_is_maker"),
        "bid_price": ("bid_px", "bid_price"),
        "bid_size": ("bid_sz", "bid_size"),
        "ask_price": ("ask_px", "ask_price"),
        "ask_size": ("ask_sz", "ask_size"),
        "open_interest": ("open_interest",),
        "open_interest_usd": ("open_interest_usd",),
        "interest_close_usd": ("oi_close",),
        "asset": ("base", "asset", "symbol"),
    }
)
"""Written names, in small letters, by what they mean here. The first that a file has is its time."""
IDS = ("trade_id", "first_trade_id", "last_trade_id")
TEXTS = ("side", "buyer_is_maker", "asset")
CANDLES, FUNDING, TRADES, QUOTES, INTEREST = "candles", "funding", "trades", "quotes", "open interest"
_TELLING: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        FUNDING: (("funding_rate",),),
        CANDLES: (BAR,),
        TRADES: (("price", "size", "side"), ("price", "size", "buyer_is_maker")),
        QUOTES: (("bid_price", "ask_price"),),
        INTEREST: (("open_interest",), ("open_interest_usd",), ("interest_close_usd",)),
    }
)


def find_columns(written: Iterable[str]) -> dict[str, str]:
    """Return the column of each meaning: our name → the file's. Columns without a meaning here are left alone.

    RefusedFileError where two columns mean the same, and where day and time of day stand in two columns.
    """
    by_small: dict[str, list[str]] = {}
    for name in written:
        by_small.setdefault(name.strip().lower(), []).append(name)
    found = {}
    for meaning, aliases in ALIASES.items():
        own = [name for alias in aliases for name in by_small.get(alias, ())]
        if meaning == TIME and not any(alias in by_small for alias in _TIMES) and {"date", "time"} <= set(by_small):
            raise RefusedFileError("has a date and a time in two columns", "join them into one: 2024-05-01T13:00:00Z")
        # A date beside a time is the same instant for people; two times may be the open and the close.
        if meaning == TIME and len(strong := [name for name in own if name.strip().lower() in _TIMES]) > 1:
            own = strong
        elif meaning in (TIME, "asset"):
            own = own[:1]
        if len(own) > 1:
            raise RefusedFileError(
                f"has two columns for {meaning}: {show(own[0])} and {show(own[1])}", "leave one of them out"
            )
        if own:
            found[meaning] = own[0]
    return found


def find_content(columns: Iterable[str]) -> str | None:
    """Return what a file with columns of these meanings holds; None for nothing that is read here.

    RefusedFileError where it holds two kinds of rows at once, and where it has only some columns of one.
    """
    own = set(columns)
    kinds = [kind for kind, sets in _TELLING.items() if any(own.issuperset(each) for each in sets)]
    if len(kinds) > 1:
        raise RefusedFileError(f"holds {kinds[0]} and {kinds[1]} in one table", "give each a file of its own")
    if not kinds:
        for kind, sets in _TELLING.items():
            # A price alone may be anything.
            lacking = min(([name for name in each if name not in own] for each in sets), key=len)
            if len(lacking) < len(sets[0]) and not own <= {TIME, "asset", "price"}:
                raise RefusedFileError(
                    f"lacks the columns {', '.join(lacking)} of {kind}; it has {', '.join(sorted(own))}",
                    "see docs/files.md for the names of columns, or leave out the file",
                )
    return kinds[0] if kinds else None
