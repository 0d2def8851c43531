"""`pairity trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.references import ORDER
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity.settings import Settings
    from pairity_cli.prices import Ticks
    from serving.journal import DecisionRecord, Trace
    from serving.lineage import Recomputation
    from serving.order_chain import OrderChain


@click.command()
@click.argument("order", type=ORDER)
@click.option(
    "--lake/--no-lake",
    "from_lake",
    default=True,
    show_default=True,
    help="Also compute the features from raw data.",
)
@click.option("--chain", "as_chain", is_flag=True, help="The whole chain as JSON, as the page /why/ORDER reads it.")
@reports_errors
@prints_tables()
def trace(order: str, from_lake: bool, as_chain: bool) -> None:
    """From ORDER back to its decision, features, model, data and code.

    ORDER is a client order id, the venue's id, what begins one of them alone, or latest.

    Loads the very model version and scores the very features again, those of the journal and those that the raw lake
    gives as known at the decision: each time the probability, or the weight of a book, must be the same float. The
    trading process shows the same as a page: /why/ORDER.
    """
    show_chain(order, from_lake=from_lake, as_chain=as_chain)


def show_chain(order: str, *, from_lake: bool = True, as_chain: bool = False) -> None:
    """Print the chain behind an order: in words and tables, or as JSON."""
    from pairity.layout import Layout
    from pairity_cli.book_table import show_book, show_volatility, show_weight
    from pairity_cli.prices import Ticks
    from serving.order_chain import walk_chain
    from training.books.present import measure_book

    settings = settings_from()
    chain = walk_chain(settings, order, from_lake=from_lake, measure=measure_book)
    if as_chain:
        from serving.views.order_chain import view_chain

        echo(view_chain(chain).model_dump_json(indent=1))
        return
    _show_order(chain.trace, Ticks.read(Layout.of(settings)))
    if chain.trace.decision is None:
        _show_entry(settings, chain.entry)
        return
    _show_decision(chain.trace.decision)
    if chain.book is not None:
        show_book(chain.book)
    if chain.again is not None:
        _show_model(chain, chain.trace.decision, chain.again)
        _show_features(chain, chain.again)
        _show_lake(chain, chain.trace.decision, chain.again.pair_id)
    if chain.weight is not None:
        _show_code(chain.trace)
        show_weight(chain.weight, chain.known)
        if chain.volatility is not None:
            show_volatility(chain.volatility)
        _show_lake(chain, chain.trace.decision, chain.weight.name)


def _show_entry(settings: Settings, entry: str | None) -> None:
    from pairity_cli.hints import write_command
    from pairity_cli.tables import print_line

    print_line(
        "no decision: the position was adopted"
        if entry is None
        else "no decision of its own; the one that opened its position: " + write_command(settings, "trace", entry)
    )


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
        f"bar of {record.event_timestamp:%Y-%m-%d %H:%M} UTC, decided {record.decision_time:%Y-%m-%d %H:%M:%S} UTC: "
        f"{record.decision.action}: {record.decision.reason}"
    )


def _show_model(chain: OrderChain, record: DecisionRecord, again: Recomputation) -> None:
    from pairity.timeline import format_instant
    from pairity_cli.tables import print_heading, print_line

    print_heading("Model, data, code")
    origin = again.rescored
    print_line(f"{record.model_name} version {record.model_version} ({origin.family}), sha256 {record.model_sha256}")
    print_line(
        f"MLflow run {origin.run_id}, trained up to {format_instant(origin.train_end)}, data snapshot "
        f"{origin.snapshot_id}"
    )
    for line in chain.origin:
        print_line(line)
    _show_code(chain.trace)


def _show_code(traced: Trace) -> None:
    from pairity_cli.tables import print_line

    run = traced.run
    code, digest = (run.code_revision, run.settings_digest[:16]) if run else ("unknown", "unknown")
    print_line(f"code {code}, settings {digest}…")


def _show_features(chain: OrderChain, again: Recomputation) -> None:
    from pairity.timeline import format_instant
    from pairity_cli.exact_values import write_exactly
    from pairity_cli.tables import print_heading, print_line, print_table

    if again.vector is None:
        print_line(f"no features of {again.pair_id} in the journal")
        return
    same = "the same float" if again.is_same else "NOT THE SAME"
    print_line(f"probability in the journal {again.recorded!r}, computed again {again.rescored.probability!r}: {same}")
    print_heading(
        f"Features of {again.pair_id}, event time {format_instant(again.vector.event_timestamp or 'unknown')}"
    )
    known = chain.known.get((again.vector.service, again.vector.entity))
    if known is not None:
        print_line(f"known here since {known:%Y-%m-%d %H:%M:%S} UTC")
    print_table(("feature", "value"), [(name, write_exactly(value)) for name, value in again.vector.values.items()])


def _show_lake(chain: OrderChain, decision: DecisionRecord, name: str) -> None:
    from pairity_cli.tables import print_heading, print_line, print_table
    from serving.views.order_chain import view_chain

    if chain.lake is None and chain.lake_fault is None:
        return
    print_heading(f"Raw data of {name}, as known at {decision.decision_time:%Y-%m-%d %H:%M:%S} UTC")
    if chain.lake_fault is not None:
        print_line(f"not computed from the lake: {chain.lake_fault}")
        return
    shown = view_chain(chain)
    raw, score = shown.raw, shown.score
    if raw is None or score is None or raw.known_from is None:
        print_line("NOT THE SAME: the lake gives no such row; was raw data removed?")
        return
    if raw.different:
        print_line(f"NOT THE SAME: {', '.join(raw.different)} of {raw.compared} features")
    else:
        print_line(f"all {raw.compared} features are the same, bit for bit")
    print_line(
        f"{score.kind} from the raw data {score.from_lake!r}: "
        f"{'the same float' if score.same_from_lake else 'NOT THE SAME'}"
    )
    print_line(f"the row could be known from {raw.known_from:%Y-%m-%d %H:%M:%S} UTC on")
    print_table(
        ("dataset", "instrument", "month", "content"),
        [(part.dataset, part.instrument, part.month, part.content[:16]) for part in raw.parts],
    )
    print_line(f"and {raw.others:,} of other instruments; digest of all {(raw.digest or '')[:16]}")
