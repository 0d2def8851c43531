"""Planted faults: each is found by its check, with the command that mends it; a healthy installation hears nothing."""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from feature_repo.contract_specs import read_contracts, write_contracts
from pairity.durable import lock_exclusively
from pairity.layout import Layout
from pairity.strategy.types import Side
from pairity.timeline import from_ms, to_ms
from serving.execution.venue_records import OrderRequest
from serving.journal import Journal as OpenJournal
from serving.journal import StateRecord, TradingState
from tests.e2e.running import paper_exchange
from tests.pairity_cli.damaged_home import candles
from tests.serving.doctor.patient import PORT, Patient, contents, findings_of
from validation.quarantine_items import keep_item

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    with paper_exchange("--seed", "11") as exchange:
        yield Patient.grown(tmp_path_factory.mktemp("doctor"), exchange)


@pytest.fixture
def patient(grown):
    yield grown
    grown.restore()


def test_a_healthy_installation_hears_nothing_and_keeps_every_byte(patient):
    before = contents(patient.work), contents(patient.key.parent)
    document = patient.ask("--strict")
    assert findings_of(document) == []
    assert document["exit_code"] == 0
    assert {entry["check"] for entry in document["checks"] if entry["status"] == "skipped"} == {
        "clock",  # a paper exchange's time is its own
        "addresses",
        "balance",  # something is open
        "gate",
    }
    assert (contents(patient.work), contents(patient.key.parent)) == before


@dataclass(frozen=True)
class Planted:
    """A fault: how it is planted, which check finds it how, and whether the command that is given mends it."""

    check: str
    severity: str
    what: str
    command: str
    plant: Callable[[Patient], object]
    mends: bool = False
    live: bool = False
    others: frozenset[str] = frozenset()
    """Checks that may find something, too: one cause, several places."""


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


