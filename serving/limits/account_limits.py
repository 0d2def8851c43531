"""Limits of the whole account: loss, drawdown, leverage, margin, orders, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from pairity.number_formats import format_against, format_plain
from pairity.trading_settings import LimitSettings
from pairity.universe import exact
from serving.limits.records import AccountMeasures, Breach, Consequence


def check_account(measured: AccountMeasures, limits: LimitSettings) -> tuple[Breach, ...]:
    """Return every limit of the account that is exceeded; a limit that is reached exactly is not."""
    return (*_check_results(measured, limits), *_check_activity(measured, limits))


def find_used(measured: AccountMeasures, limits: LimitSettings) -> dict[str, float]:
    """Return how much of each limit is used, by its setting's name: 1 is the limit, above it is exceeded.

    What has no measure is left out: the margin ratio while nothing takes margin, everything without equity.
    """
    if measured.equity <= 0:
        return {}
    used = {
        "drawdown": float(_fall(measured.peak, measured.equity)) / limits.drawdown,
        "day_loss": float(_fall(measured.day_start, measured.equity)) / limits.day_loss,
        "gross_leverage": float(measured.gross_notional / measured.equity) / limits.gross_leverage,
        "orders_per_hour": measured.orders_last_hour / limits.orders_per_hour,
        "rejects_per_hour": measured.rejects_last_hour / limits.rejects_per_hour,
    }
    if measured.margin_ratio is not None and measured.margin_ratio > 0:
        used["margin_ratio"] = limits.margin_ratio / float(measured.margin_ratio)
    return used


def _check_results(measured: AccountMeasures, limits: LimitSettings) -> Iterator[Breach]:
    if measured.equity <= 0:
        yield Breach("equity", f"{measured.equity} USDT", "above 0", Consequence.HALT)
        return
    fallen = _fall(measured.peak, measured.equity)
    if fallen > exact(limits.drawdown):
        yield Breach("limits.drawdown", *_tell_apart(fallen, limits.drawdown, "below the peak"), Consequence.HALT)
    lost = _fall(measured.day_start, measured.equity)
    if lost > exact(limits.day_loss):
        yield Breach("limits.day_loss", *_tell_apart(lost, limits.day_loss, "lost today"), Consequence.NO_ENTRY)
    leverage = measured.gross_notional / measured.equity
    if leverage > exact(limits.gross_leverage):
        allowed = format_plain(limits.gross_leverage)
        yield Breach(
            "limits.gross_leverage",
            f"{format_against(leverage, limits.gross_leverage)} times the equity",
            allowed,
            Consequence.NO_ENTRY,
        )
    if measured.margin_ratio is not None and measured.margin_ratio < exact(limits.margin_ratio):
        ratio = f"{format_against(measured.margin_ratio, limits.margin_ratio)} times the maintenance margin"
        yield Breach("limits.margin_ratio", ratio, format_plain(limits.margin_ratio), Consequence.NO_ENTRY)


def _check_activity(measured: AccountMeasures, limits: LimitSettings) -> Iterator[Breach]:
    for name, count, most in (
        ("orders_per_hour", measured.orders_last_hour, limits.orders_per_hour),
        ("rejects_per_hour", measured.rejects_last_hour, limits.rejects_per_hour),
    ):
        if count > most:
            yield Breach(f"limits.{name}", f"{count} in the last hour", str(most), Consequence.NO_ENTRY)


def _tell_apart(share: Decimal, limit: float, what: str) -> tuple[str, str]:
    """Return a share and its limit in percent, with as many decimals as tell the two apart."""
    return f"{format_against(share, limit, percent=True)} {what}", format_against(limit, share, percent=True)


def _fall(before: Decimal, now: Decimal) -> Decimal:
    """Return by which fraction a value fell; 0 where it rose, or where there was nothing."""
    return max((before - now) / before, Decimal(0)) if before > 0 else Decimal(0)
