"""Parts that no stored forest has, some of which skops would build, call or trust."""

from __future__ import annotations

from tests.model_registry.archives import call, json_node, node, tuple_node

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
