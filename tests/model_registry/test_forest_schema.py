"""A stored model is data: whatever is not the file of a pair forest is refused before anything of it is built."""

import copy
import gzip
import io
import json
import re
import struct
import warnings
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline
from sklearn.tree._tree import NODE_DTYPE as SKLEARN_NODE

from model_registry import forest_schema
from model_registry.forest_schema import TRUSTED_TYPES, require_forest
from model_registry.skops_archive import SCHEMA_MAX_BYTES
from pairity.errors import ModelIntegrityError
from pairity.settings import ModelSettings
from tests.model_registry.archives import (
    archive,
    call,
    edit_tree,
    find,
    fitted,
    frame,
    header,
    json_node,
    node,
    nodes_of,
    npy,
    pack,
    state,
    tuple_node,
    unpack,
)
from training.models import pair_forest


def build(content):
    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))


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


FUNCTION = node("FunctionNode", "os", "system")
TRUSTED_FUNCTION = node("FunctionNode", "numpy", "add")
SYSTEM = call("os", "system", "true")
PARTIAL = node(
    "PartialNode",
    "functools",
    "partial",
    content={"func": FUNCTION, "args": tuple_node(), "kwds": json_node({}), "namespace": json_node(None)},
)
METHOD = node("MethodNode", "builtins", "str", content={"func": "format", "obj": json_node("x")})
OPERATOR = node("OperatorFuncNode", "operator", "methodcaller", attrs=tuple_node(json_node("system")))
LOSS = node("LossNode", "os", "system", __reduce__={"args": tuple_node(json_node("true"))}, content=json_node(None, 8))
GENERATOR = node(
    "RandomGeneratorNode",
    "numpy.random",
    "Generator",
    content={"bit_generator": json_node("seed"), "seed_seq": json_node(None)},
)
SPARSE = node("SparseMatrixNode", "scipy.sparse", "csr_matrix", type="scipy", file="1.npz")
BYTES = node("BytesNode", "builtins", "bytes", file="schema.json")
LAMBDA = node("ObjectNode", "types", "FunctionType")
ESTIMATOR = node("ObjectNode", "sklearn.preprocessing._function_transformer", "FunctionTransformer", content=None)
RECURSIVE = node("CachedNode", None, None)
OBJECTS = node("NdArrayNode", "numpy", "ndarray", type="json", content=[SYSTEM], shape=tuple_node(json_node(1)))
DEFAULTS = node("DefaultDictNode", "collections", "defaultdict", content={"main": SYSTEM, "default_factory": SYSTEM})
TYPED = node("TypeNode", "builtins", "eval")

FOREIGN = {
    "a function": FUNCTION,
    "a function that skops trusts": TRUSTED_FUNCTION,
    "a call of anything": SYSTEM,
    "a prepared call": PARTIAL,
    "a method": METHOD,
    "an operator": OPERATOR,
    "a loss that is made by a call": LOSS,
    "a generator by name": GENERATOR,
    "a sparse matrix": SPARSE,
    "bytes": BYTES,
    "an object of any class": LAMBDA,
    "an estimator that skops trusts": ESTIMATOR,
    "a part met before": RECURSIVE,
    "an array of objects": OBJECTS,
    "a dictionary with a factory": DEFAULTS,
    "a class to call": TYPED,
    "a loader of nobody": node("EvilNode", "os", "system"),
    "no part": {},
    "a list": [],
    "nothing": None,
    "a text": "os.system",
    "a number": 1,
}
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


def members_of(schema, members):
    """Leave out what no part uses any more."""
    used = [part["file"] for part in nodes_of(schema) if "file" in part]
    for name in [name for name in members if name not in used]:
        del members[name]


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


def raw(content, **changes):
    """Change fields of the end record of a ZIP file."""
    fields = dict(
        zip(
            ("sign", "disk", "first", "here", "all", "size", "offset", "comment"),
            END.unpack(content[-22:]),
            strict=True,
        )
    )
    return content[:-22] + END.pack(*(fields | changes).values())


END = struct.Struct("<4s4H2LH")


def compressed(method):
    schema, members = unpack(archive())
    return pack(schema, members, method)


def bomb():
    schema, members = unpack(archive())
    return pack(schema, members | {"zeros.npy": bytes(1 << 24)}, zipfile.ZIP_DEFLATED)


