"""Sets of time against sets of integers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingestion.lake.spans import clip, subtract, union

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


def members(spans: object) -> set[int]:
    return {at for since, until in spans for at in range(since, until)}


@given(SPANS)
def test_union_holds_the_same_instants_sorted_disjoint_and_apart(spans: list[tuple[int, int]]) -> None:
    merged = union(spans)
    assert members(merged) == members(spans)
    assert all(a[1] < b[0] for a, b in pairwise(merged))


@given(SPANS, st.integers(0, 30), st.integers(0, 30))
def test_subtract_and_clip_share_a_span_between_them(spans: list[tuple[int, int]], since: int, until: int) -> None:
    missing, present = members(subtract((since, until), spans)), members(clip(spans, since, until))
    assert missing | present == set(range(since, until))
    assert not missing & present
