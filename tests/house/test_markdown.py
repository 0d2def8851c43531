"""Every document renders: tables have as many cells in each row, and no line was broken by accident."""

from __future__ import annotations

import pytest

from tests.house.markdown import cells, table_faults, wrap_faults
from tests.house.source_tree import ROOT
from tests.house.test_documents import tracked

DOCUMENTS = tracked("*.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tables_render(document):
    assert table_faults((ROOT / document).read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_line_was_broken_by_accident(document):
    assert wrap_faults((ROOT / document).read_text()) == []


GOOD = "text\n\n| a | b |\n| --- | ---: |\n| `x \\| y` | 2 |\n\nmore\n"


def test_a_good_table_has_no_fault():
    assert table_faults(GOOD) == []
    assert cells("| `x \\| y` | 2 |") == ["`x \\| y`", "2"]
    assert table_faults("```\n| not | a table\n```\n") == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (GOOD.replace(" \\|", " |"), "3 cells, the heading has 2"),
        (GOOD.replace("| 2 |", "|"), "1 cells, the heading has 2"),
        (GOOD.replace("| 2 |", "| 2"), "2 cells, the heading has 2"),
        (GOOD.replace("| --- | ---: |\n", ""), "no row of dashes"),
        (GOOD.replace("| --- | ---: |", "| --- |"), "1 cells, the heading has 2"),
        (GOOD.replace("text\n\n", "text\n"), "no blank line"),
        (GOOD.replace("2 |\n\n", "2 |\n"), "no blank line"),
        ("| a |\n| --- |\n| one that was\nbroken |\n", "no blank line"),
    ],
)
def test_a_table_that_does_not_render_is_found(bad, said):
    assert any(said in fault for fault in table_faults(bad)), table_faults(bad)


@pytest.mark.parametrize(
    "bad",
    [
        "it costs 5 bps\n- 6 with slippage - per side\n",
        "as said in number\n1. of the list\n",
        "see issue\n# 5 of it\n",
        "the setting `serve.port is\nnot closed\n",
        "```\nnever closed\n",
    ],
)
def test_a_line_that_was_broken_by_accident_is_found(bad):
    assert wrap_faults(bad)


def test_lists_and_code_as_they_are_meant_have_no_fault():
    assert wrap_faults("say:\n\n- one `a\n  b` that wraps\n- two\n  1. nested\n\n# Title\n") == []
