"""`python -m benchmarks pairs`: a year of hourly pair features and an as-of training set, from 45 to 4,950 pairs.

The features are computed, judged and published by the ordinary job, month by month in blocks of pairs. The training set
has a label at every hour of every pair. It is built by the product's own steps in parts of time of about two million
rows, each joined, labelled, written as Parquet and counted, so that memory does not grow with pairs or years.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from benchmarks.conditions import describe_machine
from benchmarks.figures import note_figure
from benchmarks.growth import FLAT, fit_exponent, fit_last_exponent
from benchmarks.isolated_process import IsolatedJob, Job, JobOutcome
from benchmarks.wide import make_settings
from pairity.number_formats import format_fixed
from pairity.timeline import DAY, HOUR, from_ms, to_ms

START = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
ASSETS, DAYS = (10, 30, 50, 100), 365
SMALL_ASSETS, SMALL_DAYS = (3, 4, 5), 40
PART_ROWS = 2_000_000
_STAGES = (
    "ingest",
    "features of the instruments",
    "features with all pairs",
    "training set, hourly labels",
)


_GROWING = ("cpu_s", "peak_mb")


def measure_pairs(small: bool) -> str:
    """Measure every stage at every size and return the tables; `small` shows in a minute whether it runs at all."""
    sizes, days = (SMALL_ASSETS, SMALL_DAYS) if small else (ASSETS, DAYS)
    lines: list[str] = []
    measured: dict[str, list[tuple[int, int, JobOutcome]]] = {stage: [] for stage in _STAGES}
    for _ in _run_stages(SMALL_ASSETS[0], SMALL_DAYS):  # compiles what is not compiled yet
        pass
    for count in sizes:
        pairs = count * (count - 1) // 2
        for stage, job in _run_stages(count, days):
            run = job.outcomes[-1]
            measured[stage].append((pairs, count, run))
            cells = (stage, f"{run.seconds:.1f}", f"{run.cpu_s:.1f}", f"{run.peak_mb:,.0f}", job.answer)
            lines.append(f"| {pairs:,} ({count}) | {' | '.join(cells)} |")
    if not small:
        _note(measured)
    head = f"{days * 24:,} hours. {describe_machine()}"
    table = ["| pairs (instruments) | stage | seconds | processor, s | peak, MB | result |"]
    table += ["| --- | --- | ---: | ---: | ---: | --- |"]
    return "\n".join([head, "", *table, *lines, "", *_report_growth(measured)]) + "\n"


def _note(measured: dict[str, list[tuple[int, int, JobOutcome]]]) -> None:
    """Store the figure of the largest size, with the growth with pairs to it: of the processor and of memory."""
    said, met = [], True
    for stage in _STAGES[2:]:
        rows = measured[stage]
        most = rows[-1][2]
        used, kept = (fit_last_exponent([(pairs, getattr(run, name)) for pairs, _, run in rows]) for name in _GROWING)
        said.append(
            f"{stage} {most.seconds:.0f} s, {most.cpu_s:.0f} s of the processor, {most.peak_mb:,.0f} MB, exponents "
            f"from {rows[-2][0]:,} pairs on {format_fixed(used, 2)} and {format_fixed(kept, 2)}"
        )
        met = met and used <= 1 and kept <= FLAT
    note_figure("pairs", "; ".join(said), met=met)


def _report_growth(measured: dict[str, list[tuple[int, int, JobOutcome]]]) -> list[str]:
    lines = [
        "Exponents of growth with the number of pairs, by least squares of logarithms; of the first two stages with "
        "that of instruments. What a run takes in any case hides growth at small sizes: the last two columns are of "
        "the two largest.",
        "",
        "| stage | with | seconds | processor | peak memory | processor, at the end | peak memory, at the end |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for stage, rows in measured.items():
        place = 0 if stage in _STAGES[2:] else 1
        cells = [
            format_fixed(fit_exponent([(row[place], getattr(row[2], name)) for row in rows]), 2)
            for name in ("seconds", "cpu_s", "peak_mb")
        ]
        cells += [
            format_fixed(fit_last_exponent([(row[place], getattr(row[2], name)) for row in rows]), 2)
            for name in _GROWING
        ]
        lines.append(f"| {stage} | {('pairs', 'instruments')[place]} | {' | '.join(cells)} |")
    return lines


def _run_stages(count: int, days: int) -> Iterator[tuple[str, IsolatedJob]]:
    """Yield each stage of one size when it is done; everything that it left is removed at the end."""
    since, until = to_ms(START), to_ms(START + days * DAY)
    with tempfile.TemporaryDirectory() as scratch:
        year = (since, until, count)
        _run("files", "benchmarks.wide", "make_files", (scratch, *year))
        yield _STAGES[0], _run(_STAGES[0], "benchmarks.wide", "collect_year", (scratch, "year", *year))
        shutil.copytree(Path(scratch, "year"), Path(scratch, "alone"), symlinks=True)
        alone = (scratch, "alone", *year, False)
        yield _STAGES[1], _run(_STAGES[1], "benchmarks.wide", "publish", alone)
        shutil.rmtree(Path(scratch, "alone"))
        yield _STAGES[2], _run(_STAGES[2], "benchmarks.wide", "publish", (scratch, "year", *year, True))
        yield _STAGES[3], _run(_STAGES[3], __name__, "build_in_parts", (scratch, "year", *year))


def _run(title: str, module: str, function: str, arguments: tuple[object, ...]) -> IsolatedJob:
    print(f"{title} …", file=sys.stderr, flush=True)
    job = IsolatedJob(module, function, arguments)
    seconds = job.seconds()
    print(f"  {seconds:.1f} s, {job.outcomes[-1].peak_mb:,.0f} MB: {job.answer}", file=sys.stderr, flush=True)
    return job


def build_in_parts(scratch: str, home: str, since_ms: int, until_ms: int, count: int) -> Job:
    """Make the job that builds the training set, part by part."""
    from feature_repo.catalog import PAIR_HOURLY

    since, until = from_ms(since_ms), from_ms(until_ms)
    PAIR_HOURLY.feature_names  # noqa: B018 - the catalogue is loaded before the clock starts
    file = Path(scratch, home, "part.parquet")

    def job() -> str:
        rows = labelled = size = parts = 0
        for part in build_parts(scratch, home, since, until, count):
            part.write_parquet(file, compression="zstd", compression_level=3)
            parts += 1
            rows += part.height
            labelled += part.height - part["label"].null_count()
            size += file.stat().st_size
            file.unlink()
        return f"{rows:,} rows, {labelled:,} labelled, {size / 1e9:.2f} GB in {parts} parts"

    return job


def build_parts(
    scratch: str, home: str, since: datetime, until: datetime, count: int, *, most_rows: int = PART_ROWS
) -> Iterator[pl.DataFrame]:
    """Yield the training set of all pairs in parts of time, sorted by time and pair: features as known, and labels.

    A part is joined with the hours after it that its labels look at.
    """
    from feature_repo.catalog import EVENT_TIME, PAIR_FOREST_FEATURES, PAIR_HOURLY
    from training.data.history import make_store_join
    from training.data.point_in_time import FIRST_KNOWN, add_decision_times, join_checked, read_decided_rows
    from training.data.training_sets import KEY, label_decisions

    settings = make_settings(scratch, home, count, all_pairs=True)
    join, now = make_store_join(settings), until + 5 * DAY
    names = [pair.pair_id for pair in settings.universe.pairs]
    hours = max(1, most_rows // len(names))
    first = since
    while first < until:
        last = min(first + hours * HOUR, until)
        seen = (first + HOUR, last + settings.label.horizon_bars * HOUR)
        published = read_decided_rows(settings, PAIR_HOURLY, names, now, seen)
        joined = join_checked(
            join, PAIR_FOREST_FEATURES, add_decision_times(published.select(*KEY, FIRST_KNOWN), settings)
        )
        labels = label_decisions(settings, joined, published, join, now)
        rows = joined.filter(pl.col(EVENT_TIME) <= last)
        yield rows.join(labels, on=KEY, how="left", maintain_order="left")
        first = last
