"""What was learnt of a book, as files of its version: numbers in `book.json`, trees as LightGBM's checked text.

No file names code and no library reads one. Every field must be there, of its type and within its bounds; nothing else
may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from model_registry.lightgbm_text import REGRESSION, TREES_MAX_BYTES, read_trees
from model_registry.outcome_fits import PAIR_FEATURES, OutcomeFit, OutcomeTrees
from model_registry.ranker_fits import HORIZON_DAYS, RANK_FEATURES, RankerFit, RankModel, RidgeModel, TreesModel
from model_registry.scorer_card import CardReader
from pairity.books.families import BookFamily, OutcomeModel, Ranker
from pairity.books.outcomes import HORIZONS
from pairity.bounded_numbers import show
from pairity.digest import digest_bytes
from pairity.timeline import HOUR, floor_to

_MOST_SLOPE, _MOST_MEAN = 1e6, 4.0
"""Targets are clipped to ±4."""
_MOST_MARGIN, _MOST_TRIP = 100.0, 1.0
_FIT_FIELDS = ("made_at", "features", "features_sha256", "models")
_OUTCOME_FIELDS = (*_FIT_FIELDS, "margin", "round_trip")
_RIDGE_FIELDS, _TREE_FIELDS = ("days", "mean", "slopes"), ("days", "trees_sha256")
_OUTCOME_TREE_FIELDS = ("hours", "mean", "trees_sha256")

LearntFit = RankerFit | OutcomeFit
"""What a version of a book that learns holds."""
FIT_FILES: Mapping[str, int] = dict.fromkeys(
    (*(f"trees_{days}d.txt" for days in HORIZON_DAYS), *(f"trees_{hours}h.txt" for hours in HORIZONS)), TREES_MAX_BYTES
)
"""Files of trees beside `book.json`, with the most bytes that each may have."""


def write_fit(fit: LearntFit) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what `book.json` holds of a fit, and the files beside it; the same fit gives the same bytes."""
    return _write_ranker(fit) if isinstance(fit, RankerFit) else _write_outcomes(fit)


def read_fit(
    reader: CardReader,
    family: BookFamily,
    content: Any,  # noqa: ANN401 - any JSON
    files: Mapping[str, bytes],
    train_end: str,
) -> LearntFit:
    """Return the fit of a family's file; ModelIntegrityError for any other content.

    `files` are those of `FIT_FILES` that lie beside it. `train_end`: the last instant that the version says it has seen
    (ISO 8601), which no fit may lie behind; empty where that was not recorded.
    """
    learns_outcomes = family.outcome is not None
    reader.require_fields(content, _OUTCOME_FIELDS if learns_outcomes else _FIT_FIELDS, "its fit")
    made_at = read_close(reader, content["made_at"], train_end)
    expected = PAIR_FEATURES if learns_outcomes else RANK_FEATURES
    features = reader.read_names(content["features"], "features")
    if features != expected or content["features_sha256"] != _digest_features(features):
        reader.refuse("its features are not those that this release forecasts by")
    if not isinstance(content["models"], list):
        reader.refuse("its models are no list")
    if family.outcome is not None:
        return _read_outcomes(reader, family.outcome, content, files, made_at)
    return _read_ranker(reader, family.ranker is Ranker.RIDGE, content["models"], files, made_at)


def _write_ranker(fit: RankerFit) -> tuple[dict[str, Any], dict[str, bytes]]:
    files: dict[str, bytes] = {}
    models: list[dict[str, Any]] = []
    for days, model in fit.models.items():
        if isinstance(model, RidgeModel):
            models.append({"days": days, "mean": model.mean, "slopes": list(model.slopes)})
        else:
            files[f"trees_{days}d.txt"] = model.text
            models.append({"days": days, "trees_sha256": digest_bytes(model.text)})
    return _describe(fit, RANK_FEATURES, models), files


def _write_outcomes(fit: OutcomeFit) -> tuple[dict[str, Any], dict[str, bytes]]:
    files = {f"trees_{hours}h.txt": model.text for hours, model in fit.models.items()}
    models = [
        {"hours": hours, "mean": model.mean, "trees_sha256": digest_bytes(model.text)}
        for hours, model in fit.models.items()
    ]
    own = {"margin": fit.margin, "round_trip": fit.round_trip}
    return _describe(fit, PAIR_FEATURES, models) | own, files


def _describe(fit: LearntFit, features: Sequence[str], models: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "made_at": fit.made_at.isoformat(),
        "features": list(features),
        "features_sha256": _digest_features(features),
        "models": models,
    }


