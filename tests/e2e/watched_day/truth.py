"""The truth of the day by other means than the page: the journal's file, the venue asked by plain ccxt."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import ccxt

from tests.e2e.account_checks import client_of, read_all

_EVERY_S = 0.4
_KEPT = 8
"""Samples that count as now: of the last few seconds, in which the venue's time stood still."""


@dataclass(frozen=True)
class Sample:
    """What the venue said of the account at one moment."""

    equity: Decimal
    results: Decimal
    notional: Decimal
    marks: dict[str, Decimal]


class Truth:
    """Journal and venue, asked without the code that the page's figures come from."""

    def __init__(self, journal: Path, url: str) -> None:
        self._journal, self._url = journal, url
        self.client = client_of(url)
        values = self.client.publicGetPublicInstruments({"instType": "SWAP"})["data"]
        self.contract_values = {row["instId"]: Decimal(row["ctVal"]) for row in values}
        self._samples: deque[Sample] = deque(maxlen=_KEPT)
        self._over = threading.Event()
        self._sampling = threading.Thread(target=self._sample)
        self._sampling.start()

    def close(self) -> None:
        self._over.set()
        self._sampling.join(30)

    def ask(self, query: str) -> list[sqlite3.Row]:
        connection = sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def positions(self) -> dict[str, dict]:
        rows = self.client.privateGetAccountPositions()["data"]
        return {row["instId"]: row for row in rows if Decimal(row["pos"])}

    def stops(self) -> dict[str, dict]:
        rows = self.client.privateGetTradeOrdersAlgoPending({"ordType": "conditional,oco"})["data"]
        return {row["instId"]: row for row in rows}

    def fees(self) -> Decimal:
        fills = read_all(self.client.privateGetTradeFillsHistory, "billId", instType="SWAP")
        return sum((Decimal(row["fee"]) for row in fills), Decimal(0))

    def last_decision(self) -> tuple[sqlite3.Row, dict]:
        row = self.ask("SELECT * FROM decisions ORDER BY event_timestamp DESC LIMIT 1")[0]
        return row, json.loads(row["decision_json"])

    def recent(self) -> list[Sample]:
        """What the venue said lately, oldest first."""
        return list(self._samples)

    def _sample(self) -> None:
        client = client_of(self._url)
        while not self._over.is_set():
            # An outage is part of the day: there is no sample of it.
            with contextlib.suppress(ccxt.BaseError, IndexError):
                balance = client.privateGetAccountBalance()["data"][0]
                rows = [row for row in client.privateGetAccountPositions()["data"] if Decimal(row["pos"])]
                self._samples.append(
                    Sample(
                        equity=Decimal(balance["totalEq"]),
                        results=sum((Decimal(row["upl"]) for row in rows), Decimal(0)),
                        notional=sum((abs(Decimal(row["notionalUsd"])) for row in rows), Decimal(0)),
                        marks={row["instId"]: Decimal(row["markPx"]) for row in rows},
                    )
                )
            time.sleep(_EVERY_S)


def is_among(value: Decimal, seen: list[Decimal], slack: Decimal) -> bool:
    """Whether a value lies within what was seen, give or take."""
    return bool(seen) and min(seen) - slack <= value <= max(seen) + slack
