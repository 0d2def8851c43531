"""A stored model is data: whatever is not the file of a pair forest is refused before anything of it is built."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.tree._tree import NODE_DTYPE as SKLEARN_NODE

from model_registry import forest_schema
from model_registry.forest_schema import require_forest
from pairity.errors import ModelIntegrityError
from tests.model_registry.archives import (
    archive,
    build,
    call,
    edit_tree,
    find,
    fitted,
    frame,
    header,
    json_node,
    members_of,
    nodes_of,
    npy,
    pack,
    state,
    unpack,
)
from tests.model_registry.foreign_parts import FOREIGN
from training.models import pair_forest


@pytest.mark.parametrize("calibration", ["none", "sigmoid", "isotonic"])
def test_every_forest_that_training_stores_is_accepted_and_is_the_same_to_the_bit(calibration):
    require_forest(archive(calibration), "here")
    again = build(archive(calibration))
    assert (
        pair_forest.predict_probability(again, frame()).tobytes()
        == pair_forest.predict_probability(fitted(calibration), frame()).tobytes()
    )
    schema, members = unpack(archive(calibration))
    require_forest(pack(schema, members), "here")  # taking apart and putting together is no change that is refused


def test_the_node_of_a_tree_is_scikit_learn_s():
    assert forest_schema.NODE_DTYPE == SKLEARN_NODE


def edited(change, calibration="none"):
    schema, members = unpack(archive(calibration))
    answer = change(schema, members)
    return answer if isinstance(answer, bytes) else pack(schema, members)


def others(schema):
    """The attributes of the step that hands features through: it would call a function on them."""
    return state(find(schema, "FunctionTransformer"))


def pipeline(schema):
    return state(schema)


def forest(schema):
    return state(find(schema, "RandomForestClassifier"))


def put(place, attribute, part):
    def change(schema, members):
        place(schema)[attribute] = part

    return change


def tree_nodes(change):
    return lambda schema, members: edit_tree(schema, members, change)


def cell(field, row, value):
    def change(array):
        array[field][row] = value

    return tree_nodes(change)


def cycle(array):
    array["left_child"][0] = array["right_child"][0] = 0


def in_schema(old, new):
    def change(schema, members):
        text = json.dumps(schema, indent=2)
        assert old in text
        return pack(text.replace(old, new, 1).encode(), members)

    return change


def share_nodes(schema, members):
    trees = [part for part in nodes_of(schema) if part["__class__"] == "Tree"]
    for name in ("nodes", "values"):
        state(trees[1])[name] = state(trees[0])[name]
    state(trees[1])["node_count"] = state(trees[0])["node_count"]
    members_of(schema, members)


def stand_for(schema, members):
    """Another part under the identity of a part that is met before."""
    others(schema)["func"] = call("os", "system", "true") | {"__id__": schema["__id__"] + 0}
    forest(schema)["n_jobs"]["__id__"] = others(schema)["func"]["__id__"]


def member(change):
    """Change the content of a tree's values."""

    def changed(schema, members):
        name = state(find(schema, "Tree"))["values"]["file"]
        members[name] = change(members[name])

    return changed


def objects(content):
    return npy(np.array([{"a": 1}], dtype=object), allow_pickle=True)


