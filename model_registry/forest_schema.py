"""What the file of a stored pair forest looks like, part by part; whatever looks otherwise is not built.

The forest is a scikit-learn pipeline: an encoder of the two assets, then a random forest, whose votes may be
calibrated. Here is each attribute that such a pipeline has after fitting, with the values that it may have. There is no
place in it for a function, a method, a class to call, an object array or bytes.

scikit-learn walks a tree in compiled code, and believes what the nodes say of each other. So the nodes are checked too:
children come behind their parents and exist, features exist, and all parts speak of the same features and classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_registry.calibration_schema import read_isotonic, read_sigmoid
from model_registry.schema_kinds import (
    FLOAT64,
    INT64,
    Kind,
    SchemaReader,
    array_of,
    attributes_of,
    class_of,
    constant,
    list_of,
    map_of,
    names,
    number_of,
    object_of,
    one_of,
    scalar,
    slices,
    tuple_of,
)
from model_registry.skops_archive import SkopsArchive

TRUSTED_TYPES = (
    "sklearn.tree._tree.Tree",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
"""Types that skops may build beyond its own list: a constant, whatever a file says of itself."""
_PROTOCOL = 2
_NO_CHILD = -1
_ROUNDING = 1e-9
_CLASSES = [0, 1]

NODE_DTYPE = np.dtype(
    {
        "names": [
            "left_child",
            "right_child",
            "feature",
            "threshold",
            "impurity",
            "n_node_samples",
            "weighted_n_node_samples",
            "missing_go_to_left",
        ],
        "formats": ["<i8", "<i8", "<i8", "<f8", "<f8", "<i8", "<f8", "u1"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)
"""A node of scikit-learn's trees, padding included."""

_TEXT, _WHOLE, _NUMBER, _YES_OR_NO = scalar(str), scalar(int, least=0), scalar(int, float), scalar(bool)
_NOTHING, _NO = constant(None), constant(False)
_NUMBER_OR_NOTHING, _WHOLE_OR_NOTHING = scalar(int, float, type(None)), scalar(int, type(None))
_ONE_THREAD = constant(None, 1)
_TEXTS, _WHOLES = list_of(_TEXT), list_of(_WHOLE)
_VERSION = {"_sklearn_version": _TEXT}


def _read_tree(reader: SchemaReader, part: dict[str, Any], path: str) -> int:
    """Return the number of features of a tree whose nodes only lead down to its leaves."""
    reader.require(part, path, ("TreeNode", "sklearn.tree._tree", "Tree"), "content", "__reduce__")
    arguments = part["__reduce__"]
    if not isinstance(arguments, dict) or arguments.keys() != {"args"}:
        reader.refuse(path, "it is not made as trees are")
    features, classes, _ = reader.read(_TREE_ARGUMENTS, arguments["args"], path)
    if classes.tolist() != [len(_CLASSES)]:
        reader.refuse(path, "it does not have two classes")
    state = reader.read(_TREE_STATE, part["content"], path)
    owned = [reader.own(part["content"]["content"][name], part, f"{path}.{name}") for name in ("nodes", "values")]
    nodes, count = state["nodes"], state["node_count"]
    if not len(nodes) or (count, state["values"].shape) != (len(nodes), (len(nodes), 1, len(_CLASSES))):
        reader.refuse(path, f"it has {len(nodes)} nodes, and says {count}")
    # Negated: NaN compares with nothing
    if not ((state["values"] >= 0) & (state["values"] <= 1 + _ROUNDING)).all():
        reader.refuse(path, "a leaf has shares of classes that are none")
    if any(owned):
        _require_way_down(reader, nodes, features, path)
    return int(features)


def _require_way_down(reader: SchemaReader, nodes: NDArray[Any], features: int, path: str) -> None:
    inner = nodes["left_child"] != _NO_CHILD
    places = np.arange(len(nodes))
    for child in (nodes["left_child"], nodes["right_child"]):
        # Behind its parent: so every way down ends
        if not ((child > places) & (child < len(nodes)))[inner].all() or not (child == _NO_CHILD)[~inner].all():
            reader.refuse(path, "a node has a child that is none")
    if not ((nodes["feature"] >= 0) & (nodes["feature"] < features))[inner].all():
        reader.refuse(path, f"a node asks for a feature that is none of {features}")


def _read_classes(reader: SchemaReader, part: dict[str, Any], path: str) -> list[float]:
    """Return the classes; those of a forest are integers, those of its trees floats."""
    classes: list[float] = _CLASSES_ARRAY(reader, part, path).tolist()
    return classes


