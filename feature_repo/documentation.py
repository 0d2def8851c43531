"""The features as a document, generated from the catalogue: `make docs` writes docs/features.md."""

from __future__ import annotations

from textwrap import wrap

from feature_repo.catalog import SERVICES, VIEWS, Feature, View
from feature_repo.raw_datasets import DATASETS
from pairity.timeline import DAY, HOUR

WIDTH = 100
"""Characters per line of prose, as in all documents of the repository; rows of tables are as long as they must be."""
_INTRODUCTION = """# Features

Generated from the catalogue (`feature_repo/catalog`) by `make docs`. The Feast views, the
validation suites and the lookahead proof follow from the same declarations.
[formulas.md](formulas.md) says how each column is computed.

Every row has an entity, `event_timestamp` and `created_timestamp`. `event_timestamp` is the close
of the row's last bar: the first instant at which it could be known. `created_timestamp` is when it
was known: for history close + 1 ms, or when the last of its inputs since the chunk's start was
known; live, when they arrived. A correction is another row of the same entity and event with a
later `created_timestamp`. All windows look back from the event's bar and include it. Values are
carried forward only where a null policy says so; nothing is zero for want of data.
"""


def render_document() -> str:
    """Return the document as Markdown: one table per view, then services and raw datasets."""
    return "\n".join([_INTRODUCTION, *(_view(view) for view in VIEWS.values()), _services(), _datasets()])


def _view(view: View) -> str:
    lines = [
        f"## `{view.name}`",
        "",
        _wrapped(view.description),
        "",
        _wrapped(
            f"Entity `{view.entity}`, a row every {_span(view)}; computed from {_names(view.inputs)}; a chunk begins "
            f"{view.lookback // HOUR} hours before its month."
        ),
        "",
        "| feature | formula | unit | source | lookback | known when | null policy |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_row(view, feature) for feature in view.features),
        "",
    ]
    return "\n".join(lines)


def _row(view: View, feature: Feature) -> str:
    bars = f"{feature.lookback_bars} × {_span(view)}" if feature.lookback_bars > 1 else _span(view)
    known = "at midnight, for the day that begins" if view.every == DAY else "at the bar's close"
    source = _names(feature.inputs) if feature.inputs else "the pair itself"
    cells = (f"`{feature.name}`", feature.formula, feature.unit, source, bars, known, feature.nulls)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _services() -> str:
    rows = (
        f"| `{item.name}` | `{item.view}` | {len(item.features)} | {item.description} |" for item in SERVICES.values()
    )
    return "\n".join(["## Services", "", "| service | view | features | |", "| --- | --- | ---: | --- |", *rows, ""])


def _datasets() -> str:
    rows = (
        f"| `{dataset.name}` | {dataset.description} | {_names((dataset.time, *dataset.values))} | "
        f"{'at its instant' if not dataset.known_after else f'{_duration(dataset.known_after)} after it'} |"
        for dataset in DATASETS.values()
    )
    return "\n".join(["## Raw datasets", "", "| dataset | | columns | known |", "| --- | --- | --- | --- |", *rows, ""])


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _span(view: View) -> str:
    return _duration(view.every)


def _duration(span: object) -> str:
    return {"1:00:00": "1 h", "0:01:00": "1 min", "4:00:00": "4 h", "8:00:00": "8 h", "1 day, 0:00:00": "1 day"}.get(
        str(span), str(span)
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_document())
