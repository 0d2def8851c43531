"""Boosted trees from their stored text: LightGBM's own bits, and nothing that LightGBM would stumble over."""

import math

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.lightgbm_text import MAX_SCORE, TREES_MAX_BYTES, cut_text, read_trees
from model_registry.logistic_terms import map_logistic
from model_registry.tree_scores import sum_leaves
from pairity.errors import ModelIntegrityError
from tests.examples import examples
from tests.model_registry.boosters import FEATURES, booster, change_line, inputs, text, with_sizes
from tests.oracles.stored_scores import boosted_probability

VARIANTS = [{}, {"leaves": 2}, {"rounds": 1, "leaves": 40}, {"zero_as_missing": True}, {"use_missing": False}]


def scores(content, rows):
    return sum_leaves(read_trees(content, FEATURES, "here"), rows)


@pytest.mark.parametrize("options", VARIANTS)
def test_probabilities_are_those_of_lightgbm_and_of_the_oracle_to_the_bit(options):
    rows = inputs().to_numpy(float)
    ours = map_logistic(scores(text(**options), rows))
    assert ours.tobytes() == np.asarray(booster(**options).predict(rows, num_threads=1)).tobytes()
    slow = [boosted_probability(text(**options), row) for row in rows[:150].tolist()]
    assert ours[:150].tolist() == slow
    again = lightgbm.Booster(model_str=text(**options).decode())
    assert ours.tobytes() == np.asarray(again.predict(rows, num_threads=1)).tobytes()


VALUES = st.sampled_from([0.0, -0.0, 1e-36, -1e-36, 1e300, -1e300, 5e-324, math.nan]) | st.floats(
    allow_infinity=False, width=64
)
PLACES = st.integers(0, 5).map(float) | st.sampled_from([math.nan, -1.0, 2.5, 6.0, 31.0, 32.0, 1e18])
ROWS = st.lists(st.tuples(VALUES, PLACES, PLACES, VALUES), min_size=1, max_size=8)


@given(ROWS, st.sampled_from(range(len(VARIANTS))))
def test_any_row_is_scored_as_the_oracle_scores_it_whatever_stands_beside_it(rows, variant):
    content = text(**VARIANTS[variant])
    together = scores(content, np.array(rows, dtype=float))
    alone = [scores(content, np.array([row], dtype=float))[0] for row in rows]
    assert together.tolist() == alone
    assert map_logistic(together).tolist() == [boosted_probability(content, row) for row in rows]


def test_a_booster_that_found_no_split_says_its_share():
    content = text(rounds=2, min_data_in_leaf=5000)
    rows = inputs().to_numpy(float)[:3]
    assert (
        map_logistic(scores(content, rows)).tolist() == booster(rounds=2, min_data_in_leaf=5000).predict(rows).tolist()
    )


def test_rows_that_lack_a_feature_are_refused():
    with pytest.raises(ValueError, match="the trees ask for feature 3, rows have 3"):
        scores(text(), np.zeros((2, 3)))


def test_no_row_has_no_score():
    assert scores(text(), np.empty((0, 4))).tolist() == []


def replaced(old, new, count=1):
    return lambda content: with_sizes(content.replace(old, new, count))


def line(name, change, tree=0):
    return lambda content: change_line(content, name, change, tree)


def first(value):
    return lambda values: [value, *values[1:]]


