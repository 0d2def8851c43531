"""When did we know it: each rule against its sentence in plain Python, and no rule anywhere else in the product."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo import knowledge_time
from feature_repo.catalog import CREATED_TIME, EVENT_TIME
from feature_repo.knowledge_time import (
    closed_known_at,
    correction_created_at,
    correction_known_at,
    feature_created_at,
    history_known_at,
    inputs_known_at,
    live_known_at,
    recorded_known_at,
    released_created_at,
    released_known_at,
    repaired_known_at,
    unasked_known_at,
)
from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT
from tests.house.source_tree import modules

START = datetime(2025, 3, 31, 23, tzinfo=UTC)
MS = timedelta(milliseconds=1)
# Few distinct instants, so that equal ones, the case in which rules differ, come often.
INSTANTS = st.integers(0, 6).map(lambda steps: START + steps * MS)
MAYBE = st.one_of(st.none(), INSTANTS)


def computed(expression: pl.Expr, **columns: list[object]) -> list[datetime]:
    """The expression over a frame; instants unless the column is called a flag."""
    schema = {name: pl.Boolean() if name == "flag" else INSTANT for name in columns}
    frame = pl.DataFrame(columns, schema=schema).with_columns(expression)
    name = expression.meta.output_name()
    assert frame.schema[name] == INSTANT
    return frame[name].to_list()


def latest(*instants: datetime | None) -> datetime:
    return max(instant for instant in instants if instant is not None)


@pytest.mark.parametrize("name", DATASETS)
@given(at=INSTANTS)
def test_history_is_known_one_millisecond_after_it_was_complete(name, at):
    kind = DATASETS[name]
    complete = {"funding": at, "candles_1m": at + timedelta(minutes=1), "candles_1h": at + timedelta(hours=1)}
    (known,) = computed(history_known_at(kind), **{kind.time: [at]})
    assert known == complete.get(name, at + kind.known_after) + MS
    assert computed(closed_known_at(pl.col("close")), close=[at + kind.known_after]) == [known]


@given(at=INSTANTS, received=st.one_of(st.none(), st.integers(-5, 70_000)))
def test_a_recorded_arrival_counts_but_not_before_the_close(at, received):
    arrival = None if received is None else at + received * MS
    (known,) = computed(recorded_known_at(DATASETS["candles_1m"], "received"), open_time=[at], received=[arrival])
    assert known == latest(at + timedelta(minutes=1) + MS, arrival)


@given(known=st.lists(INSTANTS, min_size=1, max_size=5), now=INSTANTS)
def test_live_and_released_rows_are_known_from_then_on(known, now):
    assert computed(live_known_at(now), known_at=known) == [latest(own, now) for own in known]
    assert computed(released_known_at(now), known_at=known) == [latest(own, now) for own in known]


@given(known=INSTANTS, close=INSTANTS)
def test_parts_of_a_bar_count_from_its_close(known, close):
    assert computed(unasked_known_at(pl.col("close")), known_at=[known], close=[close]) == [latest(known, close)]


@given(known=INSTANTS, flag=st.one_of(st.none(), st.booleans()), now=INSTANTS)
def test_repaired_rows_and_released_features_are_known_from_then_on_and_no_other_row(known, flag, now):
    expected = [latest(known, now) if flag else known]
    assert computed(repaired_known_at(pl.col("flag"), now), known_at=[known], flag=[flag]) == expected
    assert computed(released_created_at(pl.col("flag"), now), created_timestamp=[known], flag=[flag]) == expected


@given(own=INSTANTS, stored=MAYBE, arrived=INSTANTS)
def test_a_correction_is_known_from_its_arrival_and_later_than_what_it_corrects(own, stored, arrived):
    if stored is None or own > stored:
        expected = own
    elif arrived > stored:
        expected = arrived
    else:
        expected = stored + MS
    raw = computed(correction_known_at(pl.col("stored"), arrived), known_at=[own], stored=[stored])
    assert raw == [expected]
    assert stored is None or expected > stored
    for flag in (True, False):
        rule = correction_created_at(pl.col("flag"), pl.col("stored"), arrived)
        feature = computed(rule, created_timestamp=[own], stored=[stored], flag=[flag])
        assert feature == [expected if flag else own]


@given(inputs=st.lists(MAYBE, min_size=1, max_size=4), event=INSTANTS)
def test_a_feature_is_created_with_its_last_input_but_not_before_its_close(inputs, event):
    columns = {f"input_{place}": [at] for place, at in enumerate(inputs)}
    expression = feature_created_at(inputs_known_at(*columns))
    assert computed(expression, event_timestamp=[event], **columns) == [latest(event + MS, *inputs)]
    named = feature_created_at("input_0", "close")
    assert computed(named, close=[event], input_0=inputs[:1]) == [latest(event + MS, inputs[0])]


@given(known=INSTANTS, stored=MAYBE, now=INSTANTS, flag=st.booleans())
def test_no_rule_makes_a_row_known_earlier(known, stored, now, flag):
    rules = (
        live_known_at(now),
        released_known_at(now),
        repaired_known_at(pl.col("flag"), now),
        correction_known_at(pl.col("stored"), now),
    )
    for rule in rules:
        assert computed(rule, known_at=[known], stored=[stored], flag=[flag])[0] >= known


NAMES = {KNOWN_AT, CREATED_TIME, "KNOWN_AT", "CREATED_TIME"}


def mentions(node: ast.AST) -> bool:
    """Whether an expression names a knowledge time: as a column, or by the constant that stands for one."""
    return any(
        (isinstance(part, ast.Name) and part.id in NAMES)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in NAMES)
        for part in ast.walk(node)
    )


def is_computed(node: ast.AST) -> bool:
    """Whether an expression adds to an instant, or chooses between instants."""
    return any(
        (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub))
        or (isinstance(part, ast.Attribute) and part.attr in ("max_horizontal", "min_horizontal", "when", "lit"))
        for part in ast.walk(node)
    )


def offences(source: str) -> list[int]:
    """Lines on which a module makes a knowledge time of its own."""
    lines = []
    tree = ast.parse(source)
    assigned: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "alias" and node.args and mentions(node.args[0]):
                of = node.func.value
                values = assigned.get(of.id, []) if isinstance(of, ast.Name) else [of]
                lines += [node.lineno] if any(map(is_computed, values)) else []
            if node.func.attr in ("max_horizontal", "min_horizontal") and mentions(node):
                lines.append(node.lineno)
            named = [word.value for word in node.keywords if word.arg in (KNOWN_AT, CREATED_TIME)]
            lines += [node.lineno for value in named if is_computed(value)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            # Of texts and lists of names nothing is computed.
            plain = any(
                isinstance(side, ast.List | ast.Tuple | ast.Constant | ast.JoinedStr)
                for side in (node.left, node.right)
            )
            lines += [node.lineno] if mentions(node) and not plain else []
        if isinstance(node, ast.Name) and node.id == "HISTORY_LAG":
            lines.append(node.lineno)
    return lines


def test_no_other_module_computes_when_something_was_known():
    named = {*NAMES, "HISTORY_LAG"}
    others = (module for module in modules().values() if module.path != Path(knowledge_time.__file__))
    others = (module for module in others if any(name in module.text for name in named))
    found = {module.name: lines for module in others if (lines := offences(module.text))}
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        'rows.with_columns((pl.col("open_time") + kind.known_after + lag).alias(KNOWN_AT))',
        'rows.with_columns(pl.max_horizontal(KNOWN_AT, pl.lit(now)).alias("x"))',
        'pl.col("known_at") + timedelta(milliseconds=1)',
        "rows.with_columns(pl.when(late).then(now).otherwise(CREATED_TIME).alias(CREATED_TIME))",
        "rows.with_columns(created_timestamp=pl.col(EVENT_TIME) + step)",
        'known = close + lag; rows.with_columns(known.alias("known_at"))',
    ],
)
def test_a_rule_of_ones_own_would_be_seen(line):
    assert offences(line)
    assert EVENT_TIME not in NAMES
