"""Rows of the source as this exchange's own records; a row that cannot be one is a SourceError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal, parse_float, parse_int, show
from paper_exchange.market.market import Band, Bar, Funding, Instrument
from paper_exchange.market.position_tiers import make_tiers
from paper_exchange.mirror.source import SourceError
from paper_exchange.wire import Json

MINUTE_MS = 60_000
LAST_MS = 4_102_444_800_000
"""2100: a later instant is none."""
_STATES = ("live", "suspend", "preopen", "post_only", "settling", "expired", "rebase")
_MAINTENANCE = ((100, Decimal("0.004")), (50, Decimal("0.0065")), (0, Decimal("0.01")))
_OTHER_BAND = ("0.05", "0.02", "0.05")
_LINEAR = ("SWAP", "linear", "USDT", "1")
_BAND_FIELDS = ("initPxLmtPct", "floatPxLmtPct", "maxPxLmtPct")
# Of a row that has another shape, or other numbers, than it should.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_SPEC_EXPONENT = 12
_PRICE_EXPONENT = 15


class SourceBar(NamedTuple):
    """A bar of one minute, and whether the source will not change it any more."""

    bar: Bar
    closed: bool


@dataclass(frozen=True, slots=True)
class FundingState:
    """What the source says of the settlements of an instrument: the last one, and when the next one is."""

    settled: Funding | None
    next_ms: int


def read_bar(row: Json, *, traded: bool) -> SourceBar:
    """Return a row of candles; of mark candles (`traded` False) without a volume."""
    try:
        open_ms = parse_int(row[0], 0, LAST_MS)
        opened, high, low, close = (_read_price(value) for value in row[1:5])
        volume = parse_float(row[6]) if traded else 0.0
        confirm = row[8 if traded else 5]
    except _UNREADABLE as error:
        raise SourceError(f"candles: a row that is none ({_say(error)})") from None
    if open_ms % MINUTE_MS or not low <= min(opened, close) <= max(opened, close) <= high or volume < 0:
        raise SourceError(f"candles: a bar that cannot be, at {open_ms}")
    if confirm not in ("0", "1"):
        raise SourceError(f"candles: confirm {show(confirm)}")
    bar = Bar(open_ms=open_ms, open=opened, high=high, low=low, close=close, volume=volume)
    return SourceBar(bar, confirm == "1")


def read_instrument(row: Mapping[str, Json], price: float) -> Instrument:
    """Return a contract of public/instruments; `price` is typical of it. Tiers follow the venue's pattern."""
    try:
        if (row["instType"], row["ctType"], row["settleCcy"], row.get("ctMult") or "1") != (
            "SWAP",
            "linear",
            "USDT",
            "1",
        ):
            raise OutOfBoundsError("is no linear swap in USDT")
        ct_val, lever = _read_spec(row["ctVal"]), _read_spec(row["lever"])
        maintenance = next(rate for least, rate in _MAINTENANCE if lever >= least)
        bands = [row.get(name) or usual for name, usual in zip(_BAND_FIELDS, _OTHER_BAND, strict=True)]
        initial, floating, most = (_read_spec(value) for value in bands)
        return Instrument(
            inst_id=str(row["instId"]),
            ct_val=ct_val,
            lot_sz=_read_spec(row["lotSz"]),
            min_sz=_read_spec(row["minSz"]),
            tick_sz=_read_spec(row["tickSz"]),
            max_leverage=lever,
            max_limit_sz=_read_spec(row["maxLmtSz"]),
            max_market_sz=_read_spec(row["maxMktSz"]),
            max_stop_sz=_read_spec(row["maxStopSz"]) if row.get("maxStopSz") else None,
            list_ms=parse_int(row["listTime"], 0, LAST_MS),
            state=row["state"] if row["state"] in _STATES else "suspend",
            maintenance_rate=maintenance,
            tiers=make_tiers(
                leverage=int(lever), maintenance=maintenance, contract_usdt=ct_val * parse_decimal(repr(price))
            ),
            band=Band(initial=initial, floating=floating, most=most),
        )
    except _UNREADABLE as error:
        raise SourceError(f"instruments: a row that cannot be used ({_say(error)})") from None


def read_funding(row: Mapping[str, Json]) -> FundingState:
    """Return a row of public/funding-rate."""
    try:
        next_ms = parse_int(row["fundingTime"], 0, LAST_MS)
        settled = None
        if row.get("prevFundingTime") and row.get("settFundingRate"):
            settled = Funding(parse_int(row["prevFundingTime"], 0, LAST_MS), _read_rate(row["settFundingRate"]))
    except _UNREADABLE as error:
        raise SourceError(f"funding-rate: a row that cannot be used ({_say(error)})") from None
    return FundingState(settled, next_ms)


def read_settlement(row: Mapping[str, Json]) -> Funding:
    """Return a row of public/funding-rate-history."""
    try:
        rate = row.get("realizedRate") or row["fundingRate"]
        return Funding(parse_int(row["fundingTime"], 0, LAST_MS), _read_rate(rate))
    except _UNREADABLE as error:
        raise SourceError(f"funding-rate-history: a row that cannot be used ({_say(error)})") from None


def read_interest(row: Mapping[str, Json]) -> float | None:
    """Return the open interest in base units; None where the source does not know it."""
    try:
        return parse_float(row["oiCcy"]) if row.get("oiCcy") else None
    except _UNREADABLE as error:
        raise SourceError(f"open-interest: a row that cannot be used ({_say(error)})") from None


def _read_price(value: Json) -> float:
    number = parse_decimal(value, exponent=_PRICE_EXPONENT)
    if number <= 0:
        raise OutOfBoundsError(f"is {number}, and must be above zero")
    return float(number)


def _read_spec(value: Json) -> Decimal:
    number = parse_decimal(value, exponent=_SPEC_EXPONENT)
    if number <= 0:
        raise OutOfBoundsError(f"is {number}, and must be above zero")
    return number


def _read_rate(value: Json) -> float:
    rate = parse_float(value)
    if not -1 < rate < 1:
        raise OutOfBoundsError(f"is a funding rate of {rate}")
    return rate


def _say(error: Exception) -> str:
    return error.what if isinstance(error, OutOfBoundsError) else type(error).__name__
