"""Every start of a process says what environment it gets; nothing hands on its own."""

from __future__ import annotations

import ast

import pytest

from tests.house.source_tree import modules

GIVEN = "make_child_environment"
"""What the environment of a child is made with."""
HIDDEN = "only_allowed_variables"
"""What surrounds a start that takes no environment."""
TAKE_AN_ENVIRONMENT = {
    *("run", "Popen", "call", "check_call", "check_output"),
    *("create_subprocess_exec", "subprocess_exec"),
}
REPLACE_THIS_PROCESS = {"execve", "execvpe", "execle", "execlpe", "posix_spawn", "posix_spawnp", "spawnve", "spawnvpe"}
TAKE_NONE = {"ProcessPoolExecutor", "Process", "Pool", "Manager", "get_reusable_executor"}
FORBIDDEN = {
    *("system", "popen", "fork", "forkpty", "getoutput", "getstatusoutput", "create_subprocess_shell"),
    *("subprocess_shell", "execv", "execvp", "execl", "execlp", "spawnl", "spawnlp", "spawnv", "spawnvp"),
}
JOBLIB = {"Parallel", "parallel_config", "parallel_backend"}
STARTERS = ("subprocess", "multiprocessing", "os", "asyncio", "concurrent", "joblib", "loky", "pty", "pexpect", "posix")


def careless_starts(text: str) -> list[str]:
    """The calls of a module that start a process which inherits the environment, each with its line."""
    if not any(name in text for name in (*TAKE_AN_ENVIRONMENT, *REPLACE_THIS_PROCESS, *TAKE_NONE, *FORBIDDEN, *JOBLIB)):
        return []
    tree = ast.parse(text)
    came_from = imported(tree)
    if not any(origin.startswith(STARTERS) for origin in came_from.values()):
        return []
    makers = {GIVEN} | {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(part, ast.Return) and called(part.value) == GIVEN for part in ast.walk(node))
    }
    return [
        f"{called(call)} in line {call.lineno}"
        for call, surroundings in calls(tree, ())
        if is_careless(call, came_from, makers, surroundings)
    ]


def is_careless(call: ast.Call, came_from: dict[str, str], makers: set[str], surroundings: tuple[str, ...]) -> bool:
    name = called(call)
    root = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    origin = came_from.get(getattr(root, "id", ""), "")
    if not origin.startswith(STARTERS):
        return False
    real = origin.rpartition(".")[2] if isinstance(call.func, ast.Name) else name
    given = next((item.value for item in call.keywords if item.arg == "env"), None)
    if real in TAKE_AN_ENVIRONMENT and not origin.startswith(("os", "asyncio.run")) and name_of(call) != "asyncio.run":
        return called(given) not in makers
    if real in REPLACE_THIS_PROCESS:
        return not any(called(value) in makers for value in (*call.args, given))
    if real in TAKE_NONE:
        return HIDDEN not in surroundings
    if real in JOBLIB:
        backends = {item.value for item in ast.walk(call) if isinstance(item, ast.Constant)}
        return "threading" not in backends
    return real in FORBIDDEN


def imported(tree: ast.Module) -> dict[str, str]:
    """Local name → dotted name of what was imported, wherever in the module."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.asname or alias.name.partition(".")[0]): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def calls(node: ast.AST, surroundings: tuple[str, ...]):
    """Every call below `node`, with the names of the context managers around it."""
    if isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            yield from calls(item.context_expr, surroundings)
            surroundings = (*surroundings, called(item.context_expr))
        for child in node.body:
            yield from calls(child, surroundings)
        return
    if isinstance(node, ast.Call):
        yield node, surroundings
    for child in ast.iter_child_nodes(node):
        yield from calls(child, surroundings)


def called(node: ast.AST | None) -> str:
    """Last part of the name of what a call calls; empty for anything else."""
    return name_of(node).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def name_of(node: ast.Call) -> str:
    return ast.unparse(node.func)


def test_no_process_of_the_product_inherits_the_environment():
    found = {name: careless_starts(module.text) for name, module in modules().items()}
    assert {name: starts for name, starts in found.items() if starts} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\nsubprocess.run(['git'])",
        "import subprocess as sp\nsp.Popen(['git'], env=None)",
        "import os, subprocess\nsubprocess.check_output(['git'], env=os.environ)",
        "import os, subprocess\nsubprocess.check_call(['git'], env={**os.environ, 'A': 'b'})",
        "from subprocess import run as start\nstart(['git'])",
        "def f():\n    import os\n    os.execv('/bin/sh', ['sh'])",
        "import os\nos.execve('/bin/sh', ['sh'], os.environ)",
        "import os\nos.system('git')",
        "import os\nos.fork()",
        "from os import popen\npopen('git')",
        "import os\nos.posix_spawn('/bin/sh', ['sh'], os.environ)",
        "import asyncio\nasync def f():\n    await asyncio.create_subprocess_exec('git')",
        "import asyncio\nasync def f():\n    await asyncio.create_subprocess_shell('git')",
        "import asyncio\nasync def f():\n    await asyncio.subprocess.create_subprocess_exec('git', env=None)",
        "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor() as pool: pass",
        "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
        "import multiprocessing\nmultiprocessing.Process(target=f).start()",
        "from multiprocessing import Pool\nPool(2)",
        "from joblib import Parallel, delayed\nParallel(n_jobs=2)(delayed(f)(1) for _ in 'ab')",
        "from joblib import parallel_config\nwith parallel_config(backend='loky'): pass",
    ],
)
def test_a_careless_start_is_found(text):
    assert len(careless_starts(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\nsubprocess.run(['git'], env=make_child_environment())",
        "import subprocess\nsubprocess.run(['git'], env=make_child_environment({'A': 'b'}))",
        "import subprocess\ndef env():\n    return make_child_environment({})\nsubprocess.run(['git'], env=env())",
        "import os\nos.execve('/bin/sh', ['sh'], make_child_environment())",
        "import asyncio\nasyncio.run(job())",
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with only_allowed_variables(), ProcessPoolExecutor() as pool: pass",
        "from joblib import parallel_config\nwith parallel_config(backend='threading'): pass",
        "from paper_exchange.run import run\nrun()",
    ],
)
def test_a_careful_start_is_none(text):
    assert careless_starts(text) == []
