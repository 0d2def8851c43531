"""`pairity models`, `promote` and `rollback`: which model trades, why, and who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.context import NOTHING_TRAINED, echo, reports_errors, settings_from
from pairity_cli.parameters import Note
from pairity_cli.references import MODEL_VERSION, find_version_number
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from model_registry.records import ModelRef
    from pairity.settings import Settings
    from pairity_cli.tables import Cell


_SHOWN_TAGS = (
    "family",
    "feature_service",
    "snapshot_id",
    "training_digest",
    "code_revision",
    "code_dirty",
    "train_end",
    "fitted_at",
    "universe",
    "threshold",
    "model_sha256",
    "aliases",
    "promoted_at",
    "promotion_reason",
    "replaced",
    "rolled_back",
)


_YES = click.option("--yes", is_flag=True, help="Do not ask: you have looked.")


class _VersionsGroup(click.Group):
    """`pairity models 3` and `pairity models --shadow` are `pairity models show …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the default command where none is given."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_VersionsGroup, invoke_without_command=True)
def models() -> None:
    """List the registered versions, or `pairity models VERSION`: one of them; sign and confirm them."""


@models.command()
@click.argument("version", type=MODEL_VERSION, required=False)
@click.option("--shadow", is_flag=True, help="Champion beside challenger over the decisions in the journal.")
@reports_errors
@prints_tables()
def show(version: str | None, shadow: bool) -> None:
    """List the registered versions, newest first; with VERSION, what the gate said of one and where it came from.

    This is what `pairity models` does without another command.
    """
    from model_registry.registry import find_version, list_versions

    settings = settings_from()
    version = None if version is None else find_version_number(settings, version)
    if shadow:
        _show_shadow(settings, version)
        return
    if version is not None:
        _show_one(settings, find_version(settings, version))
        return
    versions = list_versions(settings)
    if not versions:
        echo(NOTHING_TRAINED)
        return
    _show_all(settings, versions)


@models.command()
@click.argument("version", type=MODEL_VERSION)
@_YES
@reports_errors
@prints_tables()
def sign(version: str, yes: bool) -> None:
    """Sign VERSION as yours, after looking at it: lineage, verdict, aliases.

    For versions of releases that did not sign, and after a registry was restored from a copy, moved to another path,
    or lost its key. Training and promotion sign by themselves.
    """
    from model_registry.approval import describe_signatures, sign_version
    from model_registry.registry import find_version

    settings = settings_from()
    version = find_version_number(settings, version)
    model = find_version(settings, version)
    states = describe_signatures(settings, model)
    if states.trouble is None:
        echo(f"version {version} of {model.name} is signed already")
        return
    _show_one(settings, model)
    _ask(f"Is this version {version} of {model.name} as you registered it, and are these its files and verdict?", yes)
    signed = sign_version(settings, model)
    named = f", as {' and '.join(signed.aliases)}" if signed.aliases else ""
    echo(f"version {signed.version} of {signed.name} is signed{named}")


@models.command()
@click.argument("version", type=MODEL_VERSION)
@_YES
@reports_errors
@prints_tables()
def confirm(version: str, yes: bool) -> None:
    """Confirm VERSION for real money: once for each version that may open positions with it.

    Without this, `pairity serve --live` opens nothing, unless --model-version names the version.
    """
    from model_registry.approval import confirm_version
    from model_registry.records import GATE_PASSED
    from model_registry.registry import find_version
    from pairity.errors import ConfigError

    settings = settings_from()
    version = find_version_number(settings, version)
    model = find_version(settings, version)
    _show_one(settings, model)
    if model.gate != GATE_PASSED:
        raise ConfigError(
            f"version {version} may not trade real money: the promotion gate says {model.gate!r}", "choose another one"
        )
    if model.is_despite_parity:
        raise ConfigError(
            f"version {version} may not trade real money: it was promoted over a parity mismatch",
            "run pairity parity; once it is clean, promote another version and then this one again",
        )
    _ask(f"May version {version} of {model.name} trade real money?", yes)
    confirmed = confirm_version(settings, model)
    echo(f"version {confirmed.version} of {confirmed.name} is confirmed for real money")


@models.command("rotate-key")
@click.option(
    "--leave-databases",
    is_flag=True,
    help="Although the key has signed in databases that these settings do not name: versions there must be signed "
    "again.",
)
@reports_errors
def rotate_key(leave_databases: bool) -> None:
    """Exchange the signing key: what the old one signed is signed with a new one, and nothing else is."""
    from model_registry.key_rotation import rotate_key as exchange
    from pairity.layout import Layout

    done = exchange(Layout.of(settings_from()), leave_databases=leave_databases)
    echo(f"key {done.key_id} signs from now on; {done.signed} signatures were made anew")
    for what in done.left:
        echo(f"left as it is, because it did not verify: {what}")
    for store in done.absent:
        echo(f"not there: {store}; if it comes back, its versions must be signed again (pairity models sign)")


@click.command()
@click.argument("version", type=MODEL_VERSION)
@click.option("--force", is_flag=True, help="Although the gate did not pass it; real money stays refused to it.")
@click.option(
    "--despite-parity",
    is_flag=True,
    help="Although values that were decided on differ from the offline store's; real money stays refused to it.",
)
@click.option("--reason", type=Note(), help="Why; it is recorded. Needed with --force and --despite-parity.")
@reports_errors
def promote(version: str, force: bool, despite_parity: bool, reason: str | None) -> None:
    """Make VERSION champion: the trading process uses it from its next decision on.

    First the parity of every decision that no check has compared yet is checked; while values differ, nothing is
    promoted.
    """
    from model_registry import registry
    from model_registry.records import DESPITE_PARITY
    from pairity.errors import ConfigError
    from serving.parity_verdicts import require_parity
    from training.books.present import measure_book
    from venue.clock import SystemClock

    settings = settings_from()
    version = find_version_number(settings, version)
    verdict = registry.find_version(settings, version).verdict
    passed = verdict is not None and verdict.passed
    if not passed and not force:
        why = "the gate was never asked about it" if verdict is None else verdict.reason
        raise ConfigError(f"version {version} did not pass the gate: {why}", "train again, or use --force --reason …")
    if not passed and not reason:
        raise ConfigError("--force needs a reason", "say why with --reason")
    if despite_parity and not reason:
        raise ConfigError("--despite-parity needs a reason", "say why with --reason")
    recorded = reason or "passed the gate"
    if not passed:
        recorded = f"forced: {recorded}"
    if not despite_parity:
        echo(require_parity(settings, measure_book))
    elif (found := _find_mismatch(settings)) is not None:
        recorded = f"{DESPITE_PARITY} ({found}): {recorded}"
    promoted = registry.promote(settings, version, recorded, SystemClock().now())
    echo(f"version {promoted.version} of {promoted.name} is champion: {promoted.tags['promotion_reason']}")


def _find_mismatch(settings: Settings) -> str | None:
    """Say and return what a promotion goes over; None where parity holds."""
    from pairity.errors import PairityError
    from serving.parity_verdicts import ask_standing

    try:
        words, mismatch = ask_standing(settings, "promotion")
    except PairityError as error:
        words, found = error.what, "it could not be checked"
    else:
        if mismatch is None:
            return None
        found = f"{mismatch.different} values differ"
    echo(f"warning: {words}")
    return found


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
    from pairity.number_formats import format_fixed, format_percent
    from pairity_cli.tables import print_line, print_table
    from serving.journal import Journal
    from serving.models.shadow_summary import summarise

    journal = Journal.read(Layout.of(settings).journal_place)
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
            format_fixed(item.correlation, 3),
            format_fixed(item.mean_difference, 4),
            item.other_choice,
            format_percent(item.other_share),
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


def _show_all(settings: Settings, versions: list[ModelRef]) -> None:
    from model_registry.approval import describe_signatures
    from pairity_cli.tables import Mark, print_line, print_table

    states = {ref.version: describe_signatures(settings, ref) for ref in versions}
    rows = [
        (
            ref.version,
            ref.family,
            ", ".join(ref.aliases) or None,
            _mark_gate(ref.gate),
            Mark.NO if states[ref.version].trouble else Mark.YES,
            Mark.YES if states[ref.version].confirmed else "not confirmed",
            ref.run_id,
            _shorten(ref.train_end),
            _shorten(ref.tags.get("promoted_at", "")),
            ref.tags.get("promotion_reason"),
        )
        for ref in versions
    ]
    columns = (
        "version",
        "family",
        "alias",
        "gate",
        "signed",
        "real money",
        "MLflow run",
        "has seen up to",
        "promoted",
        "reason",
    )
    print_table(columns, rows, versions[0].name)
    for version, state in states.items():
        if state.trouble:
            print_line(_explain_unsigned(settings, version, state.trouble))
    for ref in versions:
        _warn_of_trial(ref)


def _show_one(settings: Settings, ref: ModelRef) -> None:
    from model_registry.approval import describe_signatures
    from pairity_cli.summaries import show_verdict
    from pairity_cli.tables import Mark, print_line, print_table

    states = describe_signatures(settings, ref)
    values = {**ref.tags, "family": ref.family, "aliases": ", ".join(ref.aliases)}
    rows: list[tuple[str, Cell]] = [
        ("MLflow run", ref.run_id),
        *((name, _tidy(name, values[name])) for name in _SHOWN_TAGS if values.get(name)),
    ]
    rows += [
        ("gate", _mark_gate(ref.gate)),
        ("signed", Mark.YES if states.trouble is None else f"NO: {states.trouble}"),
        ("real money", "confirmed" if states.confirmed else "not confirmed"),
    ]
    print_table(("of the version", "value"), rows, f"{ref.name} version {ref.version}")
    if states.trouble is not None:
        print_line(_explain_unsigned(settings, ref.version, states.trouble))
    verdict = ref.verdict
    if verdict is not None:
        show_verdict(verdict)
    _warn_of_trial(ref)


def _explain_unsigned(settings: Settings, version: str, trouble: str) -> str:
    from pairity_cli.hints import write_command

    command = write_command(settings, "models", "sign", version)
    return (
        f"version {version} is not used: {trouble}; docs/models.md, Signatures, says when to sign it again: {command}"
    )


def _warn_of_trial(ref: ModelRef) -> None:
    from pairity_cli.tables import print_line

    if ref.aliases and (trial := ref.explain_trial()) is not None:
        print_line(f"warning: {trial}")


def _mark_gate(answer: str) -> Cell:
    """Return the gate's answer as a mark; what it never answered stays a word."""
    from model_registry.records import GATE_FAILED, GATE_PASSED
    from pairity_cli.tables import Mark

    return {GATE_PASSED: Mark.PASSED, GATE_FAILED: Mark.FAILED}.get(answer, answer)


def _tidy(name: str, value: str) -> str:
    from pairity.timeline import format_instant

    return format_instant(value) if name in {"train_end", "fitted_at", "promoted_at"} else value


def _shorten(instant: str) -> str | None:
    """Return an instant of a tag to the minute."""
    return instant[:16].replace("T", " ") or None


def _ask(question: str, yes: bool) -> None:
    """Ask a person, and raise ConfigError unless the answer is yes; with `yes` it was given on the command line."""
    from pairity.errors import ConfigError

    if not yes and not click.confirm(question, err=True):
        raise ConfigError("nothing was signed", "look at the version, and answer y")