def twice(name=None):
    schema, members = unpack(archive())
    buffer = io.BytesIO(archive())
    with zipfile.ZipFile(buffer, "a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of it, and does it
        file.writestr(name or next(iter(members)), json.dumps(schema))
    return buffer.getvalue()


def overlapping():
    """Many entries of the directory for the bytes of one member."""
    content = archive()
    start = content.index(b"PK\x01\x02")
    entry_size = content.index(b"PK\x01\x02", start + 4) - start
    entry = bytearray(content[start : start + entry_size])
    entries = b""
    for number in range(3000):
        name = f"{number:015d}.npy"[-(entry_size - 46) :].encode()
        entries += bytes(entry[:46]) + name
    directory = content[start:-22] + entries
    count = 3000 + END.unpack(content[-22:])[4]
    end = {"here": count, "all": count, "size": len(directory)}
    return raw(content[:start] + directory + content[-22:], **end)


def encrypted():
    content = bytearray(archive())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def said_sizes(size):
    content = bytearray(archive())
    place = content.index(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<2L", size, size)
    return bytes(content)


def schema_of(text):
    return pack(text, unpack(archive())[1])


ARCHIVES = {
    "nothing": lambda: b"",
    "one byte": lambda: b"P",
    "an end alone": lambda: b"PK\x05\x06" + bytes(18),
    "a pickle": lambda: b"cos\nsystem\n(S'true'\ntR.",
    "a pickle in gzip": lambda: gzip.compress(b"cos\nsystem\n(S'true'\ntR."),
    "a pickle before an archive": lambda: b"cos\nsystem\n(S'true'\ntR." + archive(),
    "something behind the archive": lambda: archive() + b"x",
    "an archive behind the archive": lambda: archive() + archive(trees=1),
    "a comment": lambda: raw(archive(), comment=1) + b"x",
    "half of it": lambda: archive()[: len(archive()) // 2],
    "more entries than said": lambda: raw(archive(), here=3, all=3),
    "no entries": lambda: raw(archive(), here=0, all=0),
    "a directory elsewhere": lambda: raw(archive(), offset=0),
    "a directory without end": lambda: raw(archive(), size=0xFFFFFFFF, offset=0xFFFFFFFF),
    "a second disk": lambda: raw(archive(), disk=1),
    "deflated members": lambda: compressed(zipfile.ZIP_DEFLATED),
    "members of bzip2": lambda: compressed(zipfile.ZIP_BZIP2),
    "members of LZMA": lambda: compressed(zipfile.ZIP_LZMA),
    "a bomb": bomb,
    "one array twice": twice,
    "two schemas": lambda: twice("schema.json"),
    "entries that share their bytes": overlapping,
    "an encrypted member": encrypted,
    "a member of 4 GB": lambda: said_sizes(0xFFFFFFFE),
    "a member of unknown size": lambda: said_sizes(0xFFFFFFFF),
    "a member that ends before its end": lambda: said_sizes(8),
    "a schema that is no JSON": lambda: schema_of(b"{"),
    "a schema of nothing": lambda: schema_of(b"null"),
    "a schema of a list": lambda: schema_of(b"[]"),
    "a schema in UTF-16": lambda: schema_of(json.dumps(unpack(archive())[0], indent=2).encode("utf-16")),
    "a schema in UTF-8": lambda: schema_of(b'{"protocol": 2, "name":        "\xc3\xa9"}'),
    "deep lists": lambda: schema_of(b" " * 4_000_000 + b"[" * 200_000 + b"]" * 200_000),
    "deep objects": lambda: schema_of(b'{"a":           ' * 100_000 + b"1" + b"}" * 100_000),
    "crowded lists": lambda: schema_of(b"[" + b"[]," * 1_000_000 + b"[]]"),
    "a large schema": lambda: schema_of(b" " * (SCHEMA_MAX_BYTES + 1)),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_skops_does_not_write_is_refused(kind):
    with pytest.raises(ModelIntegrityError, match="the model in here is refused"):
        require_forest(ARCHIVES[kind](), "here")


def test_as_many_trees_as_the_settings_allow_fit_into_a_file():
    schema, _ = unpack(archive(trees=60))
    (most,) = [limit.le for limit in ModelSettings.model_fields["n_estimators"].metadata if hasattr(limit, "le")]
    assert len(json.dumps(schema, indent=2)) / 60 * most < SCHEMA_MAX_BYTES


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


@settings(max_examples=40)
@given(mutated())
def test_a_changed_archive_is_a_forest_or_is_refused(content):
    harmless(content)


@pytest.mark.slow
@settings(max_examples=2000)
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
