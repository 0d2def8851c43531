"""The same bits for one row and for many."""

import ast
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

import feature_repo.transforms
from feature_repo.transforms.division import divide

TRANSFORMS = Path(feature_repo.transforms.__file__).parent


@given(
    values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=40),
    by=st.sampled_from([3.0, 365.0**0.5, 7.3, 3600.0]),
)
def test_a_row_alone_has_the_bits_that_it_has_among_others(values, by):
    frame = pl.DataFrame({"x": values})
    together = frame.select(divide(pl.col("x"), by))["x"].to_list()
    alone = [frame[at : at + 1].select(divide(pl.col("x"), by))["x"].item() for at in range(len(values))]
    assert np.array(together).tobytes() == np.array(alone).tobytes()


def test_polars_own_division_is_why():
    numbers = pl.DataFrame({"x": [1.0 + step / 7 for step in range(50)]})
    together = numbers.select(pl.col("x") / 365.0**0.5)["x"].to_list()
    alone = [numbers[at : at + 1].select(pl.col("x") / 365.0**0.5)["x"].item() for at in range(50)]
    assert together != alone, "Polars divides one row as it divides many now: `divide` is not needed any more"


def test_no_transform_divides_a_column_by_a_number():
    found = []
    for path in sorted(TRANSFORMS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and is_number(node.right):
                columns = [
                    part for part in ast.walk(node.left) if isinstance(part, ast.Attribute) and part.attr == "col"
                ]
                if columns:
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []


def is_number(node):
    return all(isinstance(part, ast.Constant | ast.BinOp | ast.operator) for part in ast.walk(node))
