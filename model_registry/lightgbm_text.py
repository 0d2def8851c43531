"""LightGBM's text of a fitted booster, read by a grammar of our own: LightGBM itself never reads a stored file.

Its reader is compiled code that believes every length and index of the text. Here each line has its place, each list
its length, each number its bounds, and the nodes of a tree only lead down to its leaves, each of which is reached once.
What is read is the part up to `end of trees`; the sections behind it (importances, parameters, categories of pandas)
are cut off before a model is stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from pairity.bounded_numbers import show
from pairity.errors import ModelIntegrityError
from pairity.number_formats import format_plain

TREES_FILE = "trees.txt"
TREES_MAX_BYTES = 4 << 20
MAX_TREES = 1000
MAX_LEAVES = 1024
MAX_CATEGORIES = 1024
"""Places that the bits of one categorical split may name."""
MAX_SCORE = 500.0
"""Most that all trees together may add up to, up or down: its exponential is finite."""
CLASSES, REGRESSION = "binary sigmoid:1", "regression"
"""Objectives of the boosters that are read: probabilities of a label, and numbers."""
_END = b"end of trees\n"
_LINE_MAX = 1 << 16
_NUMBER = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,24})?(?:e[+-][0-9]{1,3})?", re.ASCII)
_ENDLESS = "inf"
"""Threshold of a split that only asks whether there is a value."""
_WHOLE = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_RANGE = re.compile(r"none|\[[-+.0-9e]{1,40}:[-+.0-9e]{1,40}\]|-?[0-9]{1,4}(?::[0-9]{1,4})*", re.ASCII)
_WORD_BITS = 32
CATEGORICAL, DEFAULT_LEFT = 1, 2
ZERO_IS_MISSING, NAN_IS_MISSING = 4, 8
_DECISIONS = frozenset(
    {CATEGORICAL, CATEGORICAL | NAN_IS_MISSING}
    | {default | missing for default in (0, DEFAULT_LEFT) for missing in (0, ZERO_IS_MISSING, NAN_IS_MISSING)}
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TreeArrays:
    """All trees of a booster in flat arrays; a negative child or root `n` is the leaf at `-1 - n`."""

    roots: Ints
    """One per tree, in the order in which their leaves are added."""
    features: Ints
    thresholds: Floats
    decisions: Ints
    """LightGBM's flags per node: categorical, missing values go left, what counts as missing."""
    left: Ints
    right: Ints
    first_bit: Ints
    """Place in `bits` at which the categories of a node begin; `bit_count` many of them."""
    bit_count: Ints
    bits: NDArray[np.bool_]
    """True: the category goes left."""
    leaves: Floats


def cut_text(text: str) -> bytes:
    """Return what is stored of LightGBM's text: everything up to the end of the trees."""
    content = text.encode("ascii")
    return content[: content.index(_END) + len(_END)]


def read_trees(
    content: bytes, features: Sequence[str], place: str, objective: str = CLASSES, *, averaged: bool = False
) -> TreeArrays:
    """Return the trees of a stored text over `features`; ModelIntegrityError, which names `place`, for any other text.

    `averaged`: of a forest, which says `sum_leaves` over the number of its trees. The work and the memory are bounded
    by the size of the text, at most 4 MiB.
    """
    return _Reader(content, place).read(features, objective, averaged=averaged)


@dataclass(slots=True)
class _Tree:
    features: list[int]
    thresholds: list[float]
    decisions: list[int]
    left: list[int]
    right: list[int]
    leaves: list[float]
    boundaries: list[int]
    words: list[int]


