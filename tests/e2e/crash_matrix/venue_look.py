"""What is true on the venue, read without the product's client: signed requests of the standard library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode


class Order(NamedTuple):
    """An order that the venue has had: its client id, and what was executed of it."""

    client_id: str
    instrument: str
    side: str
    filled: Decimal
    state: str


class Stop(NamedTuple):
    """A protective order that rests: on which side, how much it closes, and at which prices."""

    client_id: str
    instrument: str
    side: str
    contracts: Decimal
    stop: Decimal
    target: Decimal
    margin: str


class Look(NamedTuple):
    """Everything about the account that counts."""

    positions: dict[str, Decimal]
    stops: list[Stop]
    resting: list[str]
    orders: list[Order]
    cash: Decimal
    margins: dict[str, str]
    """Margin mode of each position."""

    def find_naked(self) -> list[str]:
        """Return the instruments whose position no stop closes whole."""
        return [
            name
            for name, size in self.positions.items()
            if not any(
                (stop.instrument, stop.margin) == (name, self.margins[name])
                and stop.side == ("sell" if size > 0 else "buy")
                and stop.contracts >= abs(size)
                for stop in self.stops
            )
        ]


def look(url: str) -> Look:
    """Return what the venue has now."""
    rows = [row for row in get(url, "account/positions") if Decimal(row["pos"] or 0) != 0]
    positions = {row["instId"]: Decimal(row["pos"]) for row in rows}
    assert len(positions) == len(rows), "two positions in one instrument"
    margins = {row["instId"]: row["mgnMode"] for row in rows}
    algos = get(url, "trade/orders-algo-pending", ordType="oco") + get(
        url, "trade/orders-algo-pending", ordType="conditional"
    )
    stops = [
        Stop(
            row["algoClOrdId"],
            row["instId"],
            row["side"],
            Decimal(row["sz"] or 0),
            Decimal(row["slTriggerPx"] or 0),
            Decimal(row["tpTriggerPx"] or 0),
            row["tdMode"],
        )
        for row in algos
    ]
    orders = [
        Order(row["clOrdId"], row["instId"], row["side"], Decimal(row["accFillSz"]), row["state"])
        for row in get(url, "trade/orders-history", instType="SWAP")
    ]
    resting = [row["clOrdId"] for row in get(url, "trade/orders-pending")]
    cash = Decimal(get(url, "account/balance")[0]["details"][0]["cashBal"])
    return Look(
        positions=positions,
        stops=sorted(stops),
        resting=resting,
        orders=sorted(orders),
        cash=cash,
        margins=margins,
    )


def get(url: str, path: str, **query: str) -> list[dict[str, Any]]:
    """Return the rows of a signed read."""
    return _ask(url, "GET", f"/api/v5/{path}" + (f"?{urlencode(query)}" if query else ""), b"")


def post(url: str, path: str, body: object) -> list[dict[str, Any]]:
    """Send a signed write, as a person at the venue's own page does, and return its rows."""
    return _ask(url, "POST", f"/api/v5/{path}", json.dumps(body).encode())


def control(url: str, path: str, body: object) -> Any:
    """Use the control endpoints."""
    request = urllib.request.Request(
        f"{url}/control/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _ask(url: str, method: str, target: str, body: bytes) -> list[dict[str, Any]]:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    signature = hmac.new(b"paper", f"{at}{method}{target}".encode() + body, hashlib.sha256).digest()
    headers = {
        "OK-ACCESS-KEY": "paper",
        "OK-ACCESS-PASSPHRASE": "paper",
        "OK-ACCESS-TIMESTAMP": at,
        "OK-ACCESS-SIGN": base64.b64encode(signature).decode(),
        "Content-Type": "application/json",
        "x-simulated-trading": "1",
    }
    request = urllib.request.Request(url + target, body or None, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        said = json.load(answer)
    assert said["code"] == "0", said
    rows: list[dict[str, Any]] = said["data"]
    return rows
