"""`make bench-serve`: what one live hour costs, how often what is expensive is done, and whether either grows.

For universes of several sizes a real trading process trades two legs and three positions at once, hour by hour, against
a paper exchange of its own, a separate process whose clock is stepped. Between decisions the watch looks. Then the same
with more and more history behind it. Medians and tails are over decisions. Processor seconds are those of the trading
process, all of its threads; the exchange's do not count.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from benchmarks.conditions import describe_machine
from benchmarks.figures import note_figure
from benchmarks.isolated_process import call_in_process
from benchmarks.serving_measured import Measured
from benchmarks.serving_meters import ALL, COUNTS, OTHER
from benchmarks.serving_path import report_growth, report_path
from benchmarks.serving_run import WARM_UP
from benchmarks.serving_scene import SEED, Scene, list_exchange_options
from pairity.polars_threads import ONE_THREAD
from pairity_cli.demo.exchange import running_exchange

ORDER = (
    "reconcile",
    "connect",
    "collect",
    "validate",
    "open feature store",
    "compute",
    "judge",
    "publish",
    "online write",
    "features",
    "read",
    "score",
    "decide",
    "journal",
    "carry out",
    OTHER,
    ALL,
)
"""Steps in the order of the hour; `features` is what that stage takes beside the steps inside of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: hours per number of assets, and months of history for the smallest universe."""

    hours: Mapping[int, int]
    months: Sequence[int]
    flat_hours: int


FULL = Plan({10: 24, 25: 8, 50: 6, 100: 6}, (1, 12, 36), 8)
SMALL = Plan({2: 2, 4: 2}, (1, 3), 2)


def measure_all(small: bool) -> str:
    """Measure everything and return the report in Markdown."""
    plan = SMALL if small else FULL
    sizes = [measure_process(f"{assets} assets", assets, hours, months=0) for assets, hours in plan.hours.items()]
    flat = _measure_months(plan)
    if not small:
        _note_sizes(sizes)
        _note_months(flat)
    parts = [*_report_sizes(sizes), *_report_flatness(flat), *_report_durations([*sizes, *flat])]
    return "\n".join([describe_machine(), "", *parts]) + "\n"


def measure_history(small: bool) -> str:
    """Measure the smallest universe with more and more history alone, and return that part of the report."""
    flat = _measure_months(SMALL if small else FULL)
    if not small:
        _note_months(flat)
    return "\n".join([describe_machine(), "", *_report_flatness(flat), *_report_durations(flat)]) + "\n"


def _note_sizes(sizes: Sequence[Measured]) -> None:
    medians = [statistics.median(run.list_seconds(ALL, 0)) for run in sizes]
    said = ", ".join(f"{median:.2f} s with {run.pairs:,} pairs" for median, run in zip(medians, sizes, strict=True))
    note_figure("hour_100", said, met=medians[-1] <= 2.5)


def _note_months(flat: Sequence[Measured]) -> None:
    medians = [statistics.median(run.list_seconds(ALL, 0)) for run in flat]
    said = ", ".join(f"{median:.2f} s with {run.title}" for median, run in zip(medians, flat, strict=True))
    note_figure("history", said, met=medians[-1] <= 1.1 * medians[0])


def _measure_months(plan: Plan) -> list[Measured]:
    return [
        measure_process(f"{months} month{'s' * (months > 1)}", min(plan.hours), plan.flat_hours, months=months)
        for months in plan.months
    ]


def measure_process(title: str, assets: int, hours: int, months: int) -> Measured:
    print(f"a trading process with {title} …", file=sys.stderr, flush=True)
    begun = time.perf_counter()
    with make_scene(assets) as scene:
        call_in_process("benchmarks.serving_scene", "prepare", (scene.to_json(),))
        partitions = call_in_process("benchmarks.serving_history", "extend", (scene.to_json(), months)) if months else 0
        prepared = time.perf_counter()
        # As `pairity serve` does, before Polars is imported.
        raw = call_in_process("benchmarks.serving_run", "measure", (scene.to_json(), hours), variables=ONE_THREAD)
    measured = Measured(
        title=title,
        assets=assets,
        decisions=raw["decisions"][WARM_UP:],
        first_cpu_s=raw["decisions"][0]["steps"][ALL][0],
        peer=raw["peer"],
        peak_mb=raw["peak_mb"],
        missing=raw["missing"],
        results=raw["results"],
        looks=raw["looks"],
        prepared_s=prepared - begun,
        traded_s=time.perf_counter() - prepared,
        partitions=partitions,
    )
    median = statistics.median(measured.list_seconds(ALL, 0))
    print(f"  {median:.3f} s of processor per decision; actions {raw['actions']}", file=sys.stderr, flush=True)
    return measured


@contextmanager
def make_scene(assets: int) -> Iterator[Scene]:
    """A paper exchange in a process of its own, and the empty data directory beside it."""
    with tempfile.TemporaryDirectory() as folder:
        log, options = Path(folder) / "exchange.log", list_exchange_options(assets)
        with running_exchange("synthetic", None, SEED, log, options) as exchange:
            yield Scene.of(Path(folder) / "home", exchange)


def _report_sizes(sizes: Sequence[Measured]) -> list[str]:
    return [
        "## One decision",
        "",
        "Milliseconds per decision. The peer is Feast's own `get_online_features` of the rows that one decision reads.",
        "",
        *_table_totals(sizes, "assets", lambda run: f"{run.assets} ({run.pairs:,} pairs)"),
        "",
        *report_growth(sizes),
        *report_path(sizes),
        "## Steps",
        "",
        "Milliseconds per decision: median / p95 / p99. A step's time does not hold that of the steps inside of it.",
        "",
        *_table_steps(sizes),
        "",
        "## Counts",
        "",
        "Per decision: median, and in brackets the least and the most where they differ.",
        "",
        *_table_counts(sizes),
        "",
        "## Results",
        "",
        "Digests of everything that a run leaves behind: a change that only makes it faster leaves them as they are.",
        "",
        *_table_results(sizes),
        "",
        *[f"- not measured, because it is not there: `{name}`" for name in sizes[0].missing],
    ]


def _report_flatness(runs: Sequence[Measured]) -> list[str]:
    return [
        "## History behind a decision",
        "",
        f"The same decision for {runs[0].assets} assets with more months of lake, features and journal behind it.",
        "",
        *_table_totals(runs, "history", lambda run: f"{run.title} ({run.partitions:,} partitions)"),
        "",
        *_table_counts(runs),
    ]


def _report_durations(runs: Sequence[Measured]) -> list[str]:
    most = max(runs, key=lambda run: run.prepared_s + run.traded_s)
    lines = ["", "## What the benchmark itself took", "", "Seconds of the wall's clock.", ""]
    lines += ["| run | market, history and model | decisions, watch and digests |", "| --- | ---: | ---: |"]
    lines += [f"| {run.title} | {run.prepared_s:,.0f} | {run.traded_s:,.0f} |" for run in runs]
    total = sum(run.prepared_s + run.traded_s for run in runs)
    return [*lines, "", f"{total:,.0f} s together; most of it for {most.title}."]


def _table_totals(runs: Sequence[Measured], title: str, name: Callable[[Measured], str]) -> list[str]:
    lines = [
        f"| {title} | decisions | processor: median | p95 | p99 | wall: median | p95 | p99 | first | "
        "Feast's read, processor | wall | peak memory, MB |",
        "| --- |" + " ---: |" * 11,
    ]
    for run in runs:
        cells = [_ms(value) for clock in (0, 1) for value in summarise(run.list_seconds(ALL, clock))]
        peer = [_ms(statistics.median(item[clock] for item in run.peer)) for clock in (0, 1)]
        cells = [str(len(run.decisions)), *cells, _ms(run.first_cpu_s), *peer, f"{run.peak_mb:,.0f}"]
        lines.append(f"| {name(run)} | {' | '.join(cells)} |")
    return [*lines, "", "`first` is the processor's time of the first decision after a start, which catches up."]


def _table_steps(runs: Sequence[Measured]) -> list[str]:
    heads = [f"{run.title}, {clock}" for run in runs for clock in ("processor", "wall")]
    lines = [f"| step | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    known = {step for run in runs for decision in run.decisions for step in decision["steps"]}
    for step in [*(step for step in ORDER if step in known), *sorted(known - set(ORDER))]:
        cells = [" / ".join(map(_ms, summarise(run.list_seconds(step, clock)))) for run in runs for clock in (0, 1)]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return lines


def _table_counts(runs: Sequence[Measured]) -> list[str]:
    lines = [
        f"| count | {' | '.join(run.title for run in runs)} | grows |",
        "| --- |" + " ---: |" * len(runs) + " --- |",
    ]
    for name in COUNTS:
        medians = [statistics.median(run.list_counts(name)) for run in runs]
        cells = [_count(run.list_counts(name)) for run in runs]
        lines.append(f"| {name} | {' | '.join(cells)} | {_describe_growth(medians)} |")
    return lines


def _table_results(runs: Sequence[Measured]) -> list[str]:
    lines = [f"| digest of | {' | '.join(run.title for run in runs)} |", "| --- |" + " --- |" * len(runs)]
    for name in runs[0].results:
        lines.append(f"| {name} | {' | '.join(f'`{run.results[name][:16]}`' for run in runs)} |")
    return lines


def _describe_growth(medians: Sequence[float]) -> str:
    return "no" if max(medians) <= min(medians) else f"{max(medians) / max(min(medians), 1):.3g} ×"


def summarise(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, p95 and p99 (the smallest value that so many are not above).

    >>> summarise([5.0, 1.0, 2.0, 4.0, 3.0])
    (3.0, 5.0, 5.0)
    """
    ordered = sorted(values)
    tails = (ordered[ceil(share * len(ordered)) - 1] for share in (0.95, 0.99))
    return (statistics.median(ordered), *tails)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}" if seconds >= 0.01 else f"{seconds * 1000:.1f}"


def _count(values: Sequence[int]) -> str:
    spread = f" ({min(values):,} … {max(values):,})" if min(values) != max(values) else ""
    return f"{statistics.median(values):,.0f}{spread}"
