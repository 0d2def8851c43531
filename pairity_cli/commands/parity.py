"""`pairity parity`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import reports_errors, settings_from

if TYPE_CHECKING:
    from pairity.settings import Settings
    from validation.parity import Mismatch


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How many values of how many decisions were compared, and those that differ."""

    decisions: int
    rows: int
    values: int
    mismatches: tuple[tuple[str, Mismatch], ...]

    @property
    def summary(self) -> str:
        """One line."""
        verdict = "all identical, bit for bit" if not self.mismatches else f"{len(self.mismatches):,} DIFFER"
        return f"{self.decisions:,} decisions, {self.rows:,} vectors, {self.values:,} values read online: {verdict}"


@click.command()
@reports_errors
def parity() -> None:
    """Read every feature that was decided on again from the offline store, as known at that instant; compare bits."""
    report = check_parity(settings_from())
    click.echo(report.summary)
    for where, mismatch in report.mismatches[:20]:
        click.echo(f"  {where} {mismatch.column}: online {mismatch.online!r}, offline {mismatch.offline!r}")
    sys.exit(1 if report.mismatches else 0)


def live_parity(settings: Settings) -> Callable[[], tuple[int, str]] | None:
    """The comparison for the promotion gate: (values that differ, in words); None before the first live decision."""
    from pairity.layout import Layout

    if not Layout.of(settings).journal.is_file():
        return None

    def check() -> tuple[int, str]:
        report = check_parity(settings)
        return len(report.mismatches), report.summary

    return check


def check_parity(settings: Settings) -> ParityReport:
    """Compare every journalled feature vector with the offline store's answer for its decision time."""
    import polars as pl

    from feature_repo.catalog import EVENT_TIME, find_service, find_view
    from feature_repo.feature_store import open_store, read_historical
    from feature_repo.offline_files import make_schema
    from pairity.layout import Layout
    from serving.journal.journal import Journal
    from validation.parity import compare_rows

    journal = Journal.read(Layout.of(settings).journal)
    try:
        decisions = {record.decision_id: record for record in journal.decisions()}
        vectors = [vector for key in decisions for vector in journal.vectors(key)]
    finally:
        journal.close()
    store = open_store(settings)
    mismatches, values = [], 0
    for name in sorted({vector.service for vector in vectors}):
        declared = find_view(find_service(name).view)
        own = [vector for vector in vectors if vector.service == name]
        features = find_service(name).features
        types = {feature: make_schema(declared)[feature] for feature in features}
        online = pl.DataFrame([dict(vector.values) for vector in own], schema=types)
        asked = pl.DataFrame(
            {
                declared.entity: [vector.entity for vector in own],
                EVENT_TIME: [decisions[vector.decision_id].decision_time for vector in own],
            },
            schema_overrides={EVENT_TIME: pl.Datetime("us", "UTC")},
        )
        offline = read_historical(store, name, asked)
        for mismatch in compare_rows(online, offline, features):
            vector = own[mismatch.row]
            at = decisions[vector.decision_id].event_timestamp
            mismatches.append((f"{vector.entity} at {at:%Y-%m-%d %H:%M}", mismatch))
        values += online.height * len(features)
    return ParityReport(len(decisions), len(vectors), values, tuple(mismatches))
