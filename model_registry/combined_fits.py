"""The fit of a combination: what each of its books had learnt at one moment, and what it had done until then.

Training makes it, a version holds it, and backtest and trading process go on from it alike.
Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from model_registry.outcome_fits import OutcomeFit
from model_registry.ranker_fits import RankerFit


@dataclass(frozen=True, slots=True)
class MemberFit:
    """One book of a combination."""

    fit: RankerFit | OutcomeFit | None = None
    """None for a rule."""
    begun: bool = False
    """Whether it had wanted anything on the walk: then it has a share from the first decision on."""
    past: tuple[float, ...] = ()
    """Its returns from decision to decision since it began, oldest first; kept where shares follow them."""


@dataclass(frozen=True, slots=True)
class CombinedFit:
    """Books of a combination by name, as of the close `made_at`."""

    made_at: datetime
    members: Mapping[str, MemberFit]