SOON = str(to_ms(datetime(2026, 1, 5, tzinfo=UTC)))
JUNK = "0" * 4
FAULTS = {
    "the home is open": Planted("home", "warning", "others can enter", "^chmod 700 ", chmod("home", 0o755), mends=True),
    "a misspelt setting": Planted(
        "configuration", "fault", "cannot be used", "correct it", write("pairity.toml", "[serve]\nprot = 1\n")
    ),
    "a broken settings file": Planted(
        "configuration", "fault", "cannot be used", "correct the line", write("pairity.toml", "[serve\n")
    ),
    "a misspelt variable": Planted(
        "configuration", "fault", "cannot be used", "PAIRITY_SERVE__PORT", variable(PAIRITY_SERVE__PROT="1")
    ),
    "a secret in the shared file": Planted(
        "configuration",
        "fault",
        "cannot be used",
        "PAIRITY_EXCHANGE__API_KEY",
        write("pairity.toml", '[exchange]\napi_key="x"\n'),
    ),
    "keys that others can read": Planted(
        "configuration",
        "fault",
        "cannot be used",
        "^chmod 600 ",
        write(".env", "PAIRITY_EXCHANGE__API_KEY=paper\n", 0o644),
        mends=True,
    ),
    "a token to guess": Planted(
        "tokens", "warning", "easy to guess", "token_urlsafe", variable(PAIRITY_SERVE__STATUS_TOKEN="letmein")
    ),
    "real money on paper": Planted(
        "mode",
        "fault",
        "cannot be traded",
        "leave out one",
        lambda _: None,
        live=True,
        others=frozenset({"network", "gate"}),
    ),
    "nobody at the address": Planted(
        "network",
        "fault",
        "nothing answers",
        "start the paper exchange",
        variable(
            PAIRITY_EXCHANGE__URL="http://127.0.0.1:9", PAIRITY_EXCHANGE__CONTROL_URL="http://127.0.0.1:9/control"
        ),
    ),
    "a stranger's address": Planted(
        "network",
        "fault",
        "address cannot be used",
        "use https",
        variable(PAIRITY_EXCHANGE__URL="https://okx.invalid"),
        others=frozenset({"mode"}),
    ),
    "a gateway's page": Planted(
        "network", "fault", "does not answer as it should", "maintenance", venue("html_200", "public/time")
    ),
    "a clock that is refused": Planted(
        "clock", "fault", "refuses this machine's clock", "set-ntp", venue("clock_50102", "account/config")
    ),
    "no passphrase": Planted(
        "credentials", "fault", "missing", r"\.env", variable(PAIRITY_EXCHANGE__API_PASSPHRASE="")
    ),
    "a wrong secret": Planted(
        "credentials", "fault", "secret is wrong", "API_SECRET", variable(PAIRITY_EXCHANGE__API_SECRET="an-older-one")
    ),
    "a key bound elsewhere": Planted(
        "credentials",
        "fault",
        "other addresses",
        "add this machine's address",
        venue(
            "code",
            "account/config",
            code="50110",
            msg="Your IP 10.0.0.7 is not included in the IP whitelist",
            http_status=401,
        ),
    ),
    "a key of the other market": Planted(
        "credentials",
        "fault",
        "other market",
        "create a key",
        venue("code", "account/config", code="50101", msg="APIKey does not match current environment", http_status=401),
    ),
    "a key that reads only": Planted(
        "permissions",
        "fault",
        "read only",
        "create a key",
        venue("field", "account/config", name="perm", value="read_only"),
    ),
    "a key that withdraws": Planted(
        "permissions",
        "warning",
        "withdraw",
        "take the permission",
        venue("field", "account/config", name="perm", value="read_only,trade,withdraw"),
    ),
    "a spot account": Planted(
        "account-mode", "fault", "spot mode", "futures mode", venue("field", "account/config", name="acctLv", value="1")
    ),
    "long and short apart": Planted(
        "account-mode",
        "fault",
        "not in net mode",
        "close all positions",
        venue("field", "account/config", name="posMode", value="long_short_mode"),
    ),
    "another leverage": Planted(
        "leverage", "warning", "held at another leverage", "set the leverage", variable(PAIRITY_STRATEGY__LEVERAGE="3")
    ),
    "a suspended contract": Planted(
        "contracts",
        "warning",
        "ETH-USDT-SWAP does not trade now",
        "wait, or take ETH out",
        venue("suspend", "*", instId="ETH-USDT-SWAP"),
    ),
    "a delisting": Planted(
        "contracts",
        "warning",
        "about to be delisted",
        "out of universe.assets",
        venue("field", "public/instruments", name="expTime", value=SOON),
    ),
    "a contract of another value": Planted(
        "specifications", "warning", "changed its value", "^pairity ingest$", change_a_contract, mends=True
    ),
    "a journal that others can read": Planted(
        "journal-file", "fault", "others can read", "^chmod 600 ", chmod("home/journal.db", 0o644), mends=True
    ),
    "a damaged journal": Planted("journal-file", "fault", "damaged", "restore it", scribble("journal.db", 8192)),
    "a journal of tomorrow": Planted(
        "journal-file",
        "fault",
        "another version",
        "the program that wrote it",
        sql("journal.db", "UPDATE meta SET value = '99' WHERE key = 'schema_version'"),
    ),
    "a journal that disagrees with itself": Planted(
        "journal-file",
        "fault",
        "disagrees with itself",
        "restore it",
        sql("journal.db", "UPDATE decisions SET run_id = 'gone'"),
    ),
    "a halt": Planted("state", "warning", "halted", "^pairity resume", halt),
    "a lost answer": Planted("orders", "fault", "outcome of 1 order", "^pairity serve", lose_an_answer),
    "a position that differs": Planted(
        "positions",
        "fault",
        "disagree about",
        "^pairity serve",
        sql(
            "journal.db",
            """UPDATE positions SET position_json = replace(position_json, '"contracts":"', '"contracts":"1')
                             WHERE closed_at IS NULL""",
        ),
    ),
    "no key": Planted(
        "key",
        "fault",
        "no signing key",
        "put the key back",
        lambda patient: patient.key.unlink(),
        others=frozenset({"champion"}),
    ),
    "a key that others can read": Planted(
        "key",
        "fault",
        "cannot be used",
        "chmod",
        lambda patient: patient.key.chmod(0o644),
        others=frozenset({"champion"}),
    ),
    "no registry": Planted("registry", "fault", "no model", "^pairity train", remove("mlflow/mlflow.db")),
    "a damaged registry": Planted("registry", "fault", "cannot be read", "MLflow", scribble("mlflow/mlflow.db")),
    "no champion": Planted("champion", "fault", "no champion", "pairity promote", forget_the_champion),
    "a verdict that somebody wrote": Planted(
        "champion",
        "fault",
        "not signed",
        "pairity models 1",
        sql("mlflow/mlflow.db", "UPDATE model_version_tags SET value = 'passed' WHERE key = 'gate'"),
    ),
    "another model's files": Planted(
        "champion", "fault", "not the registered ones", "pairity rollback", change_the_model
    ),
    "other features": Planted(
        "fit",
        "warning",
        "other features",
        "^pairity train",
        variable(PAIRITY_MODEL__FEATURE_SERVICE="cross_section_v1"),
    ),
    "other assets": Planted(
        "fit",
        "warning",
        "other assets",
        "^pairity train",
        variable(PAIRITY_UNIVERSE__ASSETS='["BTC", "ETH", "SOL"]'),
    ),
    "a lost hour": Planted(
        "features", "warning", "have holes", "^rm -f .*inputs.json && pairity features ", lose_an_hour, mends=True
    ),
    "no online store": Planted(
        "online", "fault", "no online store", "^pairity features$", remove("feast/online.db"), mends=True
    ),
    "a damaged online store": Planted(
        "online", "fault", "cannot be read", "^rm .*pairity features$", scribble("feast/online.db"), mends=True
    ),
    "an online store of yesterday": Planted(
        "online",
        "fault",
        "behind the offline",
        "^rm .*pairity features$",
        sql("feast/online.db", "UPDATE pairity_pair_hourly SET event_ts = event_ts - 86400000000"),
        mends=True,
    ),
    "a port that another program has": Planted(
        "port", "fault", "another program has the port", "PAIRITY_SERVE__PORT", take_the_port
    ),
    "a process without a page": Planted(
        "port", "warning", "shows no status page", r"PAIRITY_SERVE__PORT .* kill \d+", hold_the_journal
    ),
    "rows in quarantine": Planted(
        "quarantine", "warning", "withheld", "^pairity quarantine show \\w+, then", withhold_rows
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_by_its_check(patient, name):
    planted = FAULTS[name]
    planted.plant(patient)
    # Where the registry's database was changed, by a process that has not opened it before
    document = patient.ask() if planted.check in {"registry", "champion"} else patient.examine(live=planted.live)
    found = [item for item in findings_of(document) if item["check"] not in planted.others]
    assert {item["check"] for item in found} == {planted.check}, found
    assert {item["severity"] for item in found} == {planted.severity}, found
    assert all(re.search(planted.what, item["what"]) for item in found), found
    assert all(re.search(planted.command, item["command"]) for item in found), found
    assert all(item["fact"] for item in found)
    assert document["exit_code"] == (2 if planted.severity == "fault" else 0)
    if planted.mends:
        patient.shell(found[0]["command"].split("  ")[0])  # what stands behind two blanks is for people
        assert findings_of(patient.examine()) == []


def checks_of(document):
    return {item["check"] for item in findings_of(document)}


def test_an_account_without_money(patient):
    with paper_exchange("--seed", "11", "--balance", "1") as poor:
        patient.extra.update(PAIRITY_EXCHANGE__URL=poor.url, PAIRITY_EXCHANGE__CONTROL_URL=poor.control)
        (finding,) = findings_of(patient.examine(only=["account"]))
    assert (finding["check"], finding["severity"]) == ("balance", "fault")
    assert "pay in" in finding["command"]


def test_a_position_of_somebody_else(patient):
    async def trade(side: Side, *, closing: bool) -> None:
        async with patient.venue() as venue:
            request = OrderRequest(
                client_order_id=f"hand{side}",
                instrument="ETH-USDT-SWAP",
                side=side,
                contracts=Decimal(1),
                reduce_only=closing,
            )
            await venue.place(request)

    asyncio.run(trade(Side.BUY, closing=False))
    try:
        (finding,) = findings_of(patient.examine(only=["journal"]))
    finally:
        asyncio.run(trade(Side.SELL, closing=True))
    assert (finding["check"], finding["what"]) == ("positions", "a position in ETH-USDT-SWAP is not ours")
    assert findings_of(patient.examine(only=["journal"])) == []


def test_rows_in_quarantine_are_released_as_the_doctor_says(patient):
    withhold_rows(patient)
    (finding,) = findings_of(patient.examine(only=["quarantine"]))
    shown, _, released = finding["command"].split(", ")[0], *finding["command"].split(", then: ")
    patient.shell(shown)
    patient.shell(released.split(", or: ")[0].replace("…", "right"))
    assert findings_of(patient.examine(only=["quarantine"])) == []


def test_a_night_without_the_process_is_mended_by_the_commands_that_are_given(patient):
    """A halt, a lost answer, a cancelled stop, and hours that pass. The clock does not go back: the last test."""

    async def cancel_stops() -> None:
        async with patient.venue() as venue:
            for algo in await venue.algo_orders():
                await venue.cancel_algo(algo.instrument, algo.algo_id)

    halt(patient)
    lose_an_answer(patient)
    asyncio.run(cancel_stops())
    patient.exchange.post("advance", {"by_ms": 3 * 3_600_000})
    found = findings_of(patient.examine())
    assert {item["check"] for item in found} == {"state", "orders", "stops", "decisions", "lake", "features"}
    commands = {item["command"].split("  ")[0] for item in found}
    assert commands == {"pairity resume --reason …", "pairity serve", "pairity ingest"}
    patient.shell("pairity resume --reason mended")
    patient.shell("pairity serve --cycles 1")
    assert findings_of(patient.examine()) == []
