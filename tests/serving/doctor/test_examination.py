"""Examination and report: limits, failures that stay inside, exit codes, the documented JSON."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import pytest

from pairity.errors import DataError, UnknownNameError
from pairity.redaction import learn_secrets
from pairity.settings import Settings
from serving.doctor.case import Case
from serving.doctor.catalogue import CHECKS, choose_checks
from serving.doctor.examination import Outcome, examine
from serving.doctor.findings import Check, Severity, SkippedError, fault, hint, unknown, warning
from serving.doctor.report import choose_exit_code, make_document, order_results, write_verdict

ROOT = Path(__file__).parents[3]
CASE = Case(live=False, settings=Settings(), refused=None)
FAULT = fault("it is broken", "seen", "mend it")
WARNING = warning("it creaks", "heard", "oil it")


def made(run, name="one", limit_s=5.0, needs=frozenset()):
    return Check(name, "group", run, needs, limit_s)


def raising(error):
    def run(_case):
        raise error

    return run


def test_a_check_that_hangs_is_given_up_and_the_others_go_on():
    never = threading.Event()
    begun = time.monotonic()
    hung, fine = examine(CASE, [made(lambda _: never.wait() and [], limit_s=0.2), made(lambda _: [], "two")])
    assert time.monotonic() - begun < 4
    assert (hung.findings[0].severity, hung.findings[0].what) == (Severity.UNKNOWN, "the check one took too long")
    assert fine.outcome is Outcome.OK


def test_a_check_that_fails_says_so():
    bug, error = examine(CASE, [made(raising(KeyError("x"))), made(raising(DataError("cut", "restore it")), "two")])
    assert (bug.findings[0].severity, bug.findings[0].fact) == (Severity.UNKNOWN, "KeyError: 'x'")
    assert (error.findings[0].fact, error.findings[0].command) == ("cut", "restore it")


def test_a_failure_in_the_middle_of_a_check_is_no_clean_bill():
    def run(_case):
        yield WARNING
        raise ValueError("half way")

    (result,) = examine(CASE, [made(run)])
    assert [item.severity for item in result.findings] == [Severity.UNKNOWN]


def test_what_cannot_be_looked_at_is_skipped_with_its_reason():
    blind = Case(live=False, settings=None, refused=None)
    needs = made(lambda _: [FAULT], needs=frozenset({"settings"}))
    skipped, own = examine(blind, [needs, made(raising(SkippedError("no such thing")), "two")])
    assert (skipped.outcome, skipped.reason) == (Outcome.SKIPPED, "the settings cannot be read")
    assert (own.outcome, own.reason) == (Outcome.SKIPPED, "no such thing")


@pytest.mark.parametrize(
    ("findings", "plain", "strict"),
    [
        ([], 0, 0),
        ([hint("a", "b", "c")], 0, 0),
        ([WARNING], 0, 1),
        ([unknown("a", "b", "c")], 0, 1),
        ([WARNING, FAULT], 2, 2),
    ],
)
def test_exit_codes(findings, plain, strict):
    results = examine(CASE, [made(lambda _: findings)])
    assert choose_exit_code(results, strict=False) == plain
    assert choose_exit_code(results, strict=True) == strict


def test_the_worst_comes_first_and_the_verdict_counts():
    checks = [made(lambda _: [WARNING], "one"), made(lambda _: [], "two"), made(lambda _: [WARNING, FAULT], "three")]
    results = examine(CASE, [*checks, made(raising(SkippedError("x")), "four")])
    assert [result.check.name for result in order_results(results)] == ["three", "one"]
    assert write_verdict(results) == "1 fault, 2 warnings (3 checks, 1 not made)"
    assert write_verdict(examine(CASE, [made(lambda _: [])])) == "nothing is wrong (1 check)"


def test_a_key_in_a_fact_is_not_shown():
    learn_secrets(["averysecretkey99"])
    assert "averysecretkey99" not in fault("x", "the file says averysecretkey99", "y").fact


def test_names_choose_checks_and_groups():
    assert [check.name for check in choose_checks(["disk"])] == ["disk"]
    assert {check.group for check in choose_checks(["model", "ports"])} == {"model", "ports"}
    assert "disk" not in {check.name for check in choose_checks(skip=["disk"])}
    with pytest.raises(UnknownNameError, match="did you mean 'journal'"):
        choose_checks(["jurnal"])


def test_names_are_unique_and_groups_hang_together():
    names = [check.name for check in CHECKS]
    groups = [check.group for check in CHECKS]
    assert len(set(names)) == len(names)
    assert not set(names) & set(groups)
    assert [group for at, group in enumerate(groups) if at == 0 or groups[at - 1] != group] == list(
        dict.fromkeys(groups)
    )


def test_the_documented_checks_and_fields_are_those_of_the_program():
    text = (ROOT / "docs" / "doctor.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| ([a-z ]+) \|", text, re.MULTILINE)
    assert rows == [(check.name, check.group) for check in CHECKS]
    example = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1])
    document = make_document(CASE, examine(CASE, [made(lambda _: [WARNING])]), strict=False)
    assert list(example) == list(document)
    assert list(example["checks"][0]) == list(document["checks"][0])
    assert list(example["checks"][0]["findings"][0]) == list(document["checks"][0]["findings"][0])
    assert json.loads(json.dumps(document)) == document