HOSTILE = {
    "nothing": lambda content: b"",
    "the half of it": lambda content: content[: len(content) // 2],
    "no end": lambda content: content[:-2],
    "something behind the end": lambda content: content + b"\n",
    "a second booster": lambda content: content + content,
    "parameters": lambda content: content + b"\nparameters:\n[machines: 10.0.0.1]\nend of parameters\n",
    "categories of pandas": lambda content: content + b'\npandas_categorical:[["a"]]\n',
    "an end of lines of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "digits of another script": lambda content: content.replace(b"leaf_value=-0", "leaf_value=-٠".encode(), 1),
    "another version": replaced(b"version=v4", b"version=v3"),
    "many classes": replaced(b"num_class=1", b"num_class=3"),
    "many trees an iteration": replaced(b"num_tree_per_iteration=1", b"num_tree_per_iteration=2"),
    "another objective": replaced(b"objective=binary sigmoid:1", b"objective=regression"),
    "another sigmoid": replaced(b"sigmoid:1", b"sigmoid:1e300"),
    "one feature more": replaced(b"max_feature_idx=3", b"max_feature_idx=4"),
    "features in another order": replaced(b"z_score base_asset", b"base_asset z_score"),
    "an averaged output": replaced(b"feature_names=", b"average_output\nfeature_names="),
    "a range that is none": replaced(b"feature_infos=[", b"feature_infos=[[["),
    "sizes that are too small": lambda content: content.replace(b"tree_sizes=", b"tree_sizes=1 ", 1),
    "sizes without end": lambda content: content.replace(b"tree_sizes=", b"tree_sizes=" + b"9" * 400 + b" ", 1),
    "no sizes": lambda content: b"\n".join(b"tree_sizes=" if b"sizes" in one else one for one in content.split(b"\n")),
    "no trees": lambda content: content.split(b"tree_sizes=")[0] + b"tree_sizes=\n\nend of trees\n",
    "a million trees": lambda content: content.replace(b"tree_sizes=", b"tree_sizes=" + b"1 " * 20_000, 1),
    "a tree too few": lambda content: content.replace(b"tree_sizes=", b"tree_sizes=500 ", 1),
    "more leaves than there are": line("num_leaves", first(b"16")),
    "leaves without end": line("num_leaves", first(b"2147483647")),
    "no leaves": line("num_leaves", first(b"0")),
    "fewer than no leaves": line("num_leaves", first(b"-5")),
    "a feature that is none": line("split_feature", first(b"4")),
    "a feature before the first": line("split_feature", first(b"-1")),
    "a feature far away": line("split_feature", first(b"99999999999")),
    "a node as its own child": line("left_child", first(b"0")),
    "a node that leads up": line("left_child", lambda values: [*values[:-1], b"1"]),
    "a child that is none": line("right_child", first(b"1000000")),
    "a leaf that is none": line("left_child", first(b"-1000000")),
    "a leaf twice": line("left_child", lambda values: [b"-1" if value.startswith(b"-") else value for value in values]),
    "a leaf that is no number": line("leaf_value", first(b"nan")),
    "a leaf without end": line("leaf_value", first(b"inf")),
    "a leaf beyond doubles": line("leaf_value", first(b"1e999")),
    "a leaf beyond sense": line("leaf_value", first(b"501")),
    "a leaf of hexadecimal digits": line("leaf_value", first(b"0x10")),
    "a leaf with an underscore": line("leaf_value", first(b"1_0")),
    "a leaf of many digits": line("leaf_value", first(b"1" * 30_000)),
    "an empty leaf": line("leaf_value", first(b"")),
    "a leaf too many": line("leaf_value", lambda values: [*values, b"1"]),
    "a threshold that is no number": line("threshold", first(b"nan")),
    "a threshold below all": line("threshold", first(b"-inf")),
    "a decision that is none": line("decision_type", first(b"3")),
    "a decision beyond a byte": line("decision_type", first(b"300")),
    "linear leaves": replaced(b"is_linear=0", b"is_linear=1"),
    "categories that are none": replaced(b"num_cat=1", b"num_cat=2"),
    "categories without end": replaced(b"num_cat=1", b"num_cat=2000000000"),
    "fewer categories than there are": replaced(b"num_cat=1", b"num_cat=0"),
    "a set of categories that is none": lambda content: change_categories(content, "threshold", b"7"),
    "a set of categories by a fraction": lambda content: change_categories(content, "threshold", b"0.5"),
    "boundaries that fall": line("cat_boundaries", lambda values: [*values[:-1], b"0"]),
    "boundaries that begin late": line("cat_boundaries", first(b"1")),
    "boundaries far away": line("cat_boundaries", lambda values: [*values[:-1], b"2000000000"]),
    "a set of too many bits": line("cat_threshold", first(b"4294967296")),
    "a set of negative bits": line("cat_threshold", first(b"-1")),
    "a line of another name": replaced(b"leaf_weight=", b"leaf_const="),
    "a line twice": replaced(b"shrinkage=", b"shrinkage=1\nshrinkage="),
    "a line without end": replaced(b"leaf_weight=", b"leaf_weight=" + b"1 " * 50_000),
    "a text without end": lambda content: content[:-13] + b" " * TREES_MAX_BYTES + content[-13:],
    "a zero byte": lambda content: content.replace(b"Tree=1\n", b"Tree=1\0\n", 1),
}


def change_categories(content, name, value):
    """Change the first categorical node of a tree that has one."""
    for tree in range(content.count(b"Tree=")):
        block = content.split(b"Tree=")[tree + 1]
        kinds = next(one for one in block.split(b"\n") if one.startswith(b"decision_type=")).split(b"=")[1].split(b" ")
        if b"1" in kinds:
            break
    at = kinds.index(b"1")
    return change_line(content, name, lambda values: [*values[:at], value, *values[at + 1 :]], tree)


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_text_that_is_not_lightgbms_is_refused_before_anything_is_built(trick):
    changed = HOSTILE[trick](text())
    assert changed != text()
    with pytest.raises(ModelIntegrityError, match="the model in here is refused: ") as caught:
        read_trees(changed, FEATURES, "here")
    assert len(caught.value.what) < 400
    assert caught.value.remedy


def test_the_sizes_are_corrected_where_a_trick_needs_it():
    """Else the tests above would refuse every text for its sizes alone."""
    assert with_sizes(text()) == text()
    assert change_line(text(), "leaf_value", lambda values: values) == text()
    harmless = change_line(text(), "leaf_value", first(b"0.125"))
    assert scores(harmless, inputs().to_numpy(float)).shape == (1500,)


NUMBERS = st.sampled_from(
    [b"-1", b"0", b"1", b"14", b"15", b"-15", b"-16", b"2147483648", b"nan", b"inf", b"1e308", b"9"]
)


@settings(max_examples=examples(300))
@given(st.data())
def test_whatever_is_changed_is_refused_or_scored_within_bounds(data):
    """Names, numbers, lines and bytes change places: no reading outside the arrays, no endless walk, no wild score."""
    content = text(rounds=3)
    for _ in range(data.draw(st.integers(1, 3))):
        lines = content.split(b"\n")
        place = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["number", "drop", "double", "swap", "byte"]))
        if how == "number":
            name, _, values = lines[place].partition(b"=")
            numbers = values.split(b" ")
            numbers[data.draw(st.integers(0, len(numbers) - 1))] = data.draw(NUMBERS)
            lines[place] = name + b"=" + b" ".join(numbers)
        elif how == "drop":
            del lines[place]
        elif how == "double":
            lines.insert(place, lines[place])
        elif how == "swap":
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[place], lines[other] = lines[other], lines[place]
        else:
            mutable = bytearray(lines[place] or b"x")
            mutable[data.draw(st.integers(0, len(mutable) - 1))] = data.draw(st.integers(0, 255))
            lines[place] = bytes(mutable)
        content = with_sizes(b"\n".join(lines)) if data.draw(st.booleans()) else b"\n".join(lines)
    try:
        trees = read_trees(content, FEATURES, "here")
    except ModelIntegrityError:
        return
    found = sum_leaves(trees, inputs().to_numpy(float)[:60])
    assert (np.abs(found) <= MAX_SCORE).all()


def test_what_lightgbm_says_of_its_parameters_is_not_stored():
    whole = booster().model_to_string()
    assert "[num_threads: 1]" in whole
    assert b"parameters" not in cut_text(whole)
    assert b"pandas_categorical" not in cut_text(whole)
