"""What documents show as typed exists: targets of make, commands of pairity, their options."""

from __future__ import annotations

import re
from collections import Counter

import click
import pytest

from pairity_cli.main import main
from tests.house.source_tree import ROOT
from tests.house.test_documents import tracked

DOCUMENTS = tracked("*.md")
_CODE = re.compile(r"```[^\n]*\n(.*?)```|(`+)(.+?)\2", re.DOTALL)
_MAKE = re.compile(r"(?:^|[\s;&`])make ([a-z][a-z-]*)(?![\w=])", re.MULTILINE)
_ONE = re.compile(r"\n|&&|;|\||\$\(")
_PAIRITY = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?pairity ((?:[a-z][a-z-]* ?)+)([^#]*)")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")


def code_of(document: str) -> list[str]:
    """Code of a document: fences with continued lines joined, and spans in one line."""
    text = (ROOT / document).read_text()
    found = [match[1] if match[1] is not None else match[3].replace("\n", " ") for match in _CODE.finditer(text)]
    return [code.replace("\\\n", " ") for code in found]


def targets() -> list[str]:
    """Every target of the Makefile, as often as it has a recipe."""
    makefile = re.sub(r"^define .*?^endef$", "", (ROOT / "Makefile").read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE)


def test_a_target_is_defined_once_and_is_no_file():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name, count in Counter(targets()).items() if count > 1] == []
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(targets())


def named_targets(source: str) -> set[str]:
    codes = code_of(source) if source.endswith(".md") else re.findall(r"`(make .*?)`", (ROOT / source).read_text())
    return {target for code in codes for target in _MAKE.findall(code)}


def test_targets_that_are_named_exist():
    """One test of all files: a test for each would be every eighth of the suite."""
    known, named = set(targets()), {source: named_targets(source) for source in (*DOCUMENTS, *tracked("*.py"))}
    assert "test" in named["CONTRIBUTING.md"]
    assert len(named) > 1_000
    assert {source: names - known for source, names in named.items() if names - known} == {}


def shown_commands(document: str) -> list[tuple[list[str], str]]:
    """Every command of pairity in code: the lower-case words after `pairity`, and what follows them."""
    lines = [line.strip() for code in code_of(document) for line in _ONE.split(code)]
    return [(match[1].split(), match[2]) for match in map(_PAIRITY.match, lines) if match]


def wrong_in(words: list[str], rest: str) -> str | None:
    """Return what of a shown command does not exist, None where all does."""
    command = main.get_command(click.Context(main), words[0])
    if command is None:
        return f"pairity {words[0]}"
    meant = [command]
    if isinstance(command, click.Group):
        inner = [command.get_command(click.Context(command), word) for word in words[1:2]]
        # Without the name of one, an option is that of the group's own default.
        meant = [found for found in inner if found] or [*command.commands.values(), command]
    known = {name for one in meant for given in one.params for name in (*given.opts, *given.secondary_opts)}
    unknown = [option for option in _OPTION.findall(rest) if option not in known | {"--help"}]
    return f"pairity {' '.join(words)} {unknown[0]}" if unknown else None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_options_that_are_shown_exist(document):
    wrong = {wrong_in(words, rest) for words, rest in shown_commands(document)}
    assert sorted(found for found in wrong if found) == []


def test_a_mistyped_command_is_found():
    assert wrong_in(["trane"], "") == "pairity trane"
    assert wrong_in(["train"], "--no-compair") == "pairity train --no-compair"
    assert wrong_in(["models"], "--shadow") is None
    assert len(shown_commands("README.md")) >= 15