_CLASSES_ARRAY = array_of(INT64, FLOAT64)
_TREE_ARGUMENTS = tuple_of(_WHOLE, array_of(INT64), constant(1))
_TREE_STATE = attributes_of(
    {
        "max_depth": _WHOLE,
        "node_count": _WHOLE,
        "nodes": array_of(NODE_DTYPE),
        "values": array_of(FLOAT64, dimensions=3),
    },
    "max_depth",
    "node_count",
    "nodes",
    "values",
)
_GROWTH: dict[str, Kind] = {
    "criterion": constant("gini"),
    "max_depth": _WHOLE_OR_NOTHING,
    "min_samples_split": _NUMBER,
    "min_samples_leaf": _NUMBER,
    "min_weight_fraction_leaf": _NUMBER,
    "max_features": constant(None, "sqrt"),
    "max_leaf_nodes": _WHOLE_OR_NOTHING,
    "min_impurity_decrease": _NUMBER,
    "random_state": _WHOLE_OR_NOTHING,
    "ccp_alpha": _NUMBER,
    "monotonic_cst": _NOTHING,
    **_VERSION,
}
_TREE_MODEL = object_of(
    "sklearn.tree._classes",
    "DecisionTreeClassifier",
    {
        **_GROWTH,
        "splitter": constant("best"),
        "class_weight": _NOTHING,
        "n_features_in_": _WHOLE,
        "n_outputs_": constant(1),
        "classes_": _read_classes,
        "n_classes_": number_of(INT64),
        "max_features_": _WHOLE,
        "tree_": _read_tree,
    },
)
_FOREST = object_of(
    "sklearn.ensemble._forest",
    "RandomForestClassifier",
    {
        **_GROWTH,
        "estimator": _TREE_MODEL,
        "n_estimators": _WHOLE,
        "estimator_params": list_of(_TEXT, of=tuple),
        "bootstrap": _YES_OR_NO,
        "oob_score": _NO,
        "n_jobs": _ONE_THREAD,
        "verbose": constant(0),
        "warm_start": _NO,
        "class_weight": one_of({"dict": map_of(_NUMBER, "int")}, _NOTHING),
        "max_samples": _NUMBER_OR_NOTHING,
        "n_features_in_": _WHOLE,
        "_n_samples": _WHOLE,
        "_n_samples_bootstrap": _WHOLE_OR_NOTHING,
        "_sample_weight": one_of({"ndarray": array_of(FLOAT64)}, _NOTHING),
        "n_outputs_": constant(1),
        "classes_": _read_classes,
        "n_classes_": constant(len(_CLASSES)),
        "estimator_": _TREE_MODEL,
        "estimators_": list_of(_TREE_MODEL),
    },
)
_FITTED = ("estimators_", "n_classes_", "n_outputs_", "n_features_in_", "classes_")
"""What a forest has after fitting; the settings of a calibration hold one that is not fitted."""
_METHOD = constant("sigmoid", "isotonic")
_CALIBRATED_FOREST = object_of(
    "sklearn.calibration",
    "_CalibratedClassifier",
    {
        "estimator": _FOREST,
        "calibrators": list_of(one_of({"IsotonicRegression": read_isotonic}, read_sigmoid), count=1),
        "classes": _read_classes,
        "method": _METHOD,
    },
    "estimator",
    "calibrators",
    "classes",
    "method",
)
_CALIBRATION = object_of(
    "sklearn.calibration",
    "CalibratedClassifierCV",
    {
        "estimator": _FOREST,
        "method": _METHOD,
        "cv": list_of(tuple_of(array_of(INT64), array_of(INT64))),
        "n_jobs": _ONE_THREAD,
        "ensemble": _NO,
        "calibrated_classifiers_": list_of(_CALIBRATED_FOREST, count=1),
        "classes_": _read_classes,
        "n_features_in_": _WHOLE,
        **_VERSION,
    },
    "calibrated_classifiers_",
)
_ASSETS = object_of(
    "sklearn.preprocessing._encoders",
    "OrdinalEncoder",
    {
        "categories": list_of(_TEXTS),
        "dtype": class_of("numpy", "float64"),
        "handle_unknown": constant("error"),
        "unknown_value": _NOTHING,
        "encoded_missing_value": scalar(float),
        "min_frequency": _NOTHING,
        "max_categories": _NOTHING,
        "_infrequent_enabled": _NO,
        "feature_names_in_": names,
        "n_features_in_": _WHOLE,
        "categories_": list_of(names),
        "_missing_indices": map_of(_WHOLE, "int"),
        **_VERSION,
    },
)
_OTHERS = object_of(
    "sklearn.preprocessing._function_transformer",
    "FunctionTransformer",
    {
        "func": _NOTHING,
        "inverse_func": _NOTHING,
        "validate": _NO,
        "accept_sparse": _YES_OR_NO,
        "check_inverse": _NO,
        "feature_names_out": constant("one-to-one"),
        "kw_args": _NOTHING,
        "inv_kw_args": _NOTHING,
        "_sklearn_output_config": map_of(constant("default")),
        "feature_names_in_": names,
        "n_features_in_": _WHOLE,
        **_VERSION,
    },
)
_STEP = tuple_of(_TEXT, one_of({"FunctionTransformer": _OTHERS, "JsonNode": constant("passthrough")}, _ASSETS), _TEXTS)
_ENCODER = object_of(
    "sklearn.compose._column_transformer",
    "ColumnTransformer",
    {
        "transformers": list_of(_STEP),
        "transformers_": list_of(_STEP),
        "remainder": constant("passthrough"),
        "_remainder": _STEP,
        "sparse_threshold": _NUMBER,
        "n_jobs": _ONE_THREAD,
        "transformer_weights": _NOTHING,
        "verbose": _NO,
        "verbose_feature_names_out": _NO,
        "feature_names_in_": names,
        "n_features_in_": _WHOLE,
        "_n_features": _WHOLE,
        "_columns": list_of(_TEXTS),
        "_transformer_to_input_indices": map_of(_WHOLES),
        "sparse_output_": _NO,
        "output_indices_": map_of(slices),
        **_VERSION,
    },
)
_PIPELINE = object_of(
    "sklearn.pipeline",
    "Pipeline",
    {
        "steps": tuple_of(
            tuple_of(constant("encode"), _ENCODER),
            tuple_of(constant("forest"), one_of({"CalibratedClassifierCV": _CALIBRATION}, _FOREST)),
            of=list,
        ),
        "transform_input": _NOTHING,
        "memory": _NOTHING,
        "verbose": _NO,
        **_VERSION,
    },
    "steps",
)


