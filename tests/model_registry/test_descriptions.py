"""Descriptions in the registry: a table that a Markdown reader renders, whatever the checks say."""

import re

import pytest

from model_registry import registry
from model_registry.connection import open_client
from model_registry.descriptions import ROOM, describe_version
from model_registry.records import Check, Verdict
from pairity.layout import Layout
from tests.model_registry.registries import FAILED, PASSED

CARD = "# pair_forest\n\n**What it is.** A forest."


def rows(text):
    """Cells of the table's rows, as a Markdown reader cuts them."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [
        [cell.strip().removesuffix(ROOM).strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]
    ]


def test_failed_checks_come_first_and_the_card_follows():
    text = describe_version(FAILED, CARD)
    assert text.startswith("Gate: failed 1 of 2 checks\n\n| | check | found | needed |\n| --- |")
    assert rows(text) == [
        ["**FAILED**", "net", "net return −2.00%", "above +0.00%"],
        ["passed", "trades", "99", "at least 30"],
    ]
    assert all(line.count(ROOM) == 3 for line in text.splitlines() if line.startswith(("| **", "| passed")))
    assert text.endswith(CARD)
    assert describe_version(PASSED, "").startswith("Gate: passed all 2")


def test_a_version_that_the_gate_was_not_asked_about_says_so():
    assert describe_version(None, CARD) == f"Gate: not asked\n\n{CARD}"


@pytest.mark.parametrize("odd", ["a | b", "two\nlines", "| --- |", "`code` <script>", "\r\n|"])
def test_whatever_a_check_says_a_row_stays_a_row(odd):
    text = describe_version(Verdict((Check("reason", False, odd, odd), Check("net", True, "1", "0"))), "")
    assert [len(row) for row in rows(text)] == [4, 4]


def test_a_card_that_is_too_long_is_cut_and_says_where_the_rest_is():
    text = describe_version(FAILED, CARD + "x" * 9000)
    assert len(text) <= 5000
    assert text.endswith("the whole card is the description of the source run.")


def test_the_registry_shows_the_verdict_of_each_version_and_what_aliases_mean(signed_registry):
    with signed_registry.restored():
        client = open_client(Layout.of(signed_registry.settings))
        said = {v.version: v.description for v in client.search_model_versions(f"name = '{signed_registry.name}'")}
        assert [said[number].splitlines()[0] for number in (1, 2, 3)] == [
            "Gate: passed all 2",
            "Gate: passed all 2",
            "Gate: failed 1 of 2 checks",
        ]
        assert "@champion" in client.get_registered_model(signed_registry.name).description
        # What it says decides nothing: the version is read as before, whatever stands there
        client.update_model_version(signed_registry.name, "2", "Gate: passed all 99")
        assert registry.find_champion(signed_registry.settings).version == "2"


def test_the_card_of_the_run_is_in_the_description(signed_registry):
    with signed_registry.restored():
        settings, run_id = signed_registry.settings, signed_registry.versions[0].run_id
        client = open_client(Layout.of(settings))
        client.set_tag(run_id, "mlflow.note.content", CARD)
        registry.record_verdict(settings, "3", PASSED)
        said = client.get_model_version(signed_registry.name, "3").description
        assert said.startswith("Gate: passed all 2")
        assert said.endswith(CARD)
