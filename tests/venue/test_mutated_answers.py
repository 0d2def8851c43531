"""Every answer that the product reads, damaged at random: what comes out is a value or a VenueError, and soon.

The bodies go through the real ccxt client and the readers of both rooms. What comes out as a value is one: finite, in
the bounds of `venue.okx_values`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import os
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.protocol import NotServedError
from pairity.errors import ConfigError, OrderUnknownError, UnknownNameError, VenueError, VenueRejectedError
from pairity.timeline import to_ms
from serving.execution.venue_records import Missing, Unclear
from tests.examples import examples
from tests.venue.canned import canned_client
from tests.venue.good_answers import DATA, WRITTEN, envelope, good_bodies
from tests.venue.mutations import mutated, text_of
from tests.venue.questions import READS, WRITES, Ask


def ask_about(bodies: dict[str, str], ask: Ask) -> Any:
    began = time.thread_time()
    try:
        return asyncio.run(ask(canned_client(bodies)))
    finally:
        assert time.thread_time() - began < 2.0, "the loop stood still"


def require_possible(value: Any) -> None:
    """Every number of a result is finite and of a size that can be computed with."""
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, Decimal):
        assert value.is_finite()
        assert abs(value.adjusted()) <= 24 or value == 0
    elif isinstance(value, datetime):
        assert datetime(1970, 1, 1, tzinfo=UTC) <= value <= datetime(2101, 1, 1, tzinfo=UTC)
    elif isinstance(value, pl.DataFrame):
        for series in value.get_columns():
            assert series.dtype != pl.Float64 or series.drop_nulls().is_finite().all()
            assert series.dtype != pl.Datetime("us", "UTC") or all(to_ms(at) >= 0 for at in series.drop_nulls())
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            require_possible(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            require_possible(item)
    elif isinstance(value, dict):
        require_possible(list(value.values()))


@pytest.mark.parametrize("name", READS)
def test_the_answers_themselves_are_read(name: str) -> None:
    value = ask_about(good_bodies(), READS[name][1])
    assert not isinstance(value, Unclear | Missing)
    require_possible(value)


@pytest.mark.parametrize("name", WRITES)
def test_the_answers_to_writes_are_read(name: str) -> None:
    path, ask = WRITES[name]
    ask_about({path: json.dumps(envelope([WRITTEN[path]]))}, ask)


def examine_read(name: str, data: st.DataObject) -> None:
    path, ask = READS[name]
    text = text_of(mutated(envelope(DATA[path]), data), data)
    # An account in another mode is for a person to change; an asset that the venue does not list is an unknown name.
    answered = {"config": ConfigError}.get(name, UnknownNameError)
    try:
        value = ask_about(good_bodies() | {path: text}, ask)
    except (VenueError, NotServedError, answered) as error:
        said = str(error)
    else:
        said = ""
        require_possible(value)
    assert len(said) < 1500


def examine_write(name: str, data: st.DataObject) -> None:
    path, ask = WRITES[name]
    text = text_of(mutated(envelope([WRITTEN[path]]), data), data)
    try:
        value = ask_about({path: text}, ask)
    except (OrderUnknownError, VenueRejectedError):
        return
    assert value is None or value.isprintable()


@pytest.mark.parametrize("name", READS)
@settings(max_examples=examples(20))
@given(data=st.data())
def test_a_damaged_answer_is_a_value_or_a_venue_error(name: str, data: st.DataObject) -> None:
    examine_read(name, data)


@pytest.mark.parametrize("name", WRITES)
@settings(max_examples=examples(25))
@given(data=st.data())
def test_a_damaged_answer_to_a_write_is_never_a_failure_of_another_kind(name: str, data: st.DataObject) -> None:
    examine_write(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*READS, *WRITES])
@settings(max_examples=150)
@given(data=st.data())
def test_many_damaged_answers(name: str, data: st.DataObject) -> None:
    if name in READS:
        examine_read(name, data)
    if name in WRITES:
        examine_write(name, data)


def _recorded() -> list[Any]:
    """Rows of every answer that was recorded at the venue or printed in its guide."""
    folder = Path(os.environ.get("PAIRITY_RECORDED_DATA", "")) / "payloads" / "okx"
    found = []
    for file in sorted(folder.rglob("*.json")):
        content = json.loads(file.read_text())
        for answer in content.get("examples", [content]) if isinstance(content, dict) else []:
            if isinstance(answer, dict) and isinstance(answer.get("data"), list) and len(answer["data"]) < 50:
                found.append(answer)
    return found


@pytest.mark.recorded
@pytest.mark.skipif(not _recorded(), reason="needs PAIRITY_RECORDED_DATA with payloads")
@settings(max_examples=examples(60))
@given(data=st.data())
def test_recorded_answers_to_any_question_do_no_harm(data: st.DataObject) -> None:
    """Also the answers to other questions: whatever endpoint gave them."""
    answer = data.draw(st.sampled_from(_recorded()))
    name = data.draw(st.sampled_from(sorted(READS)))
    path, ask = READS[name]
    text = json.dumps(answer) if data.draw(st.booleans()) else text_of(mutated(answer, data), data)
    try:
        require_possible(ask_about(good_bodies() | {path: text}, ask))
    except (VenueError, NotServedError, UnknownNameError):
        return
