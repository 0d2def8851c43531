"""`pairity`: thin commands over the stages. A command's module is imported when it is called, so help is instant."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from pairity.polars_threads import use_one_thread
from pairity.process_guard import guard_process
from pairity_cli.usage_errors import concealing

# Before any library starts its threads: those that wait should sleep. Where cores are shared, threads that spin make
# boosting ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Name → module, function, one line of help. The modules import the heavy libraries, this file none.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "paper-exchange": ("paper_exchange", "paper_exchange", "Run an OKX-compatible exchange on 127.0.0.1."),
    "ingest": ("ingest", "ingest", "Collect market data, validate it, publish features."),
    "sources": ("sources", "sources", "List where raw data can come from, and what each source needs."),
    "collect": ("sources", "collect", "Bring history from an archive, an API or a folder into the lake."),
    "universe": (
        "universe",
        "universe",
        "Build and show a universe of hundreds of instruments, as known at each date.",
    ),
    "features": ("features", "features", "Compute and publish the features of what the lake holds."),
    "data": ("data", "data", "What is stored: coverage, freshness, quarantine and size."),
    "gaps": ("data", "gaps", "Show holes in the raw data, and ask for them again."),
    "contracts": ("contracts", "contracts", "Contract specifications: show, take from a file, export."),
    "redenominate": (
        "redenominate",
        "redenominate",
        "Say that a venue counts an asset in other coins since a time, and by which factor.",
    ),
    "pairs": ("pairs", "pairs", "All pairs: legs, correlation, hedge ratio, half-life, why left out."),
    "compact": ("compact", "compact", "Fold the small files of live hours into the lake's month files."),
    "snapshot": ("snapshot", "snapshot", "States of the data with a name: save, verify, copy, prune."),
    "store": ("store", "store", "Lake and features in an object store: state, publish, fetch, prune."),
    "export": ("export", "export", "Write views as one table, or split into train, valid and test."),
    "train": ("train", "train", "Train models and books, backtest and register them; the gate decides."),
    "retrain": ("retrain", "retrain", "Train every day at a set time; the gate decides."),
    "leaderboard": ("leaderboard", "leaderboard", "Compare all families of models, walk-forward."),
    "backtest": ("backtest", "backtest", "Backtest a model, a rule or a run's scores, without training."),
    "books": ("books", "books", "Books of many names: what they earn after costs, and how sure that is."),
    "registrations": (
        "registrations",
        "registrations",
        "Books that are registered before they are looked at, and the look.",
    ),
    "report": ("report", "report", "One self-contained page about a run."),
    "models": ("models", "models", "List models, which one trades, and what the gate said."),
    "promote": ("models", "promote", "Make a version champion."),
    "rollback": ("models", "rollback", "Make the champion before this one champion again."),
    "serve": ("serve", "serve", "Run the trading process."),
    "halt": ("halt", "halt", "Let the trading process open and close nothing until resume."),
    "resume": ("halt", "resume", "Lift a halt of the trading process."),
    "guard": ("halt", "guard", "Let the trading process open nothing until unguard."),
    "unguard": ("halt", "unguard", "Lift a guard that a person asked for."),
    "close": ("halt", "close", "Close one position at market, both legs."),
    "acknowledge": ("halt", "acknowledge", "Note that you have seen an event, or all."),
    "events": ("events", "events", "What happened to the trading process, newest first."),
    "alert-test": ("events", "alert_test", "Send a trial message to every destination of alerts."),
    "logs": ("logs", "logs", "What the trading process logged."),
    "health": ("health", "health", "Whether the trading process is alive, trading, fresh."),
    "backup": ("backup", "backup", "Copy the journal, also while the trading process writes it."),
    "restore": ("backup", "restore", "Put a journal back from a backup; trading stays halted."),
    "journal": ("journal", "journal", "Bring the journal's tables forward; move it to or from PostgreSQL."),
    "settings": ("settings", "settings", "Settings that the data directory was made with, beside the present ones."),
    "doctor": ("doctor", "doctor", "What is wrong here, how sure that is, and what mends it."),
    "demo": ("demo", "demo", "From market to protected order, end to end."),
    "account": ("account", "account", "Show balance, positions, orders and fills."),
    "trades": ("trades", "trades", "Closed trades of pairs and of a book's names, and what they earned."),
    "ledger": ("ledger", "ledger", "Compare the journal's money with the venue's bills."),
    "why": ("why", "why", "Why a pair was traded at a bar, or why it was not."),
    "trace": ("trace", "trace", "From an order back to decision, features, model and data."),
    "parity": ("parity", "parity", "Prove that online features equal offline ones, bit for bit."),
    "drift": ("drift", "drift", "How far the last month lies from what the model was trained on."),
    "replay": ("replay", "replay", "Trade recorded hours over the wire, and compare with the backtest."),
    "trade-sheet": ("trade_sheet", "trade_sheet", "The daily ranking by distance from VWAP, and how it did."),
    "cross-section": ("cross_section", "cross_section", "One hour of all assets side by side, as known then."),
    "lags": ("lags", "lags", "Is the next return in the last ones? Any symbol, interval and horizon."),
    "risk-factors": ("risk_factors", "risk_factors", "Exposures to risk factors, by the minute, with a plot."),
    "lookahead": ("lookahead", "lookahead", "Prove that no feature looks ahead, column by column."),
    "quarantine": ("quarantine", "quarantine", "What was not published, and what to do about it."),
    "anomalies": ("anomalies", "anomalies", "Outages, odd mark prices and short bars in recordings."),
    "ui": ("ui", "ui", "Open the MLflow UI on 127.0.0.1."),
    "data-docs": ("data_docs", "data_docs", "Build the overview of what was judged, with Data Docs."),
}


_TYPED = "pairity.typed"


class LazyGroup(click.Group):
    """A group that lists its commands without importing them, and guards the process that it is the program of."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of click
        """Run as the program of this process: keys, files and crashes are guarded first."""
        guard_process()
        return super().__call__(*args, **kwargs)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - those of click
    ) -> click.Context:
        """Parse the group's own options; an error shows nothing that may be a secret."""
        typed = list(args)
        with concealing(typed, COMMANDS):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_TYPED] = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what the command returns
        """Run the command that was named; an error of its options shows nothing that may be a secret."""
        with concealing(ctx.meta[_TYPED], COMMANDS):
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "serve":
            use_one_thread()
        module, function, _ = COMMANDS[cmd_name]
        command = getattr(import_module(f"pairity_cli.commands.{module}"), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from pairity.toml and PAIRITY_* variables; `make demo` shows everything without credentials.",
)
@click.version_option(package_name="pairity")
@click.option(
    "--profile",
    type=click.Choice(["embedded", "cluster"]),
    help="Where the work is done: on this machine, or on the services of the settings `cluster`.",
)
def main(profile: str | None) -> None:
    """Train and trade pairs of crypto perpetual futures, with proof that live equals trained."""
    if profile is not None:  # a setting like any other, also for what this process starts
        os.environ["PAIRITY_PROFILE"] = profile