def _read_ranker(
    reader: CardReader, is_ridge: bool, listed: list[Any], files: Mapping[str, bytes], made_at: datetime
) -> RankerFit:
    if len(listed) != len(HORIZON_DAYS):
        reader.refuse(f"its fit does not have the {len(HORIZON_DAYS)} horizons")
    models: dict[int, RankModel] = {}
    for days, one in zip(HORIZON_DAYS, listed, strict=True):
        reader.require_fields(one, _RIDGE_FIELDS if is_ridge else _TREE_FIELDS, f"its model of {days} days")
        if type(one["days"]) is not int or one["days"] != days:
            reader.refuse(f"days is {show(str(one['days'])[:100])}, not {days}")
        if is_ridge:
            slopes = reader.read_numbers(one["slopes"], "slopes", len(RANK_FEATURES), -_MOST_SLOPE, _MOST_SLOPE)
            models[days] = RidgeModel(reader.read_number(one["mean"], "mean", -_MOST_MEAN, _MOST_MEAN), slopes)
        else:
            text = _take_text(reader, f"trees_{days}d.txt", one["trees_sha256"], files)
            models[days] = TreesModel(text, read_trees(text, RANK_FEATURES, reader.place, REGRESSION))
    _require_files(reader, files, [] if is_ridge else [f"trees_{days}d.txt" for days in models])
    return RankerFit(made_at, models)


def _read_outcomes(
    reader: CardReader, kind: OutcomeModel, content: Mapping[str, Any], files: Mapping[str, bytes], made_at: datetime
) -> OutcomeFit:
    averaged = kind is OutcomeModel.FOREST
    models: dict[int, OutcomeTrees] = {}
    for one in content["models"]:
        reader.require_fields(one, _OUTCOME_TREE_FIELDS, "its model of a holding")
        hours = one["hours"]
        if type(hours) is not int or hours not in HORIZONS or any(known >= hours for known in models):
            reader.refuse(f"hours is {show(str(hours)[:100])}, not the next of {', '.join(map(str, HORIZONS))}")
        mean = reader.read_number(one["mean"], "mean", -_MOST_MEAN, _MOST_MEAN)
        text = _take_text(reader, f"trees_{hours}h.txt", one["trees_sha256"], files)
        trees = read_trees(text, PAIR_FEATURES, reader.place, REGRESSION, averaged=averaged)
        models[hours] = OutcomeTrees(mean, text, trees, averaged)
    _require_files(reader, files, [f"trees_{hours}h.txt" for hours in models])
    margin = content["margin"]
    if margin is None and models:
        reader.refuse("it trades nothing, and holds models")
    return OutcomeFit(
        made_at=made_at,
        models=models,
        margin=None if margin is None else reader.read_number(margin, "margin", 0.0, _MOST_MARGIN),
        round_trip=reader.read_number(content["round_trip"], "round_trip", 0.0, _MOST_TRIP),
    )


def _take_text(reader: CardReader, name: str, digest: object, files: Mapping[str, bytes]) -> bytes:
    text = files.get(name)
    if text is None or digest != digest_bytes(text):
        reader.refuse(f"{name} is not the file that its fit names")
    return text


def _require_files(reader: CardReader, files: Mapping[str, bytes], names: Sequence[str]) -> None:
    if set(files) != set(names):
        reader.refuse(f"beside it lie {', '.join(sorted(files)) or 'no trees'}, not the trees of its fit")


def read_close(reader: CardReader, value: object, train_end: str) -> datetime:
    """Return the close of a fit, a whole hour in UTC, and not behind `train_end` (`read_fit`)."""
    try:
        made_at = datetime.fromisoformat(value) if isinstance(value, str) else None
        end = datetime.fromisoformat(train_end) if train_end else None
    except ValueError:
        made_at, end = None, None
    if made_at is None or made_at.tzinfo != UTC or floor_to(made_at, HOUR) != made_at:
        reader.refuse(f"made_at is {show(str(value)[:100])}, which is no close of an hour in UTC")
    if end is not None and end.tzinfo is not None and made_at > end:
        reader.refuse(
            f"it was fitted at {made_at:%Y-%m-%d %H:%M} UTC, and its version says it has seen {end:%Y-%m-%d %H:%M} UTC"
        )
    return made_at


def _digest_features(names: Sequence[str]) -> str:
    return digest_bytes("\n".join(names).encode())
