"""A sentence that names a minute says that it is one of UTC; of a range, the last one says it for both."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.source_tree import Module, modules

_MINUTE = re.compile(r"%Y-%m-%d %H:%M(:%S)?")
_SAID = re.compile(r" UTC\b|Z\b")
_RANGE = re.compile(r"( ?(to|and|–|…|to before) ?| \(.*\) to )")
_ALLOWED = {
    "pairity_cli.commands.logs": "a line of a log begins with its time, in UTC as every other of its times",
    "pairity_cli.commands.quarantine": "lines of a journal, as those of logs",
}


def _formats_minute(part: ast.expr) -> bool:
    if not (isinstance(part, ast.FormattedValue) and isinstance(part.format_spec, ast.JoinedStr)):
        return False
    return any(isinstance(at, ast.Constant) and _MINUTE.fullmatch(str(at.value)) for at in part.format_spec.values)


def list_unsaid(tree: ast.AST) -> list[int]:
    """Lines of sentences in which a minute is written and no zone follows; a value alone is a cell of a table."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        parts = [part for part in node.values if not (isinstance(part, ast.Constant) and not part.value)]
        if len(parts) == 1:
            continue
        for place, part in enumerate(parts):
            if not _formats_minute(part):
                continue
            after = parts[place + 1] if place + 1 < len(parts) else None
            text = str(after.value) if isinstance(after, ast.Constant) else ""
            reaches = _RANGE.fullmatch(text) and place + 2 < len(parts) and _formats_minute(parts[place + 2])
            begins = place == 0 and text.startswith(("  ", ": "))
            if not (_SAID.match(text) or reaches or begins):
                found.append(part.lineno)
    return found


def _list_unsaid_of(module: Module) -> list[int]:
    return [] if module.name in _ALLOWED else list_unsaid(module.tree)


def test_every_minute_in_a_sentence_is_one_of_utc():
    found = {name: lines for name, module in modules().items() if (lines := _list_unsaid_of(module))}
    assert found == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('f"since {at:%Y-%m-%d %H:%M} UTC"', []),
        ('f"since {at:%Y-%m-%d %H:%M}"', [1]),
        ('f"since {at:%Y-%m-%d %H:%M:%S}: {why}"', [1]),
        ('f"{a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M} UTC"', []),
        ('f"{a:%Y-%m-%d %H:%M} to {b:%Y-%m-%d %H:%M}, {why}"', [1]),
        ('f"{at:%Y-%m-%d %H:%M}"', []),
        ('f"{at:%Y-%m-%d %H:%M}  hold: {why}"', []),
        ('f"of {at:%Y-%m-%d}, {why}"', []),
    ],
)
def test_what_the_rule_sees(source, lines):
    assert list_unsaid(ast.parse(source)) == lines
