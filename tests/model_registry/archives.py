"""Archives of a small real forest, and the same taken apart, changed and put together again."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from functools import lru_cache

import numpy as np
import pandas as pd
import skops.io

from model_registry.forest_schema import TRUSTED_TYPES
from pairity.settings import ModelSettings
from training.models import pair_forest

ASSETS = ("BTC", "ETH")
ROWS = 120


@lru_cache
def frame():
    rng = np.random.default_rng(0)
    numbers = {"z_score": rng.normal(size=ROWS), "volatility": rng.normal(size=ROWS)}
    return pd.DataFrame({**numbers, "base_asset": rng.choice(ASSETS, ROWS), "quote_asset": rng.choice(ASSETS, ROWS)})


@lru_cache
def fitted(calibration="none", trees=2):
    rows = np.arange(ROWS)
    settings = ModelSettings(n_estimators=trees, min_samples_leaf=5, max_depth=3, calibration=calibration)
    labels = (frame()["z_score"].to_numpy() > 0.3).astype(np.int64)
    splits = [(rows[:60], rows[60:]), (rows[60:], rows[:60])]
    return pair_forest.fit_pipeline(frame(), labels, ASSETS, settings, fit_threads=1, splits=splits)


@lru_cache
def archive(calibration="none", trees=2):
    """The bytes of a fitted forest, as MLflow stores them."""
    return skops.io.dumps(fitted(calibration, trees))


def unpack(content):
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    return json.loads(members.pop("schema.json")), members


def pack(schema, members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.writestr("schema.json", schema if isinstance(schema, bytes) else json.dumps(schema, indent=2))
    return buffer.getvalue()


def nodes_of(schema):
    """Every part of a schema, from the top down."""
    found = [schema]
    for part in found:
        for value in part.values() if isinstance(part, dict) else part:
            if isinstance(value, dict | list):
                found.append(value)
    return [part for part in found if isinstance(part, dict) and "__loader__" in part]


def find(schema, class_name):
    """The last part that names a class: of trees and forests the last is a fitted one."""
    return [part for part in nodes_of(schema) if part["__class__"] == class_name][-1]


def state(part):
    """The attributes of an object, by name."""
    return part["content"]["content"]


_FOREIGN = 10**9
"""From here on no archive of ours numbers a part: skops would take two of one number for one."""


def json_node(value, identity=_FOREIGN + 7):
    content = json.dumps(value)
    return node("JsonNode", "builtins", "str", identity, content=content, is_json=True)


def node(loader, module, name, identity=_FOREIGN + 9, **others):
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": identity, **others}


def tuple_node(*parts, identity=_FOREIGN + 11):
    return node("TupleNode", "builtins", "tuple", identity, content=list(parts))


def call(module, name, *arguments):
    """The part that makes skops call any importable thing with texts."""
    content = tuple_node(*(json_node(text, _FOREIGN + 1000 + place) for place, text in enumerate(arguments)))
    return node("ConstructorFromReduceNode", module, name, _FOREIGN + 13, content=content)


def edit_tree(schema, members, change):
    """Change the nodes of the last tree in place; `change` gets the writable array."""
    name = state(find(schema, "Tree"))["nodes"]["file"]
    array = np.load(io.BytesIO(members[name])).copy()
    change(array)
    members[name] = npy(array)


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def header(content, **changes):
    """Change the header of an array; its length stays."""
    size = struct.unpack("<H", content[8:10])[0]
    text = content[10 : 10 + size].decode()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new, 1).rstrip("\n")[: size - 1].ljust(size - 1) + "\n"
    return content[:10] + text.encode() + content[10 + size :]


def members_of(schema, members):
    """Leave out what no part uses any more."""
    used = [part["file"] for part in nodes_of(schema) if "file" in part]
    for name in [name for name in members if name not in used]:
        del members[name]


def build(content):
    """What skops makes of an archive, unchecked."""
    return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
