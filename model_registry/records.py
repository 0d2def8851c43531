"""Records of the registry: a registered version, and the verdict of the promotion gate that is stored with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feature_repo.catalog import Service, find_service
from pairity.books.families import BOOK_FAMILIES
from pairity.bounded_numbers import show
from pairity.errors import RegistryError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHALLENGER = "challenger"
"""Alias of the newest version that has not been champion yet; the trading process scores it in shadow."""
GATE_PASSED, GATE_FAILED, GATE_NOT_ASKED = "passed", "failed", "not asked"
GATE_TAG, CHECKS_TAG, DIGEST_TAG = "gate", "gate_checks", "model_sha256"
REASON_TAG = "promotion_reason"
ON_TRIAL = "first model, on trial"
"""Beginning of the reason for which the first model is champion although it did not pass the gate."""
DESPITE_PARITY = "despite parity"
"""Beginning of the reason of a version that a person promoted over a parity mismatch: real money is refused to it."""
PARITY_CHECK = "parity"
"""Check of the gate that asks whether what was decided on is what the offline store says."""
TRADES_CHECK, NO_TRADES = "trades", "0 closed"
"""Check of the gate that counts positions, and what it finds where the backtest closed none."""
FAMILY_TAG = "family"
THRESHOLD_TAG = "threshold"
"""Probability above which the version says that a position pays, as Python writes the float; missing: it has none."""
DRIFT_TAG = "drift_sha256"
"""Digest of the distributions that drift is measured from, a file of the run; missing in versions of older releases."""
RULE_VERSION = "0"
"""Version that decisions of a rule in a replay name: the registry counts from 1 and keeps no rule."""
REFERENCE_FAMILY = "pair_forest"
"""Family of a version that does not say which: forests, those of earlier releases among them."""
REQUIRED_TAGS = ("feature_service", DIGEST_TAG, "snapshot_id", "code_revision", "train_end")
"""Tags without which a version is neither registered nor used: they lead back to features, files, data and code."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate: whether it passed, the actual value in words, and the value it needed."""

    name: str
    passed: bool
    actual: str
    needed: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'} {self.name}: {self.actual} (needed: {self.needed})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of the gate, in the order in which it makes them."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """What failed, in one line, or that nothing did."""
        failed = [f"{check.name}: {check.actual}, needed {check.needed}" for check in self.checks if not check.passed]
        return "; ".join(failed) if failed else f"passed all {len(self.checks)} checks of the gate"

    def to_json(self) -> str:
        """Return the checks as JSON, for a tag of the version."""
        # Stored with every version since the first: `actual` keeps its name on disk, which is `found`.
        stored = [
            {"name": check.name, "passed": check.passed, "found": check.actual, "needed": check.needed}
            for check in self.checks
        ]
        return json.dumps(stored, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Return the verdict that `to_json` wrote; RegistryError for anything else."""
        try:
            items = [(item["name"], item["passed"], item["found"], item["needed"]) for item in json.loads(text)]
        except (ValueError, TypeError, KeyError, RecursionError):
            items = [("", None, "", "")]
        texts = [text for name, _, found, needed in items for text in (name, found, needed)]
        if not all(isinstance(item[1], bool) for item in items) or not all(isinstance(text, str) for text in texts):
            raise RegistryError("the gate's checks cannot be read: somebody has changed them", "train again")
        return cls(tuple(Check(name, passed, found, needed) for name, passed, found, needed in items))


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One registered model version, and where it came from: an order is traced back to it."""

    name: str
    version: str
    run_id: str
    """MLflow run that trained it."""
    uri: str
    """Where MLflow finds its files."""
    sha256: str
    """`model_digest` of its files at registration."""
    feature_service: str
    """Name of the features that it was trained on and must be given."""
    snapshot_id: str
    train_end: str
    """Last instant that training has seen (ISO 8601): nothing up to it may be used to compare models."""
    gate: str = GATE_NOT_ASKED
    """Answer of the promotion gate: `passed`, `failed` or `not asked`."""
    universe: str = ""
    """Assets that it was trained on, comma-separated in universe order; empty where that was not recorded."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """All tags of the version as stored, those above included."""
    aliases: tuple[str, ...] = ()
    """Aliases that pointed to it when it was read, sorted."""

    @classmethod
    def from_mlflow(cls, version: ModelVersion) -> ModelRef:
        """Return the reference of MLflow's record; fields are empty where a tag is missing (see `require_tags`)."""
        # SQLite keeps whatever was written into a column of text: what is no text is no tag
        tags = {name: value for name, value in version.tags.items() if isinstance(name, str) and isinstance(value, str)}
        return cls(
            name=str(version.name),
            version=str(version.version),  # MLflow's SQL store answers with an int
            run_id=str(version.run_id),
            uri=str(version.source),
            sha256=tags.get(DIGEST_TAG, ""),
            feature_service=tags.get("feature_service", ""),
            snapshot_id=tags.get("snapshot_id", ""),
            train_end=tags.get("train_end", ""),
            gate=tags.get(GATE_TAG, GATE_NOT_ASKED),
            universe=tags.get("universe", ""),
            tags=tags,
            aliases=tuple(sorted(version.aliases)),
        )

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity of the version: name, number and the digest of its files."""
        return (self.name, self.version, self.sha256)

    @property
    def family(self) -> str:
        """Name of the model family: it decides how the files are read."""
        return self.tags.get(FAMILY_TAG, REFERENCE_FAMILY)

    @property
    def is_book(self) -> bool:
        """Whether it is a book of many names, and not a model that scores pairs."""
        return self.family in BOOK_FAMILIES

    @property
    def threshold(self) -> float | None:
        """Probability above which it says that a position pays; None where it has none. RegistryError for no number."""
        return read_threshold(self.tags, f"version {self.version} of model {self.name!r}")

    @property
    def service(self) -> Service:
        """The declared feature service; UnknownNameError where this code does not declare it any more."""
        return find_service(self.feature_service)

    @property
    def verdict(self) -> Verdict | None:
        """Verdict of the gate; None where the gate was not asked."""
        text = self.tags.get(CHECKS_TAG)
        return None if text is None else Verdict.from_json(text)

    @property
    def is_on_trial(self) -> bool:
        """Whether it is champion only because there was none before it: it did not pass the gate."""
        return self.gate != GATE_PASSED and self.tags.get(REASON_TAG, "").startswith(ON_TRIAL)

    @property
    def is_despite_parity(self) -> bool:
        """Whether a person promoted it although values that were decided on differed from the offline store's."""
        return self.tags.get(REASON_TAG, "").startswith(DESPITE_PARITY)

    @property
    def has_never_traded(self) -> bool:
        """Whether its backtest closed no position at all: the gate's figures say nothing of it.

        RegistryError where the gate's checks cannot be read.
        """
        checks = () if self.verdict is None else self.verdict.checks
        return any(check.name == TRADES_CHECK and check.actual == NO_TRADES for check in checks)

    def explain_trial(self) -> str | None:
        """Return in words what a model on trial has shown; None for one that is not on trial."""
        if not self.is_on_trial:
            return None
        if self.has_never_traded:
            return (
                f"version {self.version} is ON TRIAL and its backtest closed NO TRADE: nothing is known of it; "
                "it may trade on a paper exchange and nowhere else"
            )
        return (
            f"version {self.version} is ON TRIAL: it did not pass the gate and is champion because there was none; "
            "real money is refused to it"
        )


def read_threshold(tags: Mapping[str, str], what: str) -> float | None:
    """Return the threshold that tags name, to the last bit; None where they name none.

    RegistryError, which names `what`, for anything but a number from 0 to 1: nothing may be traded by a guess.
    """
    text = tags.get(THRESHOLD_TAG)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise RegistryError(
            f"{what} has the threshold {show(text[:100])}, which is no number from 0 to 1",
            "train again, or restore the registry from a copy",
        )
    return value


def require_tags(name: str, version: str, tags: Mapping[str, str]) -> None:
    """Raise RegistryError unless every tag of `REQUIRED_TAGS` is present and not empty."""
    missing = [tag for tag in REQUIRED_TAGS if not tags.get(tag)]
    if missing:
        raise RegistryError(
            f"version {version} of model {name!r} lacks {', '.join(missing)}: its origin cannot be traced",
            "train again: registration writes them",
        )
