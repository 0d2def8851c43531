"""Archives with generated changes are refused, or are forests: nothing else happens."""

import copy
import json
import warnings
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from model_registry.forest_schema import require_forest
from pairity.errors import ModelIntegrityError
from tests.examples import examples
from tests.model_registry.archives import (
    archive,
    build,
    fitted,
    frame,
    json_node,
    members_of,
    nodes_of,
    pack,
    tuple_node,
    unpack,
)
from tests.model_registry.foreign_parts import FOREIGN
from training.models import pair_forest

PARTS = [*FOREIGN.values(), json_node(0), json_node(None), json_node("gini"), tuple_node(), float("nan"), True]


def change_part(draw, parts, part):
    """Take one thing away from a part, or put another in its place."""
    key = draw(st.sampled_from(sorted(part)))
    drawn = draw(
        st.one_of(
            st.sampled_from(PARTS),
            st.sampled_from(parts),
            st.sampled_from(parts).flatmap(lambda other: st.sampled_from(list(other.values()))),
            st.text(max_size=8),
            st.integers(),
        )
    )
    value = copy.deepcopy(drawn)  # a part must not come to hold itself
    inner = part[key]
    if part["__loader__"] == "DictNode" and part["content"] and draw(st.booleans()):
        del part["content"][draw(st.sampled_from(sorted(part["content"])))]
        del part["key_types"]["content"][0]
    elif isinstance(inner, list) and inner and draw(st.booleans()):
        del inner[draw(st.integers(0, len(inner) - 1)) :]
    elif isinstance(inner, dict) and inner and draw(st.booleans()):
        inner[draw(st.sampled_from(sorted(inner)))] = value
    elif isinstance(inner, list) and inner and draw(st.booleans()):
        inner[draw(st.integers(0, len(inner) - 1))] = value
    elif draw(st.booleans()):
        part[key] = value
    else:
        del part[key]


@st.composite
def mutated(draw):
    """A real archive in which some parts are others: foreign ones, parts of other places, other values or names."""
    schema, members = unpack(archive(draw(st.sampled_from(["none", "sigmoid", "isotonic"]))))
    for _ in range(draw(st.integers(1, 3))):
        parts = nodes_of(schema)
        if parts:
            with suppress(LookupError, TypeError):  # an earlier change may have left nothing to change in this way
                change_part(draw, parts, parts[draw(st.integers(0, len(parts) - 1))])
        schema = json.loads(json.dumps(schema))
    if draw(st.booleans()):  # and take with them what only they needed: else that alone would refuse the archive
        members_of(schema, members)
    if draw(st.booleans()) and members:
        name = draw(st.sampled_from(sorted(members)))
        content = bytearray(members[name])
        for _ in range(draw(st.integers(0, 4))):
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        members[name] = bytes(content[: draw(st.integers(len(content) - 3, len(content)))])
    return pack(schema, members)


def built_of(estimator, depth=0):
    """The classes of everything that an estimator holds."""
    if depth > 12:
        return set()
    inner = vars(estimator).values() if hasattr(estimator, "__dict__") else ()
    if isinstance(estimator, dict):
        inner = [*estimator, *estimator.values()]
    elif isinstance(estimator, list | tuple):
        inner = estimator
    return {type(estimator)}.union(*(built_of(one, depth + 1) for one in inner))


def harmless(content):
    """Refused, or a forest of the known classes that answers or says why not: nothing else happens."""
    try:
        require_forest(content, "here")
    except ModelIntegrityError:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another version of scikit-learn: a text that may be anything
            estimator = build(content)
            allowed = built_of(fitted("none")) | built_of(fitted("sigmoid")) | built_of(fitted("isotonic"))
            assert type(estimator) is Pipeline
            assert built_of(estimator) <= allowed | {int, float, str, bool, type(None)}
            estimator.predict_proba(frame())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return  # of building or asking: an error of the registry, or of one decision


@settings(max_examples=examples(80))
@given(mutated())
def test_a_changed_archive_is_a_forest_or_is_refused(content):
    harmless(content)


@pytest.mark.slow
@settings(max_examples=1000)
@given(mutated())
def test_thousands_of_changed_archives_are_forests_or_are_refused(content):
    harmless(content)


@pytest.mark.slow
@pytest.mark.parametrize("calibration", ["none", "sigmoid", "isotonic"])
def test_an_archive_that_lacks_any_one_part_is_a_forest_or_is_refused(calibration):
    count = len(nodes_of(unpack(archive(calibration))[0]))
    for place in range(count):
        for key in range(len(nodes_of(unpack(archive(calibration))[0])[place].get("content") or ())):
            schema, members = unpack(archive(calibration))
            part = nodes_of(schema)[place]
            if part["__loader__"] == "DictNode":
                del part["content"][sorted(part["content"])[key]]
                del part["key_types"]["content"][0]
            elif isinstance(part["content"], list):
                del part["content"][key]
            else:
                break
            members_of(schema, members)
            harmless(pack(schema, members))


@given(st.data())
def test_changed_bytes_of_an_archive_are_the_same_forest_or_are_refused(data):
    content = bytearray(archive())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(
            st.one_of(st.integers(0, len(content) - 1), st.integers(len(content) - 1200, len(content) - 1))
        )
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 22, 500]))
    content = bytes(content[: len(content) - cut])
    try:
        require_forest(content, "here")
    except ModelIntegrityError:
        return
    same = pair_forest.predict_probability(build(content), frame())
    assert same.tobytes() == pair_forest.predict_probability(fitted(), frame()).tobytes()
