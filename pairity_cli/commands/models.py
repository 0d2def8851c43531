"""`pairity models`, `promote` and `rollback`: which model trades, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity.names import VERSION
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name, Note

if TYPE_CHECKING:
    from model_registry.records import ModelRef
    from pairity.settings import Settings


_SHOWN_TAGS = (
    "feature_service",
    "snapshot_id",
    "training_digest",
    "code_revision",
    "code_dirty",
    "train_end",
    "universe",
    "model_sha256",
    "aliases",
    "promoted_at",
    "promotion_reason",
    "replaced",
    "rolled_back",
)


@click.command()
@click.argument("version", type=Name(VERSION), required=False)
@click.option("--shadow", is_flag=True, help="Champion beside challenger over the decisions in the journal.")
@reports_errors
def models(version: str | None, shadow: bool) -> None:
    """List the registered versions, newest first; with VERSION, what the gate said of one and where it came from."""
    from model_registry.registry import find_version, list_versions

    settings = settings_from()
    if shadow:
        _show_shadow(settings, version)
        return
    if version is not None:
        _show_one(find_version(settings, version))
        return
    versions = list_versions(settings)
    if not versions:
        echo("no model is registered yet: run `pairity train`")
        return
    _show_all(versions)


@click.command()
@click.argument("version", type=Name(VERSION))
@click.option("--force", is_flag=True, help="Although the gate did not pass it; real money stays refused to it.")
@click.option("--reason", type=Note(), help="Why; it is recorded. Needed with --force.")
@reports_errors
def promote(version: str, force: bool, reason: str | None) -> None:
    """Make VERSION champion: the trading process uses it from its next decision on."""
    from model_registry import registry
    from pairity.errors import ConfigError
    from venue.clock import SystemClock

    settings = settings_from()
    verdict = registry.find_version(settings, version).verdict
    passed = verdict is not None and verdict.passed
    if not passed and not force:
        why = "the gate was never asked about it" if verdict is None else verdict.reason
        raise ConfigError(f"version {version} did not pass the gate: {why}", "train again, or use --force --reason …")
    if not passed and not reason:
        raise ConfigError("--force needs a reason", "say why with --reason")
    recorded = reason or "passed the gate"
    if not passed:
        recorded = f"forced: {recorded}"
    promoted = registry.promote(settings, version, recorded, SystemClock().now())
    echo(f"version {promoted.version} of {promoted.name} is champion: {promoted.tags['promotion_reason']}")


@click.command()
@click.option("--reason", type=Note(), required=True, help="Why; it is recorded.")
@reports_errors
def rollback(reason: str) -> None:
    """Make the version before the champion champion again."""
    from model_registry import registry
    from venue.clock import SystemClock

    settings = settings_from()
    restored = registry.rollback(settings, reason, SystemClock().now())
    echo(f"version {restored.version} of {restored.name} is champion again")


def _show_shadow(settings: Settings, version: str | None) -> None:
    """Print every couple of champion and challenger, or only those in which `version` took part."""
    from pairity.layout import Layout
    from pairity_cli.tables import print_line, print_table
    from serving.journal import Journal
    from serving.models.shadow_summary import summarise

    journal = Journal.read(Layout.of(settings).journal)
    try:
        couples = [item for item in summarise(journal) if version in {None, item.champion, item.challenger}]
    finally:
        journal.close()
    if not couples:
        echo("no decision has a challenger's score beside it: one is scored as soon as one is registered")
        return
    rows = [
        (
            item.champion,
            item.challenger,
            item.decisions,
            item.failed,
            item.scores,
            item.correlation,
            item.mean_difference,
            item.other_choice,
            None if item.other_share is None else f"{item.other_share:.1%}",
        )
        for item in couples
    ]
    columns = (
        "champion",
        "challenger",
        "decisions",
        "failed",
        "scores",
        "correlation",
        "mean difference",
        "other choice",
        "share",
    )
    print_table(columns, rows, "Challengers in shadow: the same online vectors, no influence")
    for item in couples:
        if item.last_failure is not None:
            print_line(f"version {item.challenger}, last failure: {item.last_failure}")


def _show_all(versions: list[ModelRef]) -> None:
    from pairity_cli.tables import print_table

    rows = [
        (
            ref.version,
            ", ".join(ref.aliases) or None,
            ref.gate,
            ref.train_end[:16],
            ref.tags.get("promoted_at", "")[:16] or None,
            ref.tags.get("promotion_reason"),
            ref.run_id,
        )
        for ref in versions
    ]
    print_table(
        ("version", "alias", "gate", "has seen up to", "promoted", "reason", "MLflow run"), rows, versions[0].name
    )


def _show_one(ref: ModelRef) -> None:
    from pairity_cli.summaries import show_verdict
    from pairity_cli.tables import print_table

    values = {**ref.tags, "aliases": ", ".join(ref.aliases)}
    rows = [("MLflow run", ref.run_id), *((name, values[name]) for name in _SHOWN_TAGS if values.get(name))]
    print_table(("", ""), rows, f"{ref.name} version {ref.version}")
    if ref.verdict is not None:
        show_verdict(ref.verdict)
