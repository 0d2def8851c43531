"""Answers are kept a moment, and longer while a decision is being made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.web.answers import Answers, Pace
from tests.serving.api_scene import ApiScene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ApiScene]:
    made = ApiScene(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("busy", "after_s", "made"), [(False, 0.4, 1), (False, 0.6, 2), (True, 0.6, 1), (True, 3.4, 1), (True, 3.6, 2)]
)
def test_an_answer_is_kept_longer_while_a_decision_is_made(
    scene: ApiScene, busy: bool, after_s: float, made: int
) -> None:
    now_s, asked = [10.0], []

    async def ask_twice() -> None:
        answers = Answers(scene.sources, lambda: now_s[0])
        answers.is_busy = lambda: busy
        try:
            await answers.find("x", lambda _: f"{asked.append(1)}", Pace.QUICK)
            now_s[0] += after_s
            await answers.find("x", lambda _: f"{asked.append(1)}", Pace.QUICK)
        finally:
            answers.close()

    asyncio.run(ask_twice())
    assert len(asked) == made


@pytest.mark.parametrize(("busy", "made"), [(False, 2), (True, 1)])
def test_an_answer_of_before_a_change_is_given_only_while_a_decision_is_made(
    scene: ApiScene, busy: bool, made: int
) -> None:
    asked = []

    async def ask_twice() -> None:
        answers = Answers(scene.sources, lambda: 10.0)
        answers.is_busy = lambda: busy
        try:
            await answers.find("x", lambda _: f"{asked.append(1)}", Pace.SLOW)
            answers.outdate()
            await answers.find("x", lambda _: f"{asked.append(1)}", Pace.SLOW)
        finally:
            answers.close()

    asyncio.run(ask_twice())
    assert len(asked) == made
