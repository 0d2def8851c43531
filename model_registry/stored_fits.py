"""What was learnt of a book, as files of its version: numbers in `book.json`, trees as LightGBM's checked text.

No file names code and no library reads one. Every field must be there, of its type and within its bounds; nothing else
may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from model_registry.lightgbm_text import REGRESSION, TREES_MAX_BYTES, read_trees
from model_registry.ranker_fits import HORIZON_DAYS, RANK_FEATURES, RankerFit, RankModel, RidgeModel, TreesModel
from model_registry.scorer_card import CardReader
from pairity.books.families import BookFamily, Ranker
from pairity.bounded_numbers import show
from pairity.digest import digest_bytes
from pairity.timeline import HOUR, floor_to

_MOST_SLOPE, _MOST_MEAN = 1e6, 4.0
"""Targets are clipped to ±4."""
_FIT_FIELDS = ("made_at", "features", "features_sha256", "models")
_RIDGE_FIELDS, _TREE_FIELDS = ("days", "mean", "slopes"), ("days", "trees_sha256")

FIT_FILES: Mapping[str, int] = {f"trees_{days}d.txt": TREES_MAX_BYTES for days in HORIZON_DAYS}
"""Files of trees beside `book.json`, with the most bytes that each may have."""


def write_fit(fit: RankerFit) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what `book.json` holds of a fit, and the files beside it; the same fit gives the same bytes."""
    files: dict[str, bytes] = {}
    models: list[dict[str, Any]] = []
    for days, model in fit.models.items():
        if isinstance(model, RidgeModel):
            models.append({"days": days, "mean": model.mean, "slopes": list(model.slopes)})
        else:
            files[_name_trees(days)] = model.text
            models.append({"days": days, "trees_sha256": digest_bytes(model.text)})
    content = {
        "made_at": fit.made_at.isoformat(),
        "features": list(RANK_FEATURES),
        "features_sha256": _digest_features(RANK_FEATURES),
        "models": models,
    }
    return content, files


def read_fit(
    reader: CardReader, family: BookFamily, content: object, files: Mapping[str, bytes], train_end: str
) -> RankerFit:
    """Return the fit of a family's file; ModelIntegrityError for any other content.

    `files` are those of `FIT_FILES` that lie beside it. `train_end`: the last instant that the version says it has seen
    (ISO 8601), which no fit may lie behind; empty where that was not recorded.
    """
    reader.require_fields(content, _FIT_FIELDS, "its fit")
    made_at = _read_close(reader, content["made_at"], train_end)
    features = reader.read_names(content["features"], "features")
    if features != RANK_FEATURES or content["features_sha256"] != _digest_features(features):
        reader.refuse("its features are not those that this release ranks names by")
    listed = content["models"]
    if not isinstance(listed, list) or len(listed) != len(HORIZON_DAYS):
        reader.refuse(f"its fit does not have the {len(HORIZON_DAYS)} horizons")
    models: dict[int, RankModel] = {}
    for days, one in zip(HORIZON_DAYS, listed, strict=True):
        is_ridge = family.ranker is Ranker.RIDGE
        reader.require_fields(one, _RIDGE_FIELDS if is_ridge else _TREE_FIELDS, f"its model of {days} days")
        if type(one["days"]) is not int or one["days"] != days:
            reader.refuse(f"days is {show(str(one['days'])[:100])}, not {days}")
        models[days] = _read_ridge(reader, one) if is_ridge else _read_trees(reader, days, one, files)
    expected = set() if family.ranker is Ranker.RIDGE else {_name_trees(days) for days in HORIZON_DAYS}
    if set(files) != expected:
        reader.refuse(f"beside it lie {', '.join(sorted(files)) or 'no trees'}, not the trees of its fit")
    return RankerFit(made_at, models)


def _read_ridge(reader: CardReader, content: Mapping[str, Any]) -> RidgeModel:
    slopes = reader.read_numbers(content["slopes"], "slopes", len(RANK_FEATURES), -_MOST_SLOPE, _MOST_SLOPE)
    return RidgeModel(reader.read_number(content["mean"], "mean", -_MOST_MEAN, _MOST_MEAN), slopes)


def _read_trees(reader: CardReader, days: int, content: Mapping[str, Any], files: Mapping[str, bytes]) -> TreesModel:
    name = _name_trees(days)
    text = files.get(name)
    if text is None or content["trees_sha256"] != digest_bytes(text):
        reader.refuse(f"{name} is not the file that its fit names")
    return TreesModel(text, read_trees(text, RANK_FEATURES, reader.place, REGRESSION))


def _read_close(reader: CardReader, value: object, train_end: str) -> datetime:
    """Return the close of a fit, a whole hour in UTC."""
    try:
        made_at = datetime.fromisoformat(value) if isinstance(value, str) else None
        end = datetime.fromisoformat(train_end) if train_end else None
    except ValueError:
        made_at, end = None, None
    if made_at is None or made_at.tzinfo != UTC or floor_to(made_at, HOUR) != made_at:
        reader.refuse(f"made_at is {show(str(value)[:100])}, which is no close of an hour in UTC")
    if end is not None and end.tzinfo is not None and made_at > end:
        reader.refuse(
            f"it was fitted at {made_at:%Y-%m-%d %H:%M}, and its version says it has seen {end:%Y-%m-%d %H:%M}"
        )
    return made_at


def _name_trees(days: int) -> str:
    return f"trees_{days}d.txt"


def _digest_features(names: Sequence[str]) -> str:
    return digest_bytes("\n".join(names).encode())