PLACES = {
    "what features are handed through": lambda schema: (others(schema), "func"),
    "the keyword arguments of it": lambda schema: (others(schema), "kw_args"),
    "an attribute of the pipeline": lambda schema: (pipeline(schema), "memory"),
    "a method of the pipeline": lambda schema: (pipeline(schema), "predict_proba"),
    "the class of the pipeline": lambda schema: (pipeline(schema), "__class__"),
    "the number of threads": lambda schema: (forest(schema), "n_jobs"),
    "the trees": lambda schema: (forest(schema), "estimators_"),
    "one tree": lambda schema: (forest(schema)["estimators_"]["content"], 0),
    "the tree in a tree": lambda schema: (state(find(schema, "DecisionTreeClassifier")), "tree_"),
    "the nodes of a tree": lambda schema: (state(find(schema, "Tree")), "nodes"),
    "the type of numbers": lambda schema: (state(find(schema, "OrdinalEncoder")), "dtype"),
    "a class weight": lambda schema: (forest(schema)["class_weight"]["content"], "1"),
    "the type of a key": lambda schema: (schema["content"]["key_types"]["content"], 0),
    "the pipeline's attributes": lambda schema: (schema, "content"),
    "a name of a feature": lambda schema: (others(schema)["feature_names_in_"]["content"], 0),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("where", PLACES)
def test_no_place_of_a_model_takes_what_is_not_its_own(what, where):
    schema, members = unpack(archive())
    holder, key = PLACES[where](schema)
    holder[key] = FOREIGN[what]
    with pytest.raises(ModelIntegrityError, match="the model in here is refused"):
        require_forest(pack(schema, members), "here")


TRICKS = {
    "protocol of an older reader": (in_schema('"protocol": 2', '"protocol": 0'), "protocol 0"),
    "protocol that is a truth value": (in_schema('"protocol": 2', '"protocol": true'), "protocol True"),
    "protocol of the future": (in_schema('"protocol": 2', '"protocol": 3'), "protocol 3"),
    "no protocol": (lambda schema, members: schema.pop("protocol") and None, "protocol None"),
    "another class at the top": (lambda schema, members: schema.update(__class__="Popen"), "Popen"),
    "the class twice": (in_schema('"__class__": "Pipeline"', '"__class__": "Pipeline", "__class__": "Popen"'), "Popen"),
    "another module": (lambda schema, members: schema.update(__module__="evil"), "evil"),
    "a key more": (lambda schema, members: find(schema, "Tree").update(extra=1), "keys"),
    "an identity of 0": (put(forest, "n_jobs", json_node(1, 0)), "no identity"),
    "an identity that is true": (put(forest, "n_jobs", json_node(1, True)), "no identity"),
    "an identity that is 1.0": (put(forest, "n_jobs", json_node(1, 1.0)), "no identity"),
    "no identity": (lambda schema, members: forest(schema)["n_jobs"].pop("__id__") and None, "no identity"),
    "two parts with one identity": (stand_for, "(one identity|where only)"),
    "threads without end": (put(forest, "n_jobs", json_node(10_000)), "where only"),
    "all cores": (put(forest, "n_jobs", json_node(-1)), "where only"),
    "a cache in a file": (put(pipeline, "memory", json_node("/tmp/cache")), "where only"),
    "a long text": (put(forest, "_sklearn_version", json_node("x" * 5000)), "short text"),
    "a nested text": (put(forest, "criterion", json_node([["gini"]])), "no single value"),
    "a deeply nested text": (
        put(forest, "criterion", json_node("x") | {"content": "[" * 900 + "]" * 900}),
        "no short text",
    ),
    "not JSON": (put(forest, "criterion", json_node("x") | {"content": "__import__('os')"}), "no JSON"),
    "no trees": (
        lambda schema, members: forest(schema)["estimators_"].update(content=[]) or members_of(schema, members),
        "no trees",
    ),
    "trees that are not fitted": (
        lambda schema, members: (
            state(find(schema, "DecisionTreeClassifier")).pop("n_features_in_") and fix_keys(schema)
        ),
        "features",
    ),
    "a forest for more features": (put(forest, "n_features_in_", json_node(400)), "features"),
    "a tree for more features": (
        lambda schema, members: find(schema, "Tree")["__reduce__"]["args"]["content"].__setitem__(0, json_node(400)),
        "features",
    ),
    "a negative number of features": (put(forest, "n_features_in_", json_node(-4)), "not allowed"),
    "three classes": (put(forest, "n_classes_", json_node(3)), "where only"),
    "more nodes said than there": (
        lambda schema, members: state(find(schema, "Tree")).update(node_count=json_node(100_000)),
        "says 100000",
    ),
    "a child outside": (cell("right_child", 0, 1 << 40), "child that is none"),
    "a child before the tree": (cell("left_child", 0, -2), "child that is none"),
    "half a leaf": (cell("right_child", -1, 1), "child that is none"),
    "a way round": (tree_nodes(cycle), "child that is none"),
    "a feature outside": (cell("feature", 0, 4), "none of 4"),
    "a feature far outside": (cell("feature", 0, 1 << 40), "none of 4"),
    "a feature before the first": (cell("feature", 0, -2), "none of 4"),
    "nodes of two trees": (share_nodes, "two trees"),
    "a pickle as array": (member(objects), r"array of '\|O'"),
    "a pickle": (member(lambda content: b"\x80\x04cos\nsystem\n(S'true'\ntR."), "no array"),
    "an archive in the archive": (member(lambda content: pack({}, {})), "no array"),
    "an array in Fortran order": (
        member(lambda content: header(content, order=("False", "True"))),
        "no array in C order",
    ),
    "an array of texts": (member(lambda content: npy(np.array(["a"]))), "array of '<U1'"),
    "an array with another byte order": (
        member(lambda content: npy(np.zeros((3, 1, 2), dtype=">f8"))),
        "array of '>f8'",
    ),
    "an array of another shape": (member(lambda content: npy(np.zeros((3, 2)))), "dimensions"),
    "an array with a huge header": (
        member(lambda content: header(content, shape=("'shape': (", "'shape': (999999999, "))),
        "(dimensions|size)",
    ),
    "an array that promises more": (member(lambda content: content[:-8]), "the size"),
    "an array with something behind": (member(lambda content: content + b"x"), "the size"),
    "code in the header": (
        member(lambda content: header(content, code=("False", "eval"))),
        "no array",
    ),
    "a member that belongs to nothing": (
        lambda schema, members: members.update({"evil.py": b"import os"}),
        "belongs to nothing",
    ),
    "a member with a path": (
        lambda schema, members: members.update({"../../evil.py": b"import os"}),
        "belongs to nothing",
    ),
    "an array that is not there": (
        lambda schema, members: members.pop(state(find(schema, "Tree"))["nodes"]["file"]) and None,
        "not there",
    ),
    "the schema as an array": (
        lambda schema, members: state(find(schema, "Tree"))["nodes"].update(file="schema.json"),
        "its file is",
    ),
    "no schema": (lambda schema, members: pack_raw(members), "not there"),
}


def fix_keys(schema):
    """As many types of keys as keys: where an attribute is taken away its type goes too."""
    for part in nodes_of(schema):
        if part["__loader__"] == "DictNode":
            part["key_types"]["content"] = part["key_types"]["content"][: len(part["content"])]


def pack_raw(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("trick", TRICKS)
def test_a_schema_that_lies_is_refused_with_what_is_wrong(trick):
    change, words = TRICKS[trick]
    with pytest.raises(ModelIntegrityError, match="the model in here is refused") as caught:
        require_forest(edited(change), "here")
    assert re.search(words, caught.value.what), caught.value.what
    assert "nothing of it was run" in caught.value.remedy


BELIEVED = ["a child outside", "a way round", "a feature outside", "a feature far outside", "threads without end"]


@pytest.mark.parametrize("trick", BELIEVED)
def test_skops_and_scikit_learn_would_build_what_reads_past_the_end_of_memory(trick):
    """Else the checks of nodes would prove nothing: types alone do not make a model safe to ask."""
    assert isinstance(build(edited(TRICKS[trick][0])), Pipeline)
