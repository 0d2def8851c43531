"""The card of a registered book: what it is, how it did, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from model_registry.combined_fits import CombinedFit
from model_registry.outcome_fits import OutcomeFit
from model_registry.stored_books import StoredBook
from pairity.number_formats import format_number, format_plain
from training.reports.model_card import render_table


def render_book_card(
    book: StoredBook,
    metrics: Mapping[str, float | None],
    tags: Mapping[str, str],
    names: Mapping[str, str],
    hours: tuple[datetime, datetime],
) -> str:
    """Return the card as Markdown.

    `metrics`: as logged with the run; `names`: what each contender is; `hours`: first and last close of the test.
    """
    family, first, last = book.family, *hours
    limits = str(book.limits) or "none"
    registered = "never registered before a look" if book.registration is None else f"registered as {book.registration}"
    lines = [
        f"# {family.name}, tested from {first:%Y-%m-%d}",
        "",
        f"**What it is.** A book: {family.description}. Of {len(book.universe)} names of {book.venue} the "
        f"{family.size} most traded, long against short, weighed by risk and netted; decided every "
        f"{family.every_hours} hours from 00:00 UTC, traded where a weight is off by {format_plain(family.band)}. "
        f"Limits: {limits}. {describe_fit(book)}; {registered}.",
        "",
        f"**What it was judged on.** Market `{tags['training_digest'][:16]}`, snapshot `{tags['snapshot_id'][:16]}`, "
        f"code of books `{book.code[:16]}`, code `{tags['code_revision'][:12]}`"
        + (" with local changes." if tags["code_dirty"] == "true" else "."),
        "",
        f"**How it did.** From {first:%Y-%m-%d} to {last:%Y-%m-%d}, with {format_plain(book.costs['fee_bps'])} bps of "
        f"fees, {format_plain(book.costs['slippage_bps'])} bps of slippage, the impact of its size and funding, on "
        f"{book.costs['initial_equity_usdt']:,.0f} USDT:",
        "",
        *render_table(metrics, names, last - first),
        "",
        f"Years until its Sharpe ratio would be told from 0: {format_number(metrics.get('model_years_needed'))}; net "
        f"return at twice the costs {_format_share(metrics.get('costs_2_net_return'))}, at three times "
        f"{_format_share(metrics.get('costs_3_net_return'))}.",
        "",
        "**What it is not for.** Other names (refused), other venues; advice to anybody. The universe holds what is "
        "alive today: results on it flatter. Demo trading, until the gate has passed it.",
    ]
    return "\n".join(lines) + "\n"


def describe_fit(book: StoredBook) -> str:
    """Return in words what the version learnt, and when."""
    fit = book.fit
    if fit is None:
        return "Nothing is fitted"
    if isinstance(fit, CombinedFit):
        own = {name: one.fit for name, one in fit.members.items()}
        idle = sorted(name for name, one in own.items() if isinstance(one, OutcomeFit) and one.margin is None)
        said = f"; nothing paid in the folds of {', '.join(idle)}, of which nothing is wanted" if idle else ""
        return (
            f"{sum(one is not None for one in own.values())} of its {len(own)} books learn; their models were fitted "
            f"at {fit.made_at:%Y-%m-%d %H:%M} UTC and do not change{said}; what is shown here was traded walk-forward, "
            "with models made anew on the way"
        )
    walked = "what is shown here was traded walk-forward, with models made anew on the way"
    if isinstance(fit, OutcomeFit) and fit.margin is None:
        return f"Fitted at {fit.made_at:%Y-%m-%d %H:%M} UTC: nothing paid in its folds, and it trades nothing; {walked}"
    spans = ", ".join(str(one) for one in fit.models)
    return (
        f"Its models of {spans} {'hours' if isinstance(fit, OutcomeFit) else 'days'} were fitted at "
        f"{fit.made_at:%Y-%m-%d %H:%M} UTC and do not change; {walked}"
    )


def _format_share(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.2%}"
