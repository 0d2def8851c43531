"""Summary that a demo closes with."""

from __future__ import annotations

from pairity_cli.demo.run import DemoReport
from pairity_cli.hints import write_command
from pairity_cli.summaries import show_hour_costs, show_ingest, show_serving, show_training
from pairity_cli.tables import print_heading, print_line
from serving.parity import check_parity
from training.books.present import measure_book
from validation.checkpoint import build_docs


def show_demo(report: DemoReport, *, elapsed_s: float) -> None:
    """Print everything that happened, the proof of parity, and where to look next."""
    settings, exchange, served = report.settings, report.exchange, report.served
    docs = build_docs(settings)
    print_heading("pairity demo")
    print_line(f"market: {exchange.label}" + (" — survivors only" if exchange.recorded else " — made up, not a market"))
    show_ingest(report.ingested)
    show_training(report.trained)
    show_serving(settings, served)
    print_line(f"trading {report.served_s:.1f} s, {report.served_s / max(served.cycles, 1):.2f} s per decision")
    show_hour_costs(served)
    print_heading("Parity")
    print_line(check_parity(settings, measure=measure_book).summary)
    print_heading("Where to look next")
    home = settings.root
    print_line(f"models and figures   {write_command(settings, 'ui')}")
    print_line(f"what was checked     {docs}")
    print_line(f"from an order back   {write_command(settings, 'trace', 'latest')}")
    print_line(f"reports              {home / 'reports'}")
    print_line(f"all of it took {elapsed_s:.0f} s")
