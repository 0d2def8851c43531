"""Types of options and arguments that are names: refused by click, with exit code 2, before a command begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from pairity.asset_spelling import spell_asset
from pairity.errors import ConfigError
from pairity.names import ASSET, IDENTIFIER, SOURCE, TIME_FORMAT, TIME_ZONE, NameRule, check_note, split_names

P = ParamSpec("P")
R = TypeVar("R")


class Name(click.ParamType):
    """One name, of a kind or of one of several."""

    def __init__(self, rule: NameRule, *others: NameRule) -> None:
        self.name = rule.kind
        self._rule = rule
        self._others = others

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; click.BadParameter says what it may be."""
        if any(other.accepts(value) for other in self._others):
            return value
        try:
            return self._rule.check(value)
        except ConfigError as error:
            remedies = "; ".join((error.remedy, *(other.explain() for other in self._others)))
            self.fail(f"{error.what}: {remedies}", param, ctx)


class Names(click.ParamType):
    """Comma-separated names of a kind: an option's value is the tuple of them."""

    def __init__(self, rule: NameRule) -> None:
        self.name = f"{rule.kind}s"
        self._rule = rule

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names; click.BadParameter says which of them is none, and what it may be."""
        if isinstance(value, tuple):  # click converts a default that it has converted once more
            return value
        try:
            return split_names(value, self._rule, "the list")
        except ConfigError as error:
            self.fail(f"{error.what}: {error.remedy}", param, ctx)


class AssetName(Name):
    """One asset, however it is spelt: btc, BTC-USDT-SWAP and BTC/USDT:USDT are BTC."""

    def __init__(self) -> None:
        super().__init__(ASSET)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the asset's name; click.BadParameter says what it may be."""
        return super().convert(spell_asset(value), param, ctx)


class AssetNames(Names):
    """Comma-separated assets, however they are spelt; one that comes twice is refused."""

    def __init__(self) -> None:
        super().__init__(ASSET)

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names; click.BadParameter says which is none, or comes twice."""
        if isinstance(value, tuple):
            return value
        spelt = ",".join(spell_asset(part) for part in value.split(","))
        names = super().convert(spelt, param, ctx)
        if twice := sorted({name for name in names if names.count(name) > 1}):
            self.fail(f"{', '.join(twice)} is named twice, in one spelling or two: leave one out", param, ctx)
        return names


class Note(click.ParamType):
    """A reason that a person gives: one printable line."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without blanks around it; click.BadParameter where it cannot be recorded."""
        try:
            return check_note(value, "the reason")
        except ConfigError as error:
            self.fail(f"{error.what}: {error.remedy}", param, ctx)


ASKED_SOURCE = click.option(
    "--source", type=Name(SOURCE), metavar="NAME", help="Ask this one; by default the source of the venue."
)
ASKED_FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder or file of a source that reads files."
)

UNIVERSE_COLLECTED = click.option(
    "--universe",
    type=Name(IDENTIFIER),
    metavar="NAME",
    help="All that were ever a member of this stored universe (pairity universe); pairs stay those of the settings.",
)


SINCE_ASKED = click.option(
    "--since",
    metavar="INSTANT",
    default="30d",
    show_default=True,
    help="First instant: ISO time, or an age such as 30d.",
)
UNTIL_ASKED = click.option(
    "--until", metavar="INSTANT", default="now", show_default=True, help="End (exclusive): ISO time, age or now."
)
KNOWN_FROM = click.option(
    "--known-from",
    type=click.Choice(["now", "then"]),
    default="now",
    show_default=True,
    help="then: raw rows count as known when they came, so that history can be trained on; it is recorded.",
)


def check_known_from(known_from: str, flag: str, *, given: bool) -> None:
    """Raise ConfigError for `--known-from then` without the `flag` that asks again: a first load is known from then."""
    if known_from == "then" and not given:
        raise ConfigError(
            f"--known-from then is about rows that are asked for again, and {flag} is not given", f"add {flag}"
        )


def reading_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options `time_zone`, `time_format` and `decimal`: what files leave open."""
    options = (
        click.option(
            "--time-zone",
            type=Name(TIME_ZONE),
            metavar="NAME",
            help="Zone of times and days without an offset in files; UTC by default.",
        ),
        click.option(
            "--time-format",
            type=Name(TIME_FORMAT),
            metavar="FORMAT",
            help="How files write times, such as '%d/%m/%Y %H:%M'; ISO 8601 or Unix time by default.",
        ),
        click.option(
            "--decimal",
            type=click.Choice(["point", "comma"]),
            help="Decimal sign of files that do not show which one it is.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
