"""What documents tell people to type exists: targets of make, commands, and the options of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import click
import pytest

from pairity_cli.main import COMMANDS, main
from tests.house.source_tree import ROOT
from tests.house.test_documents import tracked

_RULE = re.compile(r"^([a-z][a-z-]*):(?!=)", re.MULTILINE)
_SPAN = re.compile(r"``([^`]+)``|`([^`]+)`")
_MAKE = re.compile(r"^(?:\w+=\S+ )*make((?: +[a-z][a-z-]*\b(?!=))+)")
_PAIRITY = re.compile(r"^(?:\w+=\S+ )*(?:\S*/)?pairity +([a-z][a-z-]*)(.*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_END = re.compile(r"[|;#]| && ")


def read_targets() -> Counter[str]:
    """Targets of the Makefile's rules, with how many rules each has; definitions of shell text have none."""
    text = re.sub(r"^define .*?^endef", "", (ROOT / "Makefile").read_text(), flags=re.MULTILINE | re.DOTALL)
    return Counter(_RULE.findall(text))


def list_typed(document: str) -> Iterator[str]:
    """Yield what a document shows as typed: spans of code, and lines of code blocks, continued lines as one."""
    fenced, prose = False, []
    lines = iter((ROOT / document).read_text().splitlines())
    for line in lines:
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            typed = line.strip()
            while typed.endswith("\\"):
                typed = f"{typed[:-1]} {next(lines).strip()}"
            yield typed.removeprefix("$ ")
        else:
            prose.append(line)
    for double, single in _SPAN.findall("\n".join(prose)):
        yield re.sub(r"\s+", " ", double or single).strip()


def list_options(name: str) -> set[str]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    commands = [command, *(command.commands.values() if isinstance(command, click.Group) else ())]
    parameters = [parameter for each in commands for parameter in each.params]
    return {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}


def test_every_target_has_one_rule_and_is_no_file():
    targets = read_targets()
    assert [name for name, rules in targets.items() if rules > 1] == []
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert sorted(targets) == sorted(phony[1].split())


@pytest.mark.parametrize("document", tracked("*.md"))
def test_targets_of_make_in_documents_exist(document):
    typed = [found[1].split() for text in list_typed(document) if (found := _MAKE.match(text))]
    assert sorted({name for names in typed for name in names} - set(read_targets())) == []


@pytest.mark.parametrize("document", tracked("*.md"))
def test_commands_and_their_options_in_documents_exist(document):
    unknown = []
    for text in list_typed(document):
        if (found := _PAIRITY.match(text)) is None:
            continue
        name, rest = found[1], _END.split(found[2])[0]
        if name not in COMMANDS:
            unknown.append(f"{name} in {text!r}")
            continue
        known = list_options(name) | {"--help"}
        unknown += [f"{name} {option}" for option in _OPTION.findall(rest) if option not in known]
    assert unknown == []
