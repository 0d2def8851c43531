"""Property tests try a share of their examples in `make test`, and all of them in `make test-slow`."""

import re
from pathlib import Path

import pytest
from hypothesis import settings

from tests.examples import THOROUGH, examples

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("profile", "tried"), [("quick", [3, 3, 10]), (THOROUGH, [3, 8, 40])])
def test_how_many_are_tried(profile, tried):
    before = settings.get_current_profile_name()
    settings.load_profile(profile)
    try:
        assert [examples(number) for number in (3, 8, 40)] == tried
    finally:
        settings.load_profile(before)


def test_the_slow_suites_try_all():
    """Hypothesis marks its tests itself, state machines too."""
    recipe = re.search(r"^test-slow:.*\n\t(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert recipe.startswith(f"HYPOTHESIS_PROFILE={THOROUGH} ")
    assert '-m "slow or hypothesis"' in recipe
