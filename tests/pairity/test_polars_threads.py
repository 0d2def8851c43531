"""How many threads a command's process gives Polars, and what its children are told."""

import json
import subprocess
import sys

import pytest

from pairity.child_environment import make_child_environment

ASK = """
import json, sys
import click
from pairity_cli.main import main
main.get_command(click.Context(main), sys.argv[1])
from pairity.child_environment import make_child_environment
import polars
print(json.dumps([polars.thread_pool_size(), make_child_environment().get("POLARS_MAX_THREADS")]))
"""


@pytest.mark.parametrize(
    ("command", "given", "expected"),
    [
        ("serve", None, [1, None]),
        ("serve", "3", [3, "3"]),
        ("serve", "1", [1, "1"]),
        ("ingest", "2", [2, "2"]),
    ],
)
def test_only_a_trading_process_limits_itself_and_never_what_its_owner_said(command, given, expected):
    environment = make_child_environment({"POLARS_MAX_THREADS": given} if given else {})
    if given is None:
        environment.pop("POLARS_MAX_THREADS", None)
    run = subprocess.run(
        [sys.executable, "-c", ASK, command], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == expected


ASK_ENGINE = """
import json, os
from pairity.child_environment import make_child_environment
from pairity.polars_threads import running_in_memory
seen = [os.environ.get("POLARS_ENGINE_AFFINITY")]
with running_in_memory():
    seen.append(os.environ.get("POLARS_ENGINE_AFFINITY"))
    seen.append(make_child_environment().get("POLARS_ENGINE_AFFINITY"))
seen.append(os.environ.get("POLARS_ENGINE_AFFINITY"))
print(json.dumps(seen))
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, [None, "in-memory", None, None]), ("streaming", ["streaming"] * 2 + [None, "streaming"])],
)
def test_queries_run_in_memory_for_a_block_unless_their_owner_has_chosen_and_in_no_child(given, expected):
    added = {"POLARS_ENGINE_AFFINITY": given} if given else {}
    environment = make_child_environment(added)
    run = subprocess.run(
        [sys.executable, "-c", ASK_ENGINE], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == expected
