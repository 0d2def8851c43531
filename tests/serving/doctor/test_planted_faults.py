"""Planted faults: each is found by its check, with the command that mends it; a healthy installation hears nothing."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal

import pytest

from pairity.strategy.types import Side
from serving.execution.venue_records import OrderRequest
from tests.e2e.running import paper_exchange
from tests.serving.doctor.patient import Patient, contents, findings_of
from tests.serving.doctor.planted_faults import FAULTS
from tests.serving.doctor.planting import halt, lose_an_answer, withhold_rows

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
