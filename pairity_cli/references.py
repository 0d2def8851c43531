"""Arguments that name an order, a run, a version or a quarantined item; the shell completes them.

What exists is looked up when the shell asks for it. A store that cannot be read completes nothing: the command says
why when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from pairity.errors import PairityError
from pairity.names import (
    ORDER_ID,
    POSITION_ID,
    QUARANTINE_REFERENCE,
    RUN_REFERENCE,
    SNAPSHOT_REFERENCE,
    VERSION_REFERENCE,
    NameRule,
)
from pairity.references import LATEST
from pairity_cli.parameters import Name

if TYPE_CHECKING:
    from pairity.settings import Settings

Known = Iterable[tuple[str, str]]
"""Names with what the shell may say about each."""
_MOST_COMPLETED = 200


class Reference(Name):
    """A name, the beginning of one, or `latest`; `list_known` says what exists, newest first."""

    def __init__(self, rule: NameRule, list_known: Callable[[Settings], Known], *, with_latest: bool = True) -> None:
        super().__init__(rule)
        self._list_known, self._with_latest = list_known, with_latest

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin as what was typed."""
        from pairity.configuration import load_settings

        try:
            known = list(self._list_known(load_settings()))[:_MOST_COMPLETED]
        except (PairityError, OSError):
            known = []
        if known and self._with_latest:
            known.append((LATEST, "the newest"))
        return [CompletionItem(name, help=text) for name, text in known if name.startswith(incomplete)]


def find_version_number(settings: Settings, text: str) -> str:
    """Return the number of the version that `text` names: a number, an alias or its beginning, or `latest`.

    An alias counts only where its signature does. UnknownNameError lists what exists.
    """
    from model_registry.registry import find_alias, list_versions
    from pairity.errors import UnknownNameError
    from pairity.references import find_named

    if text.isdecimal():
        return text
    versions = list_versions(settings)
    if text == LATEST and versions:
        return versions[0].version
    aliases = [alias for version in versions for alias in version.aliases]
    try:
        alias = find_named("version", text, aliases)
    except UnknownNameError:
        choices = [*(version.version for version in versions), *aliases]
        raise UnknownNameError(f"version of model {settings.model.name!r}", text, choices) from None
    return find_alias(settings, alias).version


def _list_orders(settings: Settings) -> Known:
    from pairity.layout import Layout
    from serving.journal.reading import ReadingJournal

    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        return [(name, "") for name, _ in journal.order_names()]
    finally:
        journal.close()


def _list_open_positions(settings: Settings) -> Known:
    from pairity.layout import Layout
    from serving.journal.reading import ReadingJournal

    journal = ReadingJournal.connect(Layout.of(settings).journal_place)
    try:
        return [(record.position.position_id, "") for record in journal.open_positions()]
    finally:
        journal.close()


def _list_runs(settings: Settings) -> Known:
    from pairity.layout import Layout
    from training.reports.run_lookup import list_runs

    return [(run.run_id, run.name) for run in list_runs(Layout.of(settings))]


def _list_versions(settings: Settings) -> Known:
    from model_registry.registry import list_versions

    for version in list_versions(settings):
        yield version.version, f"{version.family}, {version.gate}"
        yield from ((alias, f"version {version.version}") for alias in version.aliases)


def _list_quarantined(settings: Settings) -> Known:
    from pairity.layout import Layout
    from validation.quarantine import read_items

    items = sorted(read_items(Layout.of(settings)), key=lambda item: item.at, reverse=True)
    return [(item.id, f"{item.dataset} {item.key} {item.state}") for item in items]


def _list_snapshots(settings: Settings) -> Known:
    from ingestion.snapshots import list_snapshots
    from pairity.layout import Layout

    return [(saved.name, saved.note) for saved in list_snapshots(Layout.of(settings))]


ORDER = Reference(ORDER_ID, _list_orders)
RUN = Reference(RUN_REFERENCE, _list_runs)
MODEL_VERSION = Reference(VERSION_REFERENCE, _list_versions)
QUARANTINED = Reference(QUARANTINE_REFERENCE, _list_quarantined)
SNAPSHOT = Reference(SNAPSHOT_REFERENCE, _list_snapshots)
POSITION = Reference(POSITION_ID, _list_open_positions, with_latest=False)
