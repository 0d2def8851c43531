"""The channels: at which endpoint each is subscribed to, what a subscription must name, and the feed that serves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from paper_exchange.http.rules.checks import INSTRUMENT_TYPES
from paper_exchange.market.candles import parse_bar_size
from paper_exchange.market.market import Market
from paper_exchange.wire import Json, WireError
from paper_exchange.ws.account_feeds import (
    BalanceAndPositionFeed,
    BalanceFeed,
    OrderFeed,
    PositionFeed,
    WarningFeed,
)
from paper_exchange.ws.protocol import StreamRefusedError
from paper_exchange.ws.public_feeds import (
    CANDLE_PAGE,
    REFERENCE_PAGE,
    BookFeed,
    CandleFeed,
    RowFeed,
    TopFeed,
    TradeFeed,
)
from paper_exchange.ws.view import Feed

Endpoint = Literal["public", "private", "business"]
ENDPOINTS: tuple[Endpoint, ...] = ("public", "private", "business")
Argument = dict[str, str]
_FILTERS = ("instType", "instFamily", "instId", "ccy")
_SECOND_MS = 1_000


class Channel(NamedTuple):
    """A channel: where it is, whether it needs a login, the field that it needs (or ""), and its feed."""

    endpoint: Endpoint
    is_private: bool
    needs: str
    make: Callable[[Argument], Feed]


def _follow(path: str, gap_ms: int, repeat_ms: int | None = None, *, by_type: bool = False) -> Channel:
    name = "instType" if by_type else "instId"

    def make(argument: Argument) -> Feed:
        return RowFeed(
            path=path, params={name: argument[name]}, gap_ms=gap_ms, repeat_ms=repeat_ms, changes_only=by_type
        )

    return Channel("public", False, name, make)


CHANNELS: Mapping[str, Channel] = {
    # The made-up book is another one each second: nothing is to be seen more often.
    "tickers": _follow("market/ticker", _SECOND_MS),
    "mark-price": _follow("public/mark-price", 200, 10 * _SECOND_MS),
    "funding-rate": _follow("public/funding-rate", 30 * _SECOND_MS, 90 * _SECOND_MS),
    "open-interest": _follow("public/open-interest", 3 * _SECOND_MS),
    "price-limit": _follow("public/price-limit", 200),
    "index-tickers": _follow("market/index-tickers", 100),
    "instruments": _follow("public/instruments", _SECOND_MS, by_type=True),
    "trades": Channel("public", False, "instId", lambda a: TradeFeed(a["instId"])),
    "trades-all": Channel("business", False, "instId", lambda a: TradeFeed(a["instId"])),
    "books": Channel("public", False, "instId", lambda a: BookFeed(a["instId"])),
    "books5": Channel("public", False, "instId", lambda a: TopFeed(a["instId"], 5)),
    "bbo-tbt": Channel("public", False, "instId", lambda a: TopFeed(a["instId"], 1)),
    "account": Channel("private", True, "", lambda a: BalanceFeed(a.get("ccy", ""))),
    "positions": Channel("private", True, "instType", PositionFeed),
    "balance_and_position": Channel("private", True, "", lambda _: BalanceAndPositionFeed()),
    "liquidation-warning": Channel("private", True, "instType", WarningFeed),
    "orders": Channel("private", True, "instType", OrderFeed),
    "orders-algo": Channel("business", True, "instType", lambda a: OrderFeed(a, ("conditional", "oco", "trigger"))),
    "algo-advance": Channel("business", True, "instType", lambda a: OrderFeed(a, ("move_order_stop",))),
}
_CANDLES = (
    ("mark-price-candle", "market/mark-price-candles", REFERENCE_PAGE),
    ("index-candle", "market/index-candles", REFERENCE_PAGE),
    ("candle", "market/candles", CANDLE_PAGE),
)


_FOR_LARGE_TRADERS: Mapping[str, tuple[str, int]] = {
    "books50-l2-tbt": ("60029", 4),
    "books-l2-tbt": ("60030", 5),
    "fills": ("60029", 6),
}
"""Channels that the fee tier of this account does not have: the code of the refusal, and the tier that has them."""


def read_argument(argument: Mapping[str, Json]) -> Argument:
    """Return the fields of an argument as texts; 60012 where one is no text, or `channel` is missing."""
    fields = {str(name): text for name, text in argument.items() if text is not None and text != ""}
    if "channel" not in fields or not all(isinstance(text, str) for text in fields.values()):
        raise StreamRefusedError("60012", f"Invalid request: {_describe(fields)}")
    return fields


def find_channel(endpoint: Endpoint, argument: Argument, market: Market) -> Channel:
    """Return the channel of an argument; 60018 where it is not there, 60012 where it lacks what it needs.

    60029 and 60030 for channels that only larger traders have.
    """
    unknown = StreamRefusedError(
        "60018",
        f"Wrong URL or {_describe(argument)} doesn't exist. Please use the correct URL, channel and parameters "
        "referring to API document.",
    )
    if argument["channel"] in _FOR_LARGE_TRADERS:
        code, level = _FOR_LARGE_TRADERS[argument["channel"]]
        who = f"Only users who are VIP{level} and above in trading fee tier"
        raise StreamRefusedError(code, f"{who} are allowed to subscribe to {argument['channel']} channel")
    channel = CHANNELS.get(argument["channel"]) or _find_candles(argument["channel"])
    if channel is None or channel.endpoint != endpoint:
        raise unknown
    if channel.needs and channel.needs not in argument:
        raise StreamRefusedError("60012", f"Invalid request: {_describe(argument)}")
    inst_id, inst_type = argument.get("instId"), argument.get("instType", "SWAP")
    if "index" in argument["channel"] and inst_id is not None:
        inst_id += "-SWAP"
    if inst_id is not None and (inst_id not in market.instruments or market.instruments[inst_id].state == "expired"):
        raise unknown
    if inst_type not in (*INSTRUMENT_TYPES, "ANY"):
        raise unknown
    return channel


def keep_filters(argument: Argument) -> Argument:
    """Return the fields of an argument by which a feed selects."""
    return {name: argument[name] for name in _FILTERS if name in argument}


def _find_candles(name: str) -> Channel | None:
    found = next(((prefix, path, limit) for prefix, path, limit in _CANDLES if name.startswith(prefix)), None)
    if found is None:
        return None
    prefix, path, limit = found
    bar = name.removeprefix(prefix)
    try:
        parse_bar_size(bar)
    except WireError:
        return None
    return Channel(
        "business", False, "instId", lambda a: CandleFeed(path=path, inst_id=a["instId"], bar=bar, limit=limit)
    )


def _describe(fields: Mapping[str, Json]) -> str:
    return ",".join(f"{name[:32]}:{str(text)[:64]}" for name, text in list(fields.items())[:8])
