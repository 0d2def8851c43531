"""What was typed wrongly is not repeated where it may be a key; the command line takes no key at all."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pairity.secret_names import sounds_secret
from pairity_cli.main import COMMANDS, main

HUSH = "Hu5h-77c1-0f3eQ/x+z"


def typed(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2, done.output
    chain, seen = done.exception, []
    while chain is not None:
        seen.append(f"{chain} {chain!r}")
        chain = chain.__cause__ or chain.__context__
    assert HUSH not in done.output + "".join(seen)
    return done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((HUSH,), ["No such command"]),
        (("serve", HUSH), ["extra argument"]),
        (("serve", "hush-hush", "more"), ["extra arguments"]),
        (("serve", "--cycles", HUSH), ["--cycles", "***"]),
        (("serve", f"--cycles={HUSH}"), ["--cycles", "***"]),
        (("serve", "--api-secret", HUSH), ["No such option '--api-secret'", "never given on the command line"]),
        (("serve", f"--api-secret={HUSH}"), ["'--api-secret'", "environment or .env"]),
        (("--set", f"exchange.api_key={HUSH}"), ["No such option '--set'"]),
        (("serve", "--set", f"exchange.api_key={HUSH}"), ["No such option '--set'"]),
        (("serve", f"--set=exchange.api_key={HUSH}"), ["No such option '--set'"]),
        (("serve", f"--{HUSH}"), ["No such option", "not shown"]),
        (("serve", f"--api-key-{HUSH}"), ["No such option", "not shown"]),
        (("serve", f"-{HUSH}"), ["No such option"]),
        (("demo", "--market", HUSH), ["--market", "synthetic"]),
        (("demo", "--seed", HUSH), ["--seed"]),
        (("paper-exchange", "--balance", HUSH), ["--balance"]),
        (("ui", "--port", HUSH), ["--port"]),
    ],
)
def test_no_usage_error_shows_what_may_be_a_key(arguments, words):
    output = typed(*arguments)
    for word in words:
        assert word in output
    assert "hush" not in output


def test_a_slip_is_still_shown():
    assert "No such command 'trane'." in typed("trane")
    assert "No such option '--cycle'. Did you mean --cycles" in typed("serve", "--cycle", "3")
    assert "'five' is not a valid integer range" in typed("serve", "--cycles", "five")


@given(
    command=st.sampled_from(list(COMMANDS)),
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=40).map("q7".__add__),
    form=st.sampled_from(["{}", "--cycles={}", "--api-key={}", "--{}", "--set=x={}", "--port={}"]),
)
def test_no_command_repeats_a_key_in_a_usage_error(command, secret, form):
    done = CliRunner().invoke(main, [command, "--no-such-option", form.format(secret)])
    assert secret not in done.output
    done = CliRunner().invoke(main, [command, form.format(secret), "--no-such-option"])
    assert secret not in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_a_key(name):
    context = click.Context(main)
    command = main.get_command(context, name)
    commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    for one in commands:
        assert not [p.name for p in one.params if sounds_secret(p.name) or any(map(sounds_secret, p.opts))]


def test_without_a_command_the_help_is_shown_and_no_error():
    done = CliRunner().invoke(main, [])
    assert "Error" not in done.output
    assert done.output.count("Usage:") == 1
