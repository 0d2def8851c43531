"""The log: every logger's records as private JSON lines, without secrets, and never in the way of who logs."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pairity.keeping_settings import LogSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.redaction import learn_secrets, list_forms
from serving.logs import LoggedProgress, writing_log
from serving.logs.handler import LONGEST_TEXT
from serving.logs.rotation import RotatingFile, list_parts
from serving.logs.writer import LogWriter
from venue.request_reports import Outcome, report_request

SECRET = 'Hook/9f+"quoted"=8&token'


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def rows(layout: Layout) -> list[dict[str, Any]]:
    return [json.loads(line) for part in list_parts(layout.log) for line in part.read_text().splitlines()]


def complain(_text: str) -> None:
    raise AssertionError(f"the log complained: {_text}")


def test_lines_have_what_is_needed_and_nothing_else(layout: Layout) -> None:
    with writing_log(layout, LogSettings(), complain):
        LoggedProgress(SilentProgress()).say("the venue changed the contract")
        report_request("POST", "/api/v5/trade/order", Outcome("refused", "51008"), time.perf_counter())
        logging.getLogger("pairity.state").warning("guarding: venue", extra={"state": "guarding"})
        try:
            raise ValueError("it broke")
        except ValueError as error:
            logging.getLogger("pairity.serving").error("venue failed", exc_info=error)
        logging.getLogger("pairity.serving").debug("too fine")
    said, request, state, failed = rows(layout)
    assert (said["logger"], said["level"], said["text"]) == (
        "pairity.progress",
        "info",
        "the venue changed the contract",
    )
    assert said["at"].endswith("+00:00")
    assert request["request"] | {"ms": 0} == {
        "method": "POST",
        "path": "/api/v5/trade/order",
        "outcome": "refused (51008)",
        "ms": 0,
    }
    assert request["level"] == "warning"
    assert state["state"] == "guarding"
    assert failed["error"]["kind"] == "ValueError"
    assert "Traceback" in failed["error"]["traceback"]
    assert set(said) == {"at", "level", "logger", "text"}


def test_files_and_folder_are_private(layout: Layout) -> None:
    os.umask(umask := os.umask(0))
    try:
        with writing_log(layout, LogSettings(), complain):
            logging.getLogger("pairity.serving").info("one")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(layout.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.log.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["pairity.venue", "ccxt.base.exchange", "aiohttp.client", "uvicorn.error", "asyncio"])
def test_no_form_of_a_secret_is_written_whoever_logs_it(
    layout: Layout, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=name)  # a server that ran before may have set another one
    learn_secrets([SECRET])
    logger = logging.getLogger(name)
    with writing_log(layout, LogSettings(), complain):
        for form in list_forms(SECRET):
            # Errors: a server that ran in this process leaves its logger deaf to anything milder.
            logger.error("POST https://hooks.example/%s answered %r", form, {"url": form})
        try:
            raise ConnectionError(f"https://hooks.example/{SECRET}")
        except ConnectionError:
            logger.exception("with a traceback")
        logging.getLogger(f"{name}.{SECRET}").error("a logger of that name")
    content = layout.log.read_text()
    assert content.count("\n") == len(list_forms(SECRET)) + 2
    assert [form for form in list_forms(SECRET) if form in content] == []
    assert "***" in content


def test_what_libraries_print_is_printed_as_before(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        with writing_log(layout, LogSettings(), complain):
            logging.getLogger("aiohttp.client").warning("of a library")
            logging.getLogger("pairity.serving").error("of ours")
        assert root.handlers == []
    finally:
        root.handlers = handlers
    said = capsys.readouterr().err
    assert "of a library" in said
    assert "of ours" not in said
    assert len(rows(layout)) == 2


def test_an_error_that_ends_the_process_is_logged(layout: Layout) -> None:
    with pytest.raises(ZeroDivisionError), writing_log(layout, LogSettings(), complain):
        _ = 1 / 0
    (row,) = rows(layout)
    assert row["text"] == "ended by an error: division by zero"
    assert row["error"]["kind"] == "ZeroDivisionError"


def test_a_record_that_cannot_be_formatted_is_a_line_and_no_error(layout: Layout) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with writing_log(layout, LogSettings(), complain):
        logging.getLogger("pairity.serving").info("%s", Odd())
        logging.getLogger("pairity.serving").info("%d", "none")
        logging.getLogger("pairity.serving").info("lone surrogate \ud800")
    broken, _, odd = rows(layout)
    assert "cannot be written" in broken["text"]
    assert odd["text"] == "lone surrogate \ud800"


def test_a_long_text_is_cut_in_the_middle(layout: Layout) -> None:
    with writing_log(layout, LogSettings(), complain):
        logging.getLogger("pairity.serving").info("begin %s end", "x" * 1_000_000)
    (row,) = rows(layout)
    assert len(row["text"]) < LONGEST_TEXT + 100
    assert row["text"].startswith("begin ")
    assert row["text"].endswith(" end")


def test_a_folder_that_cannot_be_made_is_complained_of_once_and_mended(layout: Layout) -> None:
    complaints: list[str] = []
    layout.log.parent.write_text("a file in its place")
    logger = logging.getLogger("pairity.serving")
    with writing_log(layout, LogSettings(), complaints.append) as log:
        for number in range(3):
            logger.info("lost %d", number)
            wait_until(lambda: log.lost > number)  # noqa: B023
        layout.log.parent.unlink()
        logger.info("written")
        wait_until(layout.log.exists)
    assert len(complaints) == 1
    assert "trading goes on without it" in complaints[0]
    assert [row["text"] for row in rows(layout)] == ["3 lines before this one could not be written", "written"]
    assert log.lost == 3


def test_a_full_disk_loses_lines_and_tears_none_of_the_later_ones(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [10]

    def write_until_full(handle: int, content: bytes) -> int:
        if room[0] >= len(content):
            return write(handle, content)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, room[0] = room[0], 0
        return write(handle, content[:taken])

    complaints: list[str] = []
    logger = logging.getLogger("pairity.serving")
    with writing_log(layout, LogSettings(), complaints.append) as log:
        monkeypatch.setattr(os, "write", write_until_full)
        logger.info("torn")
        wait_until(lambda: log.lost == 1)
        room[0] = 1_000_000
        logger.info("whole")
    torn, *whole = layout.log.read_text().splitlines()
    assert len(torn) == 10
    assert [json.loads(line)["text"] for line in whole] == ["1 lines before this one could not be written", "whole"]
    assert "No space left" in complaints[0]


class HangingFile(RotatingFile):
    """A file on a disk that answers no more, until it is let go."""

    hangs = threading.Event()

    def write(self, lines: bytes) -> None:
        self.hangs.wait()
        super().write(lines)


def test_a_disk_that_hangs_holds_nobody_up(layout: Layout) -> None:
    writer = LogWriter(HangingFile(layout.log, max_bytes=10**6, keep=2), complain, waiting=100)
    begun = time.monotonic()
    for number in range(5_000):
        writer.put(b"%d\n" % number)
    assert time.monotonic() - begun < 1
    assert writer.lost >= 4_900 - 600  # some may have been taken out of the queue already
    HangingFile.hangs.set()
    writer.close()
    written = [line for line in layout.log.read_text().splitlines() if line.isdigit()]
    assert len(written) + writer.lost == 5_000


def test_somebody_elses_file_in_its_place_is_not_written_to(layout: Layout) -> None:
    other = layout.root / "other"
    other.write_text("keep")
    layout.log.parent.mkdir(0o700)
    layout.log.symlink_to(other)
    complaints: list[str] = []
    with writing_log(layout, LogSettings(), complaints.append):
        logging.getLogger("pairity.serving").info("no")
    assert other.read_text() == "keep"
    assert "is a link" in complaints[0]


def wait_until(done: Any, most_s: float = 5.0) -> None:
    until = time.monotonic() + most_s
    while not done() and time.monotonic() < until:
        time.sleep(0.005)
    assert done()


def test_a_library_that_configures_logging_does_not_silence_the_log(layout: Layout) -> None:
    import logging.config

    with writing_log(layout, LogSettings(), complain):
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        logging.getLogger("pairity.serving").info("still here")
    assert [row["text"] for row in rows(layout)] == ["still here"]
