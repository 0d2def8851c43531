"""A thing is named by its name, what begins only it, or latest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import ConfigError, UnknownNameError
from pairity.references import LATEST, find_named

NAMES = st.lists(st.text("abc1", min_size=1, max_size=6), min_size=1, max_size=12, unique=True)


@given(NAMES, st.text("abc1", max_size=6))
def test_a_reference_is_one_name_or_refused(names, text):
    begun = [name for name in names if text and name.startswith(text)]
    try:
        found = find_named("run", text, names)
    except UnknownNameError:
        assert begun == []
    except ConfigError:
        assert len(begun) > 1
        assert text not in names
    else:
        assert found == text or begun == [found]


@given(NAMES)
def test_latest_is_the_first(names):
    assert find_named("run", LATEST, names) == names[0]


def test_what_is_not_found_names_candidates():
    with pytest.raises(UnknownNameError, match="did you mean 'pairitye1'"):
        find_named("order", "pairitye2", ["pairitye1", "x"])
    with pytest.raises(ConfigError, match="begins 2 orders"):
        find_named("order", "p", ["pa", "pb"])
    with pytest.raises(UnknownNameError, match="none exist"):
        find_named("order", LATEST, [])
