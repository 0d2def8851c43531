"""The one summary that a demo closes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairity_cli.commands.summaries import show_ingest, show_serving, show_training
from pairity_cli.commands.tables import heading, line

if TYPE_CHECKING:
    from ingestion.report import IngestReport
    from pairity.settings import Settings
    from pairity_cli.commands.demo_exchange import DemoExchange
    from serving.loop import ServeReport
    from training.train_report import TrainReport


def show_demo(
    settings: Settings,
    exchange: DemoExchange,
    ingested: IngestReport,
    trained: TrainReport,
    served: ServeReport,
    served_s: float,
    *,
    elapsed_s: float,
) -> None:
    """Everything that happened, and where to look next."""
    from pairity_cli.commands.parity import check_parity
    from validation.checkpoint import build_docs

    docs = build_docs(settings)
    heading("pairity demo")
    line(f"market: {exchange.label}" + (" — survivors only" if exchange.recorded else " — made up, not a market"))
    show_ingest(ingested)
    show_training(trained)
    show_serving(settings, served)
    line(f"trading {served_s:.1f} s, {served_s / max(served.cycles, 1):.2f} s per decision")
    heading("Parity")
    line(check_parity(settings).summary)
    heading("Where to look next")
    home = settings.root
    line(f"models and figures   PAIRITY_HOME={home} make ui")
    line(f"what was checked     {docs}")
    line(f"from an order back   PAIRITY_HOME={home} .venv/bin/pairity trace ORDER")
    line(f"reports              {home / 'reports'}")
    line(f"all of it took {elapsed_s:.0f} s")
