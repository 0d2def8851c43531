"""`pairity trace`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import reports_errors, settings_from

if TYPE_CHECKING:
    from pairity.settings import Settings
    from serving.journal.records import Trace


@click.command()
@click.argument("order")
@reports_errors
def trace(order: str) -> None:
    """From ORDER (client order id or venue id) back to its decision, features, model, data and code.

    Loads the very model version and scores the very features again: the probability must be the same float.
    """
    from pairity.layout import Layout
    from pairity_cli.commands.tables import heading, line, table
    from serving.journal.journal import Journal

    settings = settings_from()
    journal = Journal.read(Layout.of(settings).journal)
    try:
        found = journal.trace(order)
    finally:
        journal.close()
    intent = found.intent
    heading(f"Order {intent.client_order_id}")
    line(f"{intent.purpose} {intent.side} {intent.contracts} contracts of {intent.instrument}, {intent.state}, "
         f"filled {intent.filled_contracts} at {intent.average_price}")  # fmt: skip
    table(
        ("at", "state", "the venue said"), [(f"{e.at:%Y-%m-%d %H:%M:%S}", str(e.state), e.answer) for e in found.events]
    )
    if found.decision is None:
        line("no decision: the position was adopted")
        return
    decision = found.decision
    heading("Decision")
    line(f"{decision.event_timestamp:%Y-%m-%d %H:%M} bar, decided {decision.decision_time.isoformat()}: "
         f"{decision.decision.action}: {decision.decision.reason}")  # fmt: skip
    _show_model(settings, found)


def _show_model(settings: Settings, found: Trace) -> None:
    from pairity_cli.commands.tables import heading, line, table
    from serving.models.rescoring import rescore

    decision, run = found.decision, found.run
    assert decision is not None
    entry = next((e for e in decision.decision.entries if e.position_id == found.intent.position_id), None)
    pair_id = found.intent.position_id.partition("@")[0] if entry is None else entry.pair.pair_id
    vector = next((v for v in found.vectors if v.entity == pair_id and v.service == decision.feature_service), None)
    heading("Model, data, code")
    again = rescore(settings, decision, vector)
    line(f"{decision.model_name} version {decision.model_version}, sha256 {decision.model_sha256}")
    line(f"MLflow run {again.run_id}, trained up to {again.train_end}, data snapshot {again.snapshot_id}")
    line(f"code {run.code_revision if run else 'unknown'}, settings {run.settings_digest[:16] if run else 'unknown'}…")
    if vector is None:
        line(f"no features of {pair_id} in the journal")
        return
    scored = next((s.probability for s in decision.decision.scores if s.pair.pair_id == pair_id), None)
    same = "the same float" if scored == again.probability else "NOT THE SAME"
    line(f"probability in the journal {scored!r}, computed again {again.probability!r}: {same}")
    heading(f"Features of {pair_id}, event time {vector.event_timestamp}")
    table(("feature", "value"), [(name, repr(value)) for name, value in vector.values.items()])
