"""`pairity serve`."""

from __future__ import annotations

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import CONTROL_URL, EXCHANGE_URL, reports_errors, run_async, say_pair_cost, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables


@click.command()
@click.option("--cycles", type=click.IntRange(1), help="End after this many decisions (default: never).")
@click.option("--live", is_flag=True, help="Trade real money; PAIRITY_LIVE_TRADING must say so too.")
@click.option(
    "--model-version",
    type=click.IntRange(1),
    metavar="N",
    help="Open positions only while version N is champion. Real money needs this, or pairity models confirm N once.",
)
@click.option(
    "--book",
    type=Name(IDENTIFIER),
    metavar="FAMILY",
    help="Trade this family of books, such as trend_carry_book, whatever is champion; never with real money "
    "(default: strategy.book, else the champion, a model of pairs or a book).",
)
@click.option(
    "--max-position",
    type=float,
    metavar="USDT",
    help="Base of a position's notional, up to twice as much at a high score; -1: all that is available "
    "(default: strategy.max_position_usdt). The most is limits.position_usdt.",
)
@click.option("--leverage", type=int, help="Leverage of entries (default: strategy.leverage).")
@click.option("--interval", type=int, metavar="MINUTES", help="Minutes per bar (default: serve.interval_minutes).")
@EXCHANGE_URL
@CONTROL_URL
@reports_errors
@prints_tables()
def serve(
    cycles: int | None,
    live: bool,
    model_version: int | None,
    book: str | None,
    max_position: float | None,
    leverage: int | None,
    interval: int | None,
    exchange_url: str | None,
    control_url: str | None,
) -> None:
    """Run the trading process: one decision per closed bar, demo trading unless both live switches are set.

    Ctrl-C or SIGTERM finishes the running cycle and leaves positions with their stops on the venue.
    """
    from serving.shutdown import end_on_signal

    end_on_signal()  # before what takes seconds to load

    from pairity_cli.console import ConsoleProgress
    from pairity_cli.summaries import show_serving
    from serving.process import serve as run_process
    from training.books.present import measure_book

    strategy = {"max_position_usdt": max_position, "leverage": leverage, "book": book}
    settings = settings_from(
        exchange_url,
        control_url,
        strategy={name: value for name, value in strategy.items() if value is not None},
        serve={} if interval is None else {"interval_minutes": interval},
    )
    say_pair_cost(settings)
    with ConsoleProgress() as progress:
        report = run_async(
            run_process(
                settings,
                live=live,
                cycles=cycles,
                progress=progress,
                measure_book=measure_book,
                model_version=None if model_version is None else str(model_version),
                on_ready=lambda url: progress.say(f"status: {url}/status"),
            )
        )
    show_serving(settings, report)
