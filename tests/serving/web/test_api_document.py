"""docs/api.md: every path is in it, and every example is an answer as the description declares it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

TEXT = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
PARTS = dict(re.findall(r"^## GET (/api/v1\S+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def schema(client):
    return client.get("openapi.json")


def test_every_path_is_described_and_none_that_is_not_there(schema):
    assert set(PARTS) == set(schema["paths"])


@pytest.mark.parametrize("path", PARTS)
def test_every_example_is_an_answer(schema, path):
    content = schema["paths"][path]["get"]["responses"]["200"]["content"]
    example = re.search(r"```json\n(.*?)```", PARTS[path], re.DOTALL)
    if "application/json" not in content:
        assert example is None
        return
    declared = {**content["application/json"]["schema"], "components": schema["components"]}
    jsonschema.Draft202012Validator(declared).validate(json.loads(example[1]))


@pytest.mark.parametrize("path", PARTS)
def test_every_filter_is_named(schema, path):
    shared = {"limit", "before", "Last-Event-ID", "after"}
    for parameter in schema["paths"][path]["get"].get("parameters", []):
        if parameter["in"] == "query" and parameter["name"] not in shared and path != "/api/v1/trades.csv":
            assert f"`{parameter['name']}`" in PARTS[path], parameter["name"]
