"""`pairity trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.context import reports_errors, settings_from
from pairity_cli.references import ORDER
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity.number_formats import Figure
    from pairity_cli.prices import Ticks
    from serving.journal import DecisionRecord, Run, Trace
    from serving.lineage import Recomputation


@click.command()
@click.argument("order", type=ORDER)
@reports_errors
@prints_tables()
def trace(order: str) -> None:
    """From ORDER back to its decision, features, model, data and code.

    ORDER is a client order id, the venue's id, what begins one of them alone, or latest.

    Loads the very model version and scores the very features again: the probability must be the same float.
    """
    from pairity.layout import Layout
    from pairity_cli.hints import write_command
    from pairity_cli.prices import Ticks
    from pairity_cli.tables import print_line
    from serving.lineage import find_entry, read_trace, recompute

    settings = settings_from()
    traced = read_trace(settings, order)
    _show_order(traced, Ticks.read(Layout.of(settings)))
    if traced.decision is None:
        entry = find_entry(settings, traced)
        print_line(
            "no decision: the position was adopted"
            if entry is None
            else "no decision of its own; the one that opened its position: " + write_command(settings, "trace", entry)
        )
        return
    _show_decision(traced.decision)
    _show_model(traced.decision, traced.run, recompute(settings, traced, traced.decision))


def _show_order(traced: Trace, ticks: Ticks) -> None:
    from pairity.number_formats import format_exact
    from pairity_cli.tables import print_heading, print_line, print_table

    intent = traced.intent
    print_heading(f"Order {intent.client_order_id}")
    print_line(
        f"{intent.purpose} {intent.side} {format_exact(intent.contracts)} contracts of {intent.instrument}, "
        f"{intent.state}, filled {format_exact(intent.filled_contracts)}"
        + ("" if intent.average_price is None else f" at {ticks.write(intent.instrument, intent.average_price)}")
    )
    events = [(event.at, str(event.state), event.answer) for event in traced.events]
    print_table(("at, UTC", "state", "the venue said"), events)


def _show_decision(record: DecisionRecord) -> None:
    from pairity_cli.tables import print_heading, print_line

    print_heading("Decision")
    print_line(
        f"{record.event_timestamp:%Y-%m-%d %H:%M} bar, decided {record.decision_time:%Y-%m-%d %H:%M:%S} UTC: "
        f"{record.decision.action}: {record.decision.reason}"
    )


def _show_model(record: DecisionRecord, run: Run | None, again: Recomputation) -> None:
    from pairity.timeline import format_instant
    from pairity_cli.tables import print_heading, print_line, print_table

    print_heading("Model, data, code")
    origin = again.rescored
    print_line(f"{record.model_name} version {record.model_version} ({origin.family}), sha256 {record.model_sha256}")
    print_line(
        f"MLflow run {origin.run_id}, trained up to {format_instant(origin.train_end)}, data snapshot "
        f"{origin.snapshot_id}"
    )
    code, digest = (run.code_revision, run.settings_digest[:16]) if run else ("unknown", "unknown")
    print_line(f"code {code}, settings {digest}…")
    if again.vector is None:
        print_line(f"no features of {again.pair_id} in the journal")
        return
    same = "the same float" if again.is_same else "NOT THE SAME"
    print_line(f"probability in the journal {again.recorded!r}, computed again {origin.probability!r}: {same}")
    print_heading(
        f"Features of {again.pair_id}, event time {format_instant(again.vector.event_timestamp or 'unknown')}"
    )
    print_table(("feature", "value"), [(name, _write_exactly(value)) for name, value in again.vector.values.items()])


def _write_exactly(value: float | str | None) -> Figure:
    """Return every digit of a feature: what was scored must be readable to the bit."""
    from pairity.number_formats import NOTHING, Figure

    return Figure(NOTHING if value is None else repr(value), None if isinstance(value, str) else value)