def require_forest(content: bytes, place: str) -> None:
    """Raise ModelIntegrityError, which names `place`, unless `content` is the skops file of a pair forest of ours.

    Nothing is built and nothing is imported that the file names. The work is bounded by the size of the file.
    """
    _read_forest(content, place)


def require_calibrated_forest(content: bytes, place: str) -> None:
    """Raise what `require_forest` raises, and ModelIntegrityError for a forest whose votes are not calibrated."""
    reader, model = _read_forest(content, place)
    if "calibrated_classifiers_" not in model:
        reader.refuse("the forest", "its votes are not calibrated, as those of its family are")


def _read_forest(content: bytes, place: str) -> tuple[SchemaReader, dict[str, Any]]:
    archive = SkopsArchive(content, place)
    schema = archive.schema
    if type(schema.get("protocol")) is not int or schema["protocol"] != _PROTOCOL:
        raise archive.refuse(f"it is of the skops protocol {schema.get('protocol')!r:.100}, not {_PROTOCOL}")
    if not isinstance(schema.get("_skops_version"), str):
        raise archive.refuse("it does not say which skops wrote it")
    top = {key: value for key, value in schema.items() if key not in {"protocol", "_skops_version"}}
    reader = SchemaReader(archive)
    try:
        pipeline = reader.read(_PIPELINE, top, "")
    except RecursionError:
        raise archive.refuse("its parts lie too deep in each other") from None
    archive.require_all_read()
    model = pipeline["steps"][1][1]
    fitted = model["calibrated_classifiers_"][0]["estimator"] if "calibrated_classifiers_" in model else model
    _require_fitted(reader, model, fitted)
    return reader, model


def _require_fitted(reader: SchemaReader, model: dict[str, Any], forest: dict[str, Any]) -> None:
    """Refuse a forest whose trees do not fit its own features and classes, which compiled code relies on."""
    missing = [name for name in _FITTED if name not in forest]
    if missing:
        reader.refuse("the forest", f"it is not fitted: {missing[0]} is not there")
    features = forest["n_features_in_"]
    trees = forest["estimators_"]
    said = {model.get("n_features_in_"), *(tree.get("n_features_in_") for tree in trees)}
    said |= {tree.get("tree_") for tree in trees}
    if said != {features}:
        reader.refuse("the forest", f"its parts have {sorted(map(str, said))[:5]} features, itself {features}")
    if not trees:
        reader.refuse("the forest", "it has no trees")
    if model.get("classes_") != _CLASSES or forest["classes_"] != _CLASSES:
        reader.refuse("the forest", "its classes are not 0 and 1")
