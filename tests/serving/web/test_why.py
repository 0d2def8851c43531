"""The chain behind an order over HTTP: an unknown one starts no walk, a known one is walked once for all who ask."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from pairity.errors import DataError
from pairity.settings import Settings
from serving.views.errors import NotFoundError
from serving.views.order_chain import find_order
from serving.web.answers import BusyError
from serving.web.chain_walks import ChainWalks, make_walk_command
from tests.serving.api_scene import ApiScene
from tests.serving.trading import T0


def walks(tmp_path, code):
    return ChainWalks(Settings(home=tmp_path), lambda order: [sys.executable, "-c", code, order])


def test_an_order_is_found_by_both_of_its_ids_and_an_unknown_one_is_none(tmp_path):
    scene = ApiScene(tmp_path)
    scene.trade(T0)
    with scene.inputs() as seen:
        (row, *_) = seen.journal.ask("SELECT client_order_id, order_id FROM intents WHERE order_id IS NOT NULL")
        assert find_order(seen, row["client_order_id"]) == row["client_order_id"]
        assert find_order(seen, row["order_id"]) == row["client_order_id"]
        for name in ("pairitye0", "' OR 1=1", "", "x" * 300, "--help", "latest"):
            with pytest.raises(NotFoundError, match="no order of this id"):
                find_order(seen, name)
    scene.close()


def test_the_command_is_the_plain_one():
    assert make_walk_command("pairitye1")[1:] == ["-m", "pairity_cli", "trace", "pairitye1", "--chain"]


def test_an_order_is_walked_once_for_all_who_ask_and_is_kept(tmp_path):
    code = "import sys, os, pathlib; f = pathlib.Path(os.environ['PAIRITY_HOME'], 'n'); f.open('a').write('x'); "
    found = walks(tmp_path, code + "print(sys.argv[1], os.getpriority(os.PRIO_PROCESS, 0))")

    async def ask():
        first = await asyncio.gather(*(found.walk("o1") for _ in range(5)))
        return [*first, await found.walk("o1")]

    answers = asyncio.run(ask())
    assert len(set(answers)) == 1
    assert answers[0].split()[0] == b"o1"
    assert Path(tmp_path, "n").read_text() == "x"


def test_a_failure_has_the_words_of_the_command(tmp_path):
    code = "import sys; print('error: the lake is damaged\\n  → restore it', file=sys.stderr); sys.exit(4)"
    with pytest.raises(DataError, match="the lake is damaged") as caught:
        asyncio.run(walks(tmp_path, code).walk("o1"))
    assert caught.value.remedy == "restore it"
    with pytest.raises(DataError, match="cannot be walked"):
        asyncio.run(walks(tmp_path, "raise ValueError").walk("o1"))


def test_a_walk_that_takes_too_long_is_ended_and_too_many_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.web.chain_walks._LIMIT_S", 0.2)
    found, begun = walks(tmp_path, "import time; time.sleep(60)"), time.monotonic()
    with pytest.raises(DataError, match="took more than"):
        asyncio.run(found.walk("o1"))
    assert time.monotonic() - begun < 30
    monkeypatch.setattr("serving.web.chain_walks._MOST_WAITING", 2)

    async def ask():
        return await asyncio.gather(*(found.walk(f"o{number}") for number in range(3)), return_exceptions=True)

    found = walks(tmp_path, "import time; time.sleep(60)")
    assert [type(error) for error in asyncio.run(ask())] == [DataError, DataError, BusyError]
