"""What docs/troubleshooting.md quotes is what the product says; README's results are those of docs/results.md."""

from __future__ import annotations

import re

import pytest

from pairity import names
from pairity.names import NameRule
from tests.house.markdown import cells, read_lines
from tests.house.source_tree import ROOT, modules

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
KINDS = {rule.kind for rule in vars(names).values() if isinstance(rule, NameRule)}
"""Kinds of names, of which a reference may be unknown."""
_HEADING = {"symptom", "---"}


def quoted() -> list[str]:
    """Messages in the first column: what stands as code there."""
    firsts = [cells(line.text)[0] for line in read_lines(PAGE) if line.is_row]
    return [text.replace("\\|", "|") for cell in firsts for text in re.findall(r"`([^`]+)`", cell)]


def is_said(text: str, source: str) -> bool:
    """Whether a message stands in the source as it is, is of click, or is an unknown name of a kind."""
    if text in source or text in ("No such command", "No such option"):
        return True
    kind = text.removeprefix("unknown ")
    said = re.search(rf'UnknownNameError\(\s*f?"{re.escape(kind)}\b', source)
    return text.startswith("unknown ") and (kind in KINDS or said is not None)


def test_messages_that_are_quoted_are_those_of_the_product():
    source = "\n".join(module.text for module in modules().values()) + (ROOT / "Makefile").read_text()
    assert len(quoted()) >= 25
    assert [text for text in quoted() if not is_said(text, source)] == []


@pytest.mark.parametrize("text", ["unknown moon", "is not there on Tuesdays"])
def test_a_message_of_nobody_is_found(text):
    source = "\n".join(module.text for module in modules().values())
    assert not is_said(text, source)


def test_results_in_the_readme_are_those_that_were_measured():
    readme, measured = (ROOT / "README.md").read_text(), (ROOT / "docs" / "results.md").read_text()
    box = "\n".join(line for line in readme.splitlines() if line.startswith(">"))
    found = re.findall(r"(\d+\.\d)%", box)
    assert len(found) >= 4
    assert [figure for figure in found if f"{figure}%" not in measured] == []
