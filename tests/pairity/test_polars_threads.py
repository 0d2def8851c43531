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
