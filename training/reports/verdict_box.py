"""What stands on top of the page: the gate's verdict, what the statistics say of each line, and how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pairity.measures import MEASURES, explain_span, format_measure
from pairity.number_formats import NOTHING, format_fixed
from pairity.timeline import HOUR
from training.evaluation.verdicts import Finding, describe_findings, judge_sharpe
from training.reports.contents import ContenderLine, RunContents

OVERFITTING = ("probability_of_overfitting", "grid_probability_of_overfitting")
_COLUMNS = ("net_return", "sharpe", "deflated_sharpe", "max_drawdown", "trades", "turnover", "break_even_cost_bps")
_HOLDING = "btc"


@dataclass(frozen=True, slots=True)
class VerdictBox:
    """The verdict in words. `level`: `good`, `bad` or `warn`. `said`: which lines are above zero, and which are not."""

    level: str
    said: tuple[str, ...]
    lines: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def clean_metrics(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return metrics as they were measured: MLflow keeps as NaN what was None."""
    return {name: None if value is None or math.isnan(value) else value for name, value in metrics.items()}


def measure_span(line: ContenderLine) -> timedelta:
    """Return how long a line was traded: its hours."""
    return line.equity.height * HOUR


def make_verdict(run: RunContents) -> VerdictBox:
    """Return what the run shows: no line is better than its interval, and no count of trials is left out."""
    metrics = {line.key: clean_metrics(line.metrics) for line in run.lines}
    findings = {line.key: judge_sharpe(metrics[line.key], measure_span(line)) for line in run.lines}
    said = tuple(describe_findings({line.label: findings[line.key] for line in run.lines if line.key != _HOLDING}))
    level = "warn"
    if run.gate is not None:
        level = "good" if run.gate.passed else "bad"
    spans = [measure_span(line) for line in run.lines]
    too_short = explain_span(max(spans, default=timedelta(0)))
    lines = [*_describe_overfitting(run), _describe_trials(run), *([f"{_capitalise(too_short)}."] if too_short else [])]
    columns = ("line", "says", *(MEASURES[key].title for key in _COLUMNS[:2]), "Sharpe, 95% interval")
    columns += tuple(MEASURES[key].title for key in _COLUMNS[2:])
    rows = [_make_row(line, metrics[line.key], findings[line.key]) for line in run.lines]
    return VerdictBox(level, said, tuple(lines), columns, tuple(rows))


def read_count(run: RunContents, name: str) -> float | None:
    """Return a number that is stored with the run, among its metrics or, in earlier releases, its parameters."""
    value = run.metrics.get(name)
    if value is None and name in run.params:
        try:
            value = float(run.params[name])
        except ValueError:
            return None
    return None if value is None or not math.isfinite(value) else value


def _make_row(line: ContenderLine, metrics: Mapping[str, float | None], finding: Finding) -> tuple[str, ...]:
    span = measure_span(line)
    cells = [str(format_measure(key, metrics, span)) for key in _COLUMNS]
    return (line.label, finding.value, *cells[:2], format_interval(metrics, span), *cells[2:])


def format_interval(metrics: Mapping[str, float | None], span: timedelta) -> str:
    """Return the 95% interval of a Sharpe ratio, a dash where there is none or the span cannot carry it."""
    low, high = (str(format_measure(key, metrics, span)) for key in ("sharpe_low", "sharpe_high"))
    return NOTHING if NOTHING in (low, high) else f"{low} to {high}"


def _describe_overfitting(run: RunContents) -> Sequence[str]:
    found = next((value for name in OVERFITTING if (value := read_count(run, name)) is not None), None)
    if found is None:
        return ["Probability of backtest overfitting: not known, there was no choice among enough trials or hours."]
    return [
        f"Probability of backtest overfitting: {found:.0%}. In that share of the splits the best by net return in one "
        "half of the hours is not above the median in the other; it says nothing of earning."
    ]


def _describe_trials(run: RunContents) -> str:
    trials, effective = read_count(run, "trials"), read_count(run, "effective_trials")
    if trials is None or effective is None:
        return "Trials: not stored with this run."
    return f"Trials counted: {trials:,.0f}, worth {format_fixed(effective, 1)} independent ones."


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
