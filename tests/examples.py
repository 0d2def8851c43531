"""How many examples a property test tries: all of them in `make test-slow`, a share of them in `make test`."""

from __future__ import annotations

from hypothesis import settings

THOROUGH = "thorough"
_SHARE, _FEWEST = 4, 3


def register_profiles() -> None:
    """Register `quick` and `thorough`, for tests that name no number of their own. A timing is never a test."""
    settings.register_profile("quick", deadline=None, max_examples=25)
    settings.register_profile(THOROUGH, deadline=None, max_examples=200)


def examples(thorough: int) -> int:
    """Return the number of examples of a costly test: `thorough`, or in `make test` a fourth of them.

    It must be asked after the profile was loaded: where a test module decorates its tests.
    """
    if settings.get_current_profile_name() == THOROUGH:
        return thorough
    return max(_FEWEST, thorough // _SHARE)