class _Reader:
    """Reads a text line by line; each line is asked for by its name."""

    def __init__(self, content: bytes, place: str) -> None:
        self._place = place
        if len(content) > TREES_MAX_BYTES:
            self._refuse(f"the trees have {len(content)} bytes, at most {TREES_MAX_BYTES} are read")
        if not content.endswith(b"\n" + _END) or not content.isascii():
            self._refuse("it does not end with its trees")
        self._lines = content.decode("ascii").split("\n")[:-1]
        self._at = 0

    def read(self, features: Sequence[str], objective: str, *, averaged: bool) -> TreeArrays:
        self._literal("tree")
        for name, value in (("version", "v4"), ("num_class", "1"), ("num_tree_per_iteration", "1")):
            self._constant(name, value)
        self._constant("label_index", "0")
        self._constant("max_feature_idx", str(len(features) - 1))
        self._constant("objective", objective)
        if averaged:
            self._literal("average_output")
        self._constant("feature_names", " ".join(features))
        ranges = self._value("feature_infos").split(" ")
        if len(ranges) != len(features) or not all(map(_RANGE.fullmatch, ranges)):
            self._refuse("its ranges of features are none")
        sizes = self._whole("tree_sizes", None, 1, TREES_MAX_BYTES)
        if not 0 < len(sizes) <= MAX_TREES:
            self._refuse(f"it has {len(sizes)} trees; 1 to {MAX_TREES} are read")
        self._literal("")
        trees = [self._tree(number, size, len(features)) for number, size in enumerate(sizes)]
        self._literal("end of trees")
        if self._at != len(self._lines):
            self._refuse("it has something behind its end")
        if sum(max(map(abs, tree.leaves)) for tree in trees) > MAX_SCORE:
            self._refuse(f"its leaves add up to more than {format_plain(MAX_SCORE)}")
        return _flatten(trees)

    def _tree(self, number: int, size: int, features: int) -> _Tree:
        began = self._at
        self._constant("Tree", str(number))
        (leaves,) = self._whole("num_leaves", 1, 1, MAX_LEAVES)
        (splits,) = self._whole("num_cat", 1, 0, leaves - 1)
        nodes = leaves - 1
        split_feature = self._whole("split_feature", nodes, 0, features - 1)
        self._numbers("split_gain", nodes)
        thresholds = self._numbers("threshold", nodes, endless=True)
        decisions = self._whole("decision_type", nodes, 0, 15)
        left = self._whole("left_child", nodes, -leaves, nodes - 1)
        right = self._whole("right_child", nodes, -leaves, nodes - 1)
        values = self._numbers("leaf_value", leaves)
        self._numbers("leaf_weight", leaves if nodes else None)
        self._whole("leaf_count", leaves if nodes else None, 0, 2**31 - 1)
        self._numbers("internal_value", nodes)
        self._numbers("internal_weight", nodes)
        self._whole("internal_count", nodes, 0, 2**31 - 1)
        boundaries, words = [0], []
        if splits:
            boundaries = self._whole("cat_boundaries", splits + 1, 0, splits * MAX_CATEGORIES // _WORD_BITS)
            words = self._whole("cat_threshold", boundaries[-1], 0, 2**32 - 1)
        self._constant("is_linear", "0")
        self._numbers("shrinkage", 1)
        self._literal("")
        self._literal("")
        if sum(len(line) + 1 for line in self._lines[began : self._at]) != size:
            self._refuse(f"tree {number} does not have the size that it says")
        tree = _Tree(
            features=split_feature,
            thresholds=thresholds,
            decisions=decisions,
            left=left,
            right=right,
            leaves=values,
            boundaries=boundaries,
            words=words,
        )
        self._require_way_down(tree, number)
        self._require_categories(tree, number, splits)
        return tree

    def _require_way_down(self, tree: _Tree, number: int) -> None:
        """Refuse a tree in which a node does not come behind its parent, or anything is reached twice or never."""
        nodes = len(tree.left)
        children = [*tree.left, *tree.right]
        if sorted(children) != [*range(-nodes - 1, 0), *range(1, nodes)] and nodes:
            self._refuse(f"tree {number} reaches a node or leaf twice, or never")
        for parent, both in enumerate(zip(tree.left, tree.right, strict=True)):
            if any(0 <= child <= parent for child in both):
                self._refuse(f"tree {number} leads up")

    def _require_categories(self, tree: _Tree, number: int, splits: int) -> None:
        """Refuse a tree whose categorical nodes do not name the sets 0, 1, … of categories, each once."""
        if not _DECISIONS.issuperset(tree.decisions):
            self._refuse(f"tree {number} has a decision that is none")
        named = [
            threshold
            for threshold, decision in zip(tree.thresholds, tree.decisions, strict=True)
            if decision & CATEGORICAL
        ]
        lengths = [after - before for before, after in zip(tree.boundaries, tree.boundaries[1:], strict=False)]
        if sorted(named) != list(range(splits)) or tree.boundaries[0] != 0:
            self._refuse(f"tree {number} does not name its categories")
        if not all(0 < length <= MAX_CATEGORIES // _WORD_BITS for length in lengths):
            self._refuse(f"tree {number} has sets of categories that overlap, or are too long")

    def _value(self, name: str) -> str:
        line = self._lines[self._at] if self._at < len(self._lines) else ""
        if len(line) > _LINE_MAX or not line.startswith(f"{name}="):
            self._refuse(f"{show(line[:100])} where {name} must be")
        self._at += 1
        return line[len(name) + 1 :]

    def _literal(self, line: str) -> None:
        if self._at >= len(self._lines) or self._lines[self._at] != line:
            self._refuse(f"line {self._at + 1} is not {show(line)}")
        self._at += 1

    def _constant(self, name: str, expected: str) -> None:
        value = self._value(name)
        if value != expected:
            self._refuse(f"{name} is {show(value)}, not {show(expected)}")

    def _whole(self, name: str, count: int | None, low: int, high: int) -> list[int]:
        values = [int(text) for text in self._texts(name, count, _WHOLE.fullmatch)]
        if any(not low <= value <= high for value in values):
            self._refuse(f"{name} has a number that is not between {low} and {high}")
        return values

    def _numbers(self, name: str, count: int | None, *, endless: bool = False) -> list[float]:
        def matches(text: str) -> bool:
            return _NUMBER.fullmatch(text) is not None or (endless and text == _ENDLESS)

        texts = self._texts(name, count, matches)
        values = [float(text) for text in texts]
        if any(abs(value) == inf and text != _ENDLESS for value, text in zip(values, texts, strict=True)):
            self._refuse(f"{name} has a number that is not finite")
        return values

    def _texts(self, name: str, count: int | None, matches: Callable[[str], object]) -> list[str]:
        value = self._value(name)
        texts = value.split(" ") if value else []
        if count is not None and len(texts) != count:
            self._refuse(f"{name} has {len(texts)} numbers, not {count}")
        if not all(map(matches, texts)):
            self._refuse(f"{name} holds what is no number")
        return texts

    def _refuse(self, why: str) -> NoReturn:
        raise ModelIntegrityError(
            f"the model in {self._place} is refused: {why}",
            "nothing of it was run; train again, or restore the directory from a copy",
        )


def _flatten(trees: Sequence[_Tree]) -> TreeArrays:
    """Put the trees into flat arrays, nodes and leaves numbered through."""
    roots, left, right, first_bit, bit_count = [], [], [], [], []
    bits: list[NDArray[np.bool_]] = []
    node = leaf = bit = 0
    for tree in trees:
        sets = []
        for begin, end in zip(tree.boundaries, tree.boundaries[1:], strict=False):
            words = np.array(tree.words[begin:end], dtype="<u4")
            sets.append((bit, len(words) * _WORD_BITS))
            bits.append(np.unpackbits(words.view(np.uint8), bitorder="little").astype(np.bool_))
            bit += len(words) * _WORD_BITS
        roots.append(node if tree.left else -1 - leaf)
        left += [child + node if child >= 0 else child - leaf for child in tree.left]
        right += [child + node if child >= 0 else child - leaf for child in tree.right]
        for threshold, decision in zip(tree.thresholds, tree.decisions, strict=True):
            begin, count = sets[int(threshold)] if decision & CATEGORICAL else (0, 0)
            first_bit.append(begin)
            bit_count.append(count)
        node += len(tree.left)
        leaf += len(tree.leaves)
    return TreeArrays(
        roots=np.array(roots, dtype=np.int64),
        features=np.array([one for tree in trees for one in tree.features], dtype=np.int64),
        thresholds=np.array([one for tree in trees for one in tree.thresholds], dtype=np.float64),
        decisions=np.array([one for tree in trees for one in tree.decisions], dtype=np.int64),
        left=np.array(left, dtype=np.int64),
        right=np.array(right, dtype=np.int64),
        first_bit=np.array(first_bit, dtype=np.int64),
        bit_count=np.array(bit_count, dtype=np.int64),
        bits=np.concatenate(bits) if bits else np.zeros(0, dtype=np.bool_),
        leaves=np.array([one for tree in trees for one in tree.leaves], dtype=np.float64),
    )
