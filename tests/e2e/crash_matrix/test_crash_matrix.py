"""A tenth of the crash matrix, chosen evenly; all of it is `make crash-matrix`."""

from __future__ import annotations

import pytest

from tests.e2e.crash_matrix.__main__ import main

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.crash_matrix, pytest.mark.timeout(900)]


@pytest.mark.parametrize("legs", ["base", "both", "isolated"])
def test_a_tenth_of_the_matrix_recovers(legs):
    # An odd distance: before and after take turns.
    assert main(["--legs", legs, "--every", "9"]) == 0


@pytest.mark.parametrize("legs", ["base", "both", "isolated"])
@pytest.mark.parametrize("how", [["--first", "3", "--down", "600"], ["--first", "7", "--twice"]], ids=["late", "twice"])
def test_some_of_it_recovers_after_ten_minutes_and_after_a_second_kill(legs, how):
    assert main(["--legs", legs, "--every", "31", *how]) == 0
