"""No number is written with an exponent: where `g` and `e` would write one, `pairity/number_formats.py` does not."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from pairity.number_formats import format_plain
from tests.house.source_tree import Module, modules

_ALLOWED = {"pairity.number_formats", "paper_exchange.market.synthetic_assets"}
"""Where the text is no text for people: it is read back as a number."""


def list_exponents(module: Module) -> list[int]:
    """Lines with a format of an f-string that ends in `g` or `e`."""
    formats = [node.format_spec for node in ast.walk(module.tree) if isinstance(node, ast.FormattedValue)]
    last = [(spec.values[-1], spec.lineno) for spec in formats if isinstance(spec, ast.JoinedStr) and spec.values]
    return [line for part, line in last if isinstance(part, ast.Constant) and str(part.value)[-1] in "geGE"]


def test_no_format_can_write_an_exponent():
    found = {name: list_exponents(module) for name, module in modules().items() if name not in _ALLOWED}
    assert {name: lines for name, lines in found.items() if lines} == {}


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 9))
def test_a_plain_number_is_the_short_one_without_its_exponent(value, digits):
    text = format_plain(value, digits)
    assert "e" not in text
    assert float(text) == float(f"{value:.{digits}g}")
    if "e" not in f"{value:.{digits}g}":
        assert text == f"{value:.{digits}g}"
