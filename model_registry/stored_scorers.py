"""Models that are no forest, built from their checked files: boosted trees, a logistic model, a constant rule.

Each answers as a classifier of scikit-learn does (`classes_`, `predict_proba` on the model matrix), so that training,
the gate, the trading process and `pairity trace` score all families alike. A row's probability depends on that row
alone, and is summed in one order: backtest and trading have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model_registry.lightgbm_text import TREES_FILE, TreeArrays, read_trees
from model_registry.logistic_terms import LOGISTIC, LogisticTerms, map_logistic, read_terms
from model_registry.scorer_card import CARD_FILE, CardReader, ScorerCard

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
TREES, CONSTANT = "trees", "constant"
"""Kinds of scorers, beside the logistic one."""


@dataclass(frozen=True)
class StoredScorer:
    """A model that scores rows of its features, categories as their places."""

    card: ScorerCard
    score: Callable[[Floats], Floats]
    """Probability of label 1 per row of inputs (rows × features)."""

    @property
    def classes_(self) -> list[int]:
        """Labels in the order of the columns of `predict_proba`."""
        return [0, 1]

    def predict_proba(self, matrix: pd.DataFrame) -> Floats:
        """Return the probability of label 0 and of label 1 per row.

        ValueError for other columns than the model's, and for a category that it has never seen.
        """
        positive = self.score(self._encode(matrix))
        return np.column_stack([1.0 - positive, positive])

    def _encode(self, matrix: pd.DataFrame) -> Floats:
        if tuple(matrix.columns) != self.card.features:
            raise ValueError(f"the model was trained on {self.card.features}, not on {tuple(matrix.columns)}")
        inputs = np.empty(matrix.shape, dtype=np.float64)
        for column, name in enumerate(self.card.features):
            known = self.card.categories.get(name)
            inputs[:, column] = matrix[name].to_numpy() if known is None else _find_places(name, matrix[name], known)
        return inputs


def build_scorer(files: Mapping[str, bytes], place: str) -> StoredScorer:
    """Return the model of checked files; ModelIntegrityError, which names `place`, for any other content.

    Nothing in the files names code, and no library reads them.
    """
    reader = CardReader(place)
    card = reader.read(files[CARD_FILE])
    kind = card.scorer.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        reader.refuse("it scores in a way that is none of ours")
    if (TREES_FILE in files) != (kind == TREES):
        reader.refuse(f"{TREES_FILE} belongs to boosted trees, and to nothing else")
    return StoredScorer(card, _KINDS[kind](reader, card, files))


def _build_trees(reader: CardReader, card: ScorerCard, files: Mapping[str, bytes]) -> Callable[[Floats], Floats]:
    reader.require_fields(card.scorer, ("kind",), "its scorer")
    return partial(_score_trees, read_trees(files[TREES_FILE], card.features, reader.place))


def _build_logistic(reader: CardReader, card: ScorerCard, _files: Mapping[str, bytes]) -> Callable[[Floats], Floats]:
    numeric = [place for place, name in enumerate(card.features) if name not in card.categories]
    terms = read_terms(reader, card.scorer, len(numeric))
    return partial(_score_terms, terms, numeric)


def _build_constant(reader: CardReader, card: ScorerCard, _files: Mapping[str, bytes]) -> Callable[[Floats], Floats]:
    reader.require_fields(card.scorer, ("kind", "probability"), "its scorer")
    probability = reader.read_number(card.scorer["probability"], "probability", 0.0, 1.0)
    return partial(_score_constant, probability)


# Functions of the module: a model goes to another process as it is.
def _score_trees(trees: TreeArrays, inputs: Floats) -> Floats:
    return map_logistic(_sum_leaves(trees, inputs))


def _score_terms(terms: LogisticTerms, numeric: Sequence[int], inputs: Floats) -> Floats:
    return terms.score(inputs[:, numeric])


def _score_constant(probability: float, inputs: Floats) -> Floats:
    return np.full(len(inputs), probability)


_KINDS: Mapping[str, Callable[[CardReader, ScorerCard, Mapping[str, bytes]], Callable[[Floats], Floats]]] = {
    TREES: _build_trees,
    LOGISTIC: _build_logistic,
    CONSTANT: _build_constant,
}


def _sum_leaves(trees: TreeArrays, inputs: Floats) -> Floats:
    from model_registry.tree_scores import sum_leaves  # compiles, which a process without boosted trees need not

    return sum_leaves(trees, inputs)


def _find_places(name: str, values: Any, known: tuple[str, ...]) -> list[int]:  # noqa: ANN401 - a column of pandas
    places = {value: place for place, value in enumerate(known)}
    unknown = sorted({str(value) for value in values if value not in places})
    if unknown:
        raise ValueError(f"nothing was learnt about the {name} {', '.join(unknown)[:200]}")
    return [places[value] for value in values]
