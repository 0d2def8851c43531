"""`pairity replay`: the trading process on recorded data, and its trades beside the backtest's."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.references import MODEL_VERSION, find_version_number
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity_cli.replay.plan import Features

_BALANCE, _BOOK_BALANCE, _HISTORY_DAYS = 10_000, 100_000, 60
_DIFFERS = 1


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of recorded Parquet.")
@click.option("--from", "since", metavar="INSTANT", required=True, help="Close of the first bar (ISO, UTC).")
@click.option("--to", "until", metavar="INSTANT", required=True, help="Close of the last bar.")
@click.option(
    "--features",
    type=click.Choice(["store", "live"]),
    default="store",
    show_default=True,
    help="store: computed once, read as known at the clock; live: hour by hour through the whole pipeline.",
)
@click.option(
    "--model",
    type=MODEL_VERSION,
    metavar="VERSION",
    help="A registered version, of a model or a book; by default the champion.",
)
@click.option("--rule", type=Name(IDENTIFIER), help="A rule instead: always_revert or zero_forecast.")
@click.option(
    "--book",
    type=Name(IDENTIFIER),
    metavar="FAMILY",
    help="Trade this family of books, such as trend_carry_book, in place of pairs (default: strategy.book).",
)
@click.option(
    "--retrain-every",
    "retrain_days",
    type=click.IntRange(1, 1000),
    metavar="DAYS",
    help="Train before the first decision and then every so many days; the gate decides who is champion.",
)
@click.option(
    "--promote-refused",
    is_flag=True,
    help="Promote each of these although the gate refuses it, as `pairity promote --force` does.",
)
@click.option(
    "--history",
    "history_days",
    type=click.IntRange(0, 3650),
    metavar="DAYS",
    help=f"Days before the first decision to learn from (default: {_HISTORY_DAYS} with --retrain-every).",
)
@click.option("--legs", type=click.Choice(["base", "both"]), help="The setting strategy.legs.")
@click.option("--positions", type=click.IntRange(1, 50), help="The setting strategy.max_concurrent_positions.")
@click.option(
    "--balance",
    type=click.IntRange(100, 10**9),
    help=f"USDT in the account (default: {_BALANCE}; of a book {_BOOK_BALANCE}).",
)
@click.option("--home", type=click.Path(path_type=Path), help="Data directory (default: PAIRITY_HOME/replay).")
@click.option("--again", is_flag=True, help="Use the features that an earlier replay of the same hours left there.")
@click.option(
    "--faults",
    "script",
    type=click.Path(path_type=Path),
    help="Script of faults and venue events while trading, TOML or JSON, as paper-exchange takes it.",
)
@click.option(
    "--restart",
    "restarts",
    multiple=True,
    metavar="INSTANT",
    help="Kill the trading process then, and start it again on the same journal; may be repeated.",
)
@click.option(
    "--recheck",
    "rechecks",
    multiple=True,
    metavar="INSTANT",
    help="Collect everything once more then, between two processes (with --features live); may be repeated.",
)
@reports_errors
@prints_tables()
def replay(
    data: Path,
    since: str,
    until: str,
    features: str,
    model: str | None,
    rule: str | None,
    book: str | None,
    retrain_days: int | None,
    promote_refused: bool,
    history_days: int | None,
    legs: str | None,
    positions: int | None,
    balance: int | None,
    home: Path | None,
    again: bool,
    script: Path | None,
    restarts: tuple[str, ...],
    rechecks: tuple[str, ...],
) -> None:
    """Trade recorded hours through the real trading process and a paper exchange, and compare with the backtest.

    Limits of risk are lifted, fees and fills are the exchange's. Exit code 1 where a difference has no explanation.
    """
    from pairity.errors import ConfigError, TimeRangeError
    from pairity.timeline import MINUTE, parse_instant
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.replay.models import find_book
    from pairity_cli.replay.plan import ReplayPlan
    from pairity_cli.replay.run import run_replay
    from pairity_cli.replay.summary import show_replay
    from venue.clock import SystemClock

    if not data.is_dir():
        raise ConfigError(f"no folder {str(data)!r}", "give --data a folder of recorded Parquet files (docs/guide.md)")
    if model is not None and rule is not None:
        raise ConfigError("both --model and --rule are given", "give one: they are different scores")
    changed: dict[str, Any] = {"legs": legs, "max_concurrent_positions": positions}
    settings = settings_from(strategy={name: value for name, value in changed.items() if value is not None})
    book = book or settings.strategy.book
    version = settings.serve.model_alias if model is None else find_version_number(settings, model)
    found = None if model is None else find_book(settings, version, book)
    book = found or book
    if book is not None and (rule, retrain_days, legs, positions) != (None,) * 4:
        raise ConfigError(
            f"the book {book} is given with --rule, --retrain-every, --legs or --positions",
            "leave these out; or leave out --book and the setting strategy.book for pairs",
        )
    now = SystemClock().now()
    first, last = ReplayPlan.whole_hours(
        parse_instant(since, now=now, name="--from"), parse_instant(until, now=now, name="--to")
    )
    if first >= last:
        raise TimeRangeError(f"--from {since} is not before --to {until}", "give a range of at least two whole hours")
    if retrain_days is not None and (model is not None or rule is not None or features == "live"):
        raise ConfigError(
            "--retrain-every is given with --model, --rule or --features live",
            "leave the others out: models are trained on features that are computed once",
        )
    if promote_refused and retrain_days is None:
        raise ConfigError("--promote-refused is given without --retrain-every", "add it: nothing is promoted otherwise")
    if again and features == "live":
        raise ConfigError("--again is given with --features live", "leave out one of the two: live computes them anew")
    plan = ReplayPlan(
        data=data,
        since=first,
        until=last,
        home=(home or settings.root / "replay").absolute(),
        features=cast("Features", features),
        model=version,
        rule=rule,
        book=book,
        by_version=found is not None,
        interval=settings.serve.interval_minutes * MINUTE,
        balance=Decimal(balance or (_BALANCE if book is None else _BOOK_BALANCE)),
        again=again,
        retrain_days=retrain_days,
        promotes_refused=promote_refused,
        script=script,
        restarts=tuple(sorted(parse_instant(one, now=now, name="--restart") for one in restarts)),
        rechecks=tuple(sorted(parse_instant(one, now=now, name="--recheck") for one in rechecks)),
        history_days=history_days or (0 if retrain_days is None else _HISTORY_DAYS),
    )
    with ConsoleProgress() as progress:
        report = run_replay(settings, plan, progress)
    show_replay(report)
    if report.beside.comparison.unexplained:
        sys.exit(_DIFFERS)
