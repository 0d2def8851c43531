"""Ways of changing a model's folder so that a loader that believes it runs code, which makes a canary."""

import base64
import gzip
import io
import json
import os
import pickle

import joblib
import numpy as np

from model_registry import loading
from tests.model_registry.archives import call, find, pack, state, unpack


class Payload:
    """Writes the canary when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def mlmodel(folder, **flavour):
    """Let the model's own file say how it is to be loaded."""
    lines = [
        "flavors:",
        "  sklearn:",
        "    sklearn_version: 1.9.1",
        "  python_function:",
        "    loader_module: mlflow.sklearn",
    ]
    lines[3:3] = [f"    {key}: {json.dumps(value)}" for key, value in flavour.items()]
    (folder / "MLmodel").write_text("\n".join(lines) + "\n")


def pickle_under_another_name(folder, canary):
    (folder / "requirements.txt").write_bytes(pickle.dumps(Payload(canary)))
    mlmodel(folder, pickled_model="requirements.txt", serialization_format="pickle")


def format_left_out(folder, canary):
    (folder / "model.skops").write_bytes(pickle.dumps(Payload(canary)))
    mlmodel(folder, pickled_model="model.skops")


def format_of_cloudpickle(folder, canary):
    (folder / "conda.yaml").write_bytes(pickle.dumps(Payload(canary)))
    mlmodel(folder, pickled_model="conda.yaml", serialization_format="cloudpickle")


def model_outside(folder, canary):
    (canary.parent / "outside").write_bytes(pickle.dumps(Payload(canary)))
    outside = os.path.relpath(canary.parent / "outside", folder)
    mlmodel(folder, pickled_model=outside, serialization_format="pickle")


def types_of_its_own(folder, canary):
    schema, members = unpack((folder / "model.skops").read_bytes())
    state(find(schema, "FunctionTransformer"))["func"] = call("os", "mkdir", str(canary))
    (folder / "model.skops").write_bytes(pack(schema, members))
    mlmodel(
        folder,
        pickled_model="model.skops",
        serialization_format="skops",
        skops_trusted_types=["os.mkdir", *loading.TRUSTED_TYPES],
    )


def code_folder(folder, canary):
    (folder / "code").mkdir()
    (folder / "code" / "evil.py").write_text(f"import os\nos.mkdir({str(canary)!r})\n")
    text = "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n"
    (folder / "MLmodel").write_text(text)


BELIEVED = {
    "a pickle under another name": pickle_under_another_name,
    "the format left out": format_left_out,
    "the format of cloudpickle": format_of_cloudpickle,
    "a model outside": model_outside,
    "types of its own": types_of_its_own,
    "a folder of code": code_folder,
}
DECIDES_NOTHING = {"a pickle under another name", "the format of cloudpickle", "a model outside"}
"""Tricks of which only files speak that nothing reads: the model is the registered one, and is loaded as such."""


def replaced_by(make):
    return lambda folder, canary: (folder / "model.skops").write_bytes(make(canary))


def zip_of_pickle(canary):
    return pack({"a": 1}, {"data.pkl": pickle.dumps(Payload(canary))})


def array_of_pickle(canary):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(canary)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def joblib_of_pickle(canary):
    buffer = io.BytesIO()
    joblib.dump(Payload(canary), buffer)
    return buffer.getvalue()


def text_pickle(canary):
    return f"cos\nmkdir\n(S{str(canary)!r}\ntR.".encode()


def skops_with(change):
    def changed(folder, canary):
        schema, members = unpack((folder / "model.skops").read_bytes())
        change(schema, members, canary)
        (folder / "model.skops").write_bytes(pack(schema, members))

    return changed


def call_in_encoder(schema, members, canary):
    state(find(schema, "OrdinalEncoder"))["dtype"] = call("os", "mkdir", str(canary))


def call_as_model(schema, members, canary):
    schema.update(call("os", "mkdir", str(canary)))


def pickle_in_archive(schema, members, canary):
    members[next(iter(members))] = array_of_pickle(canary)


def loose(name):
    return lambda folder, canary: (folder / name).write_bytes(pickle.dumps(Payload(canary)))


def link_to_pickle(folder, canary):
    (canary.parent / "outside").write_bytes(pickle.dumps(Payload(canary)))
    (folder / "model.skops").unlink()
    (folder / "model.skops").symlink_to(canary.parent / "outside")


REFUSED = {
    "a pickle as model": replaced_by(lambda canary: pickle.dumps(Payload(canary))),
    "an old pickle as model": replaced_by(text_pickle),
    "a pickle in gzip as model": replaced_by(lambda canary: gzip.compress(pickle.dumps(Payload(canary)))),
    "a pickle in a ZIP as model": replaced_by(zip_of_pickle),
    "a pickle in an array as model": replaced_by(array_of_pickle),
    "a file of joblib as model": replaced_by(joblib_of_pickle),
    "Python as model": replaced_by(lambda canary: f"import os; os.mkdir({str(canary)!r})".encode()),
    "a script as model": replaced_by(lambda canary: f"#!/bin/sh\nmkdir {canary}\n".encode()),
    "text of base64 as model": replaced_by(lambda canary: base64.b64encode(pickle.dumps(Payload(canary)))),
    "a call in the encoder": skops_with(call_in_encoder),
    "a call as model": skops_with(call_as_model),
    "a pickle among the arrays": skops_with(pickle_in_archive),
    "a pickle beside the model": loose("model.pkl"),
    "a pickle of another case": loose("MODEL.SKOPS"),
    "a pickle that MLflow was allowed to write": loose("registered_model_meta"),
    "a hidden pickle": loose(".model.skops"),
    "a link to a pickle": link_to_pickle,
}
