"""No hint is printed without the data directory that it is for: all that is printed goes through `complete_hints`."""

from __future__ import annotations

import ast

import pytest

from tests.house.source_tree import ROOT, modules

PRINTING = {
    "pairity_cli/console.py": "complete_hints",
    "pairity_cli/context.py": "complete_hints",
    "pairity_cli/tables.py": "complete_hints",
    "pairity_cli/table_output.py": "",  # documents for programs, of what `tables` recorded
    "pairity_cli/commands/universe.py": "",  # a JSON list of assets
}
"""Modules of the command line that print by themselves, and what completes their hints."""


def list_prints(tree: ast.AST) -> list[ast.Call]:
    """Calls of `click.echo`, `click.secho` and `print`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        call
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr in {"echo", "secho"})
        or (isinstance(call.func, ast.Name) and call.func.id == "print")
    ]


def test_nothing_else_of_the_command_line_prints():
    found = {
        str(module.path.relative_to(ROOT))
        for module in modules().values()
        if module.path.is_relative_to(ROOT / "pairity_cli") and list_prints(module.tree)
    }
    assert found <= set(PRINTING)


@pytest.mark.parametrize("path", [path for path, by in PRINTING.items() if by])
def test_those_that_do_complete_hints(path):
    assert PRINTING[path] in (ROOT / path).read_text()
