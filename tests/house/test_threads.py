"""A thread of ours overrides nothing that a thread has of its own, on any Python that is supported."""

from __future__ import annotations

import ast
import threading

import pytest

from tests.house.source_tree import modules

# Of 3.11 to 3.13: `_stop` was a method until 3.12, and joining called it.
OF_THREADS = {name for name in dir(threading.Thread) if not name.startswith("__")} | {
    *("_args", "_bootstrap", "_bootstrap_inner", "_daemonic", "_delete", "_handle", "_ident", "_initialized"),
    *("_invoke_excepthook", "_is_stopped", "_kwargs", "_name", "_native_id", "_reset_internal_locks", "_set_ident"),
    *("_set_native_id", "_set_tstate_lock", "_started", "_stderr", "_stop", "_target", "_tstate_lock"),
    *("_wait_for_tstate_lock",),
}


def list_overridden(tree: ast.AST) -> set[str]:
    """Attributes that classes of threads set although a thread has them; `run` is there to be written."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Thread") for base in node.bases):
            found |= {
                part.attr
                for part in ast.walk(node)
                if isinstance(part, ast.Attribute)
                and isinstance(part.ctx, ast.Store)
                and isinstance(part.value, ast.Name)
                and part.value.id == "self"
            }
            found |= {part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}
    return (found & OF_THREADS) - {"run"}


def test_no_thread_overrides_what_a_thread_is_made_of():
    found = {name: list_overridden(module.tree) for name, module in modules().items()}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize("line", ["self._stop = 1", "self._started: int = 1", "self.name = 'x'"])
def test_an_override_would_be_seen(line):
    assert list_overridden(ast.parse(f"class Own(threading.Thread):\n    def run(self):\n        {line}"))
