"""Ways to plant a fault in an installation: in its files, its databases, its surroundings and its venue."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.contract_specs import read_contracts, write_contracts
from pairity.durable import lock_exclusively
from pairity.layout import Layout
from pairity.timeline import from_ms
from serving.journal import Journal as OpenJournal
from serving.journal import StateRecord, TradingState
from tests.pairity_cli.damaged_home import candles
from tests.serving.doctor.patient import PORT, Patient
from validation.quarantine_items import keep_item


def chmod(name: str, mode: int) -> Callable[[Patient], object]:
    return lambda patient: (patient.work / name).chmod(mode)


def write(name: str, text: str, mode: int = 0o600) -> Callable[[Patient], object]:
    def plant(patient: Patient) -> None:
        (patient.work / name).write_text(text)
        (patient.work / name).chmod(mode)

    return plant


def variable(**values: str) -> Callable[[Patient], object]:
    return lambda patient: patient.extra.update(values)


def venue(kind: str, path: str, **params: object) -> Callable[[Patient], object]:
    return lambda patient: patient.strike(kind, path, None, **params)


def sql(name: str, *statements: str) -> Callable[[Patient], object]:
    def plant(patient: Patient) -> None:
        with closing(sqlite3.connect(patient.home / name)) as connection:
            for statement in statements:
                assert connection.execute(statement).rowcount != 0, statement
            connection.commit()

    return plant


def scribble(name: str, at: int | None = None) -> Callable[[Patient], object]:
    """Overwrite a whole file with nonsense, or a piece of it."""

    def plant(patient: Patient) -> None:
        path = patient.home / name
        content = bytearray(path.read_bytes())
        start = 0 if at is None else at
        end = len(content) if at is None else at + 4000
        content[start:end] = b"nonsense" * ((end - start) // 8)
        path.write_bytes(content)

    return plant


def remove(name: str) -> Callable[[Patient], object]:
    return lambda patient: (patient.home / name).unlink()


def break_the_trials(patient: Patient) -> None:
    folder = patient.work / "trials"
    folder.mkdir(mode=0o700)
    (folder / "trials.jsonl").write_text("nonsense\n")
    (folder / "trials.jsonl").chmod(0o600)
    patient.extra.update(PAIRITY_TRIALS__FOLDER=str(folder))


def halt(patient: Patient) -> None:
    journal = OpenJournal.open(patient.journal)
    now = from_ms(patient.exchange.state()["now_ms"])
    journal.states.record(StateRecord(at=now, state=TradingState.HALTED, reason="holiday", by="person"))
    journal.close()


def lose_an_answer(patient: Patient) -> None:
    """An entry of an hour ago of which nothing is known but that it was sent."""
    at = from_ms(patient.exchange.state()["now_ms"]) - timedelta(hours=1)
    with closing(sqlite3.connect(patient.journal)) as connection:
        row = connection.execute("SELECT * FROM intents WHERE purpose = 'entry' LIMIT 1")
        names = [column[0] for column in row.description]
        values = dict(zip(names, row.fetchone(), strict=True))
        values |= {"client_order_id": "pairityelost", "order_id": None, "state": "sent", "leg": 1, "attempt": 9}
        values |= {"created_at": at.isoformat(timespec="microseconds"), "filled_contracts": "0", "average_price": None}
        marks = ",".join("?" * len(values))
        connection.execute(f"INSERT INTO intents ({','.join(values)}) VALUES ({marks})", tuple(values.values()))
        connection.commit()


def change_a_contract(patient: Patient) -> None:
    layout = Layout(patient.home)
    spec = read_contracts(layout)["ETH"]
    write_contracts(layout, [replace(spec, ct_val=spec.ct_val * 10)])


def change_the_model(patient: Patient) -> None:
    for path in (patient.home / "mlflow" / "artifacts").rglob("*.skops"):
        path.write_bytes(path.read_bytes() + b" ")


def withhold_rows(patient: Patient) -> None:
    rows = candles(2).with_columns(broken_rules=pl.Series([["high_low"], ["high_low"]]))
    keep_item(Layout(patient.home), "candles_1h", "BTC/2025-03", ["high_low_violations"], rows, datetime.now(UTC))


def lose_an_hour(patient: Patient) -> None:
    """Remove the file of an hour of pairs: the newest but five."""
    files = sorted(
        (patient.home / "features" / "pair_hourly").rglob("*.parquet"), key=lambda path: path.stat().st_mtime
    )
    files[-6].unlink()


def take_the_port(patient: Patient) -> None:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", PORT))
    taken.listen()
    patient.held.append(taken)


def hold_the_journal(patient: Patient) -> None:
    """As a trading process does that could not open its status page."""
    patient.held.append(lock_exclusively(patient.journal.with_suffix(".lock")))


def forget_the_champion(patient: Patient) -> None:
    sql("mlflow/mlflow.db", "DELETE FROM registered_model_aliases WHERE alias = 'champion'")(patient)
