"""`pairity trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.context import reports_errors, settings_from
from pairity_cli.references import ORDER
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity.number_formats import Figure
    from pairity.settings import Settings
    from pairity_cli.prices import Ticks
    from serving.journal import DecisionRecord, FeatureVector, Run, Trace
    from serving.lineage import Recomputation


@click.command()
@click.argument("order", type=ORDER)
@click.option(
    "--lake/--no-lake",
    "from_lake",
    default=True,
    show_default=True,
    help="Also compute the features from raw data.",
)
@reports_errors
@prints_tables()
def trace(order: str, from_lake: bool) -> None:
    """From ORDER back to its decision, features, model, data and code.

    ORDER is a client order id, the venue's id, what begins one of them alone, or latest.

    Loads the very model version and scores the very features again, those of the journal and those that the raw lake
    gives as known at the decision: each time the probability must be the same float.
    """
    from pairity.layout import Layout
    from pairity_cli.book_table import show_book
    from pairity_cli.hints import write_command
    from pairity_cli.prices import Ticks
    from pairity_cli.tables import print_line
    from serving.explanation import read_book
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
    if (book := read_book(settings, traced.decision)) is not None:
        show_book(book)
        return
    again = recompute(settings, traced, traced.decision)
    _show_model(settings, traced.decision, traced.run, again)
    if from_lake and again.vector is not None and again.vector.event_timestamp is not None:
        _show_lake(settings, traced.decision, again.vector, again.recorded)


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


def _show_model(settings: Settings, record: DecisionRecord, run: Run | None, again: Recomputation) -> None:
    from pairity.timeline import format_instant
    from pairity_cli.tables import print_heading, print_line, print_table

    print_heading("Model, data, code")
    origin = again.rescored
    print_line(f"{record.model_name} version {record.model_version} ({origin.family}), sha256 {record.model_sha256}")
    print_line(
        f"MLflow run {origin.run_id}, trained up to {format_instant(origin.train_end)}, data snapshot "
        f"{origin.snapshot_id}"
    )
    for line in _describe_training(settings, origin.run_id):
        print_line(line)
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


def _describe_training(settings: Settings, run_id: str) -> list[str]:
    """Return what the model was trained on, of the run that made it; what cannot be read is said."""
    from pairity.errors import PairityError
    from pairity.layout import Layout
    from training.reports.run_origin import read_origin

    try:
        return read_origin(Layout.of(settings), run_id)
    except PairityError as error:
        return [f"its training cannot be read: {error.what}"]


def _show_lake(settings: Settings, decision: DecisionRecord, vector: FeatureVector, recorded: float | None) -> None:
    from pairity.errors import PairityError
    from pairity_cli.tables import print_heading, print_line, print_table
    from serving.lineage import recompute_from_lake

    print_heading(f"Raw data of {vector.entity}, as known at {decision.decision_time:%Y-%m-%d %H:%M:%S} UTC")
    try:
        again = recompute_from_lake(settings, decision, vector)
    except PairityError as error:
        print_line(f"not computed from the lake: {error.what}")
        return
    if again.row is None:
        print_line("NOT THE SAME: the lake gives no such row; was raw data removed?")
        return
    if again.different:
        print_line(f"NOT THE SAME: {', '.join(again.different)} of {again.compared} features")
    else:
        print_line(f"all {again.compared} features are the same, bit for bit")
    same = "the same float" if again.probability == recorded else "NOT THE SAME"
    print_line(f"probability from the raw data {again.probability!r}: {same}")
    print_line(f"the row could be known from {again.row.created:%Y-%m-%d %H:%M:%S} UTC on")
    legs = set(vector.entity.split("__"))
    own = [part for part in again.row.parts if part.instrument.partition("-")[0] in legs]
    print_table(
        ("dataset", "instrument", "month", "content"),
        [(part.dataset, part.instrument, f"{part.month:%Y-%m}", part.content[:16]) for part in own],
    )
    print_line(f"and {len(again.row.parts) - len(own):,} of other instruments; digest of all {again.row.digest[:16]}")
