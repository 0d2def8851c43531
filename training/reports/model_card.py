"""The model card: what a registered model is, what it learnt from, how it did, and what it must not be used for.

Sections after Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from model_registry.descriptions import ROOM
from pairity.measures import make_rows
from pairity.number_formats import format_count, format_money, format_number, format_plain
from pairity.settings import Settings
from training.data.splits import Split
from training.data.training_sets import TrainingSet

_SHOWN = (
    "net_return",
    "gross_return",
    "sharpe",
    "sharpe_low",
    "sharpe_high",
    "max_drawdown",
    "trades",
    "win_rate",
    "break_even_cost_bps",
)


def render_model_card(
    settings: Settings,
    training_set: TrainingSet,
    split: Split,
    metrics: Mapping[str, float | None],
    tags: Mapping[str, str],
    names: Mapping[str, str],
    details: str,
) -> str:
    """Return the card as Markdown.

    `metrics`: as logged with the run; `names`: what each contender is, `details`: what was fitted, in words.
    """
    label, strategy = settings.label, settings.strategy
    first, last = (str(at)[:16] for at in (split.train["t0"].min(), split.train_end))
    tested = f"{split.test_start:%Y-%m-%d} to {str(split.test['t0'].max())[:10]}"
    lines = [
        f"# {settings.model.name}, tested from {split.test_start:%Y-%m-%d}",
        "",
        "**What it is.** " + details,
        "",
        f"**What it says.** The probability that the spread of a pair comes back: label `{label.kind}`, "
        f"|z| above {format_plain(label.z_entry)}, within {label.horizon_bars} bars. Known "
        f"{label.horizon_bars} hours later at most; rows whose labels reach into the test are purged.",
        "",
        f"**What it learnt from.** {format_count(split.train.height, 'row')} of "
        f"{format_count(split.train['pair_id'].n_unique(), 'pair')}, "
        f"{first} to {last} UTC, "
        f"{int(split.train['label'].sum()):,} of them positive; feature service `{training_set.service.name}` "
        f"({format_count(len(training_set.service.features), 'feature')}), snapshot `{tags['snapshot_id'][:16]}`, "
        "training set "
        f"`{tags['training_digest'][:16]}`, code `{tags['code_revision'][:12]}`"
        + (" with local changes." if tags["code_dirty"] == "true" else "."),
        "",
        f"**How it did.** {format_count(split.test.height, 'row')} from {tested} that it has not seen. Traded "
        "with fees of "
        f"{format_plain(settings.costs.taker_fee_bps)} bps, slippage of "
        f"{format_plain(settings.costs.slippage_bps)} bps and funding:",
        "",
        *render_table(metrics, names, _find_tested_span(split)),
        "",
        f"Area under the ROC curve on candidates: {_format_number(metrics.get('test_candidates_roc_auc'))} "
        f"(0.5 is a coin flip); on all rows {_format_number(metrics.get('test_roc_auc'))}, which flatters: below the "
        "entry level the label is 0 by definition.",
        "",
        "**What it is for.** Ranking pairs of the universe "
        f"({', '.join(settings.universe.traded)}) once an hour on the venue whose data it learnt from, through this "
        f"project's own strategy ({strategy.legs} leg{'s' if strategy.legs == 'both' else ''}, one position of at most "
        f"{_describe_size(strategy.max_position_usdt)} at leverage {strategy.leverage}). "
        "Demo trading, until the gate has passed it.",
        "",
        "**What it is not for.** Other assets (refused), other venues, other bar sizes; advice to anybody. The "
        "universe holds what is alive today: results on it flatter. Fills in a backtest take no part of the market's "
        "depth.",
    ]
    return "\n".join(lines) + "\n"


def render_table(metrics: Mapping[str, float | None], names: Mapping[str, str], span: timedelta) -> list[str]:
    """Return the measures by contender as people of the field write them; nothing is annualised from a short span."""
    measured = [{name: metrics.get(f"{key}_{name}") for name in _SHOWN} for key in names]
    rows = [_join_cells([title.strip(), *values]) for title, *values in make_rows(measured, span, _SHOWN)]
    return [_join_cells(["", *names.values()]), "| --- |" + " ---: |" * len(names), *rows]


def _join_cells(cells: Sequence[str]) -> str:
    """Return a line of a table; MLflow's pages put no room between columns by themselves."""
    return f"| {f'{ROOM} | '.join(cells)} |"


def _find_tested_span(split: Split) -> timedelta:
    last = split.test["t0"].max()
    return last - split.test_start if isinstance(last, datetime) else timedelta()


def _format_number(value: float | None) -> str:
    return format_number(value)


def _describe_size(most_usdt: float) -> str:
    return f"{format_money(2 * most_usdt)} USDT" if most_usdt > 0 else "all that is available"
