"""Damage to an answer: values that are odd, missing, wrapped, too many or too deep, and text that is cut."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

from hypothesis import strategies as st

from tests.venue.canned import paths

ODD_VALUES = st.sampled_from(
    [
        None, True, False, 0, -1, 1.5, 10**30, "", " ", "0", "-1", "1e5", "1e1000000", "-1e1000000", "1e-1000000",
        "9" * 50, "9" * 5000, "0." + "0" * 60 + "1", "nan", "NaN", "Infinity", "-inf", "1_000", "0x10", "१", "1e400",
        "9223372036854775808", "-9223372036854775809", "253402300800000", "4102444800001", "99999999999999999999",
        [], {}, [[]], [{}], {"a": {"b": []}}, ["1"], "live", "buy", "net", "long", "x" * 300, "\x00", "\u202e", "é",
        "<b>", "' OR 1=1", "../../etc/passwd", "\n\r", "{}", "[", "1742317200000", "0e99", "0e-99",
    ]
)  # fmt: skip
# Copies: a later mutation changes what an earlier one put in.
ODD_VALUES = ODD_VALUES.map(copy.deepcopy)
ODD_TEXTS = [
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 60,
    '"a":1,"a":2',
    "[" * 50,
    "{" * 50,
    "\\ud800",
    "\x00",
    ",",
    '"',
    "}",
    "]",
]


def mutated(root: Any, data: st.DataObject) -> Any:
    root = copy.deepcopy(root)
    for _ in range(data.draw(st.integers(1, 3))):
        ways = list(itertools.islice(paths(root), 2_000))
        way = ways[data.draw(st.integers(0, len(ways) - 1))]
        if not way:
            root = data.draw(ODD_VALUES) if data.draw(st.booleans()) else [root]
            continue
        parent = root
        for key in way[:-1]:
            parent = parent[key]
        value = parent[way[-1]]
        kind = data.draw(
            st.sampled_from(
                ["drop", "drop", "odd", "odd", "odd", "odd", "odd", "odd", "wrap", "rename", "deep", "many"]
            )
        )
        if kind == "drop":
            del parent[way[-1]]
        elif kind == "odd":
            parent[way[-1]] = data.draw(ODD_VALUES)
        elif kind == "wrap":
            parent[way[-1]] = data.draw(st.sampled_from([[value], {"0": value}]))
        elif kind == "many":
            times = data.draw(st.sampled_from([2, 99, 100, 101, 11_000]))
            times = times if len(json.dumps(value)) * times < 1_000_000 else 2
            parent[way[-1]] = [copy.deepcopy(value) for _ in range(times)]
        elif kind == "rename" and isinstance(parent, dict):
            parent[data.draw(st.sampled_from(["", "data", "code", "sCode", "é"]))] = parent.pop(way[-1])
        else:
            for _ in range(data.draw(st.sampled_from([5, 20, 300]))):
                parent[way[-1]] = [parent[way[-1]]]
    return root


def text_of(root: Any, data: st.DataObject) -> str:
    text = json.dumps(root)
    if data.draw(st.integers(0, 3)) == 0:
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.sampled_from([at, at + 1, len(text)]))
        text = text[:at] + data.draw(st.sampled_from(ODD_TEXTS)) + text[end:]
    return text
