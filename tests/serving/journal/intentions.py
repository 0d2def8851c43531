"""An intention to write into a journal, with any of its fields changed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from pairity.strategy.types import Side
from serving.journal import Intent, Purpose
from tests.serving.trading import T0


def intent(purpose: Purpose = Purpose.ENTRY, **changes: object) -> Intent:
    made = Intent(
        "pairitye1",
        None,
        "p1",
        0,
        purpose,
        0,
        "BTC-USDT-SWAP",
        Side.BUY,
        Decimal("1.50"),
        "market",
        False,
        None,
        None,
        T0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
