"""Guard of a process of the command line: what it does before anything else, so that nothing gets out by accident.

Keys leave the environment (`pairity.key_custody`), files are made for their owner alone, a crash leaves no image of the
memory on the disk, and whatever is printed, logged or reported as a crash is redacted (`pairity.redaction`).
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import threading
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any, BinaryIO, TextIO, cast

from pairity.key_custody import PREFIX, list_secrets, list_suspicious, take_keys
from pairity.redaction import learn_secrets, redact

_PRIVATE_UMASK = 0o077


def guard_process() -> None:
    """Put everything of this module into force, once, for the rest of the process."""
    os.umask(_PRIVATE_UMASK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    learn_secrets(list_secrets(ours))
    learn_secrets(list_suspicious(ours))
    take_keys()
    # Every library that speaks TLS would write the keys of its connections into that file.
    os.environ.pop("SSLKEYLOGFILE", None)
    redact_logs()
    redact_crashes()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, RedactingStream):
            setattr(sys, name, RedactingStream(stream))


class RedactingStream:
    """A text stream that replaces known secrets in what is written to it; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text`, redacted; return how many characters of it were taken: all."""
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the lines, redacted."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> RedactingBytes:
        """The stream below, for bytes: click writes there where the terminal takes ASCII only."""
        return RedactingBytes(self._stream.buffer)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)


class RedactingBytes:
    """The binary stream below a text stream, which replaces known secrets in the same way."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, content: bytes | bytearray | memoryview) -> int:
        """Write `content`, redacted; return how many bytes of it were taken: all."""
        whole = bytes(content)
        text = whole.decode("utf-8", "surrogateescape")
        self._stream.write(whole if (clean := redact(text)) == text else clean.encode("utf-8", "surrogateescape"))
        return len(whole)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)


def redact_logs() -> None:
    """Redact records of all loggers where they are made: handlers and filters of libraries come later, or never."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - those of LogRecord
        return redact_record(make(*args, **kwargs))

    make_redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_redacted)


def redact_record(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record without known secrets in its message, its traceback and its stack."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit: logging reports it with all of them
        message = f"{record.msg} {record.args!r}"
        record.msg, record.args = redact(message), ()
        return record
    if (clean := redact(message)) != message:
        record.msg, record.args = clean, ()
    if record.exc_info and record.exc_info[1] is not None:
        text = _format(record.exc_info[1])
        if (clean := redact(text)) != text:
            record.exc_info, record.exc_text = None, clean
    if record.stack_info:
        record.stack_info = redact(record.stack_info)
    return record


def redact_crashes() -> None:
    """Report what nobody caught, in any thread and in finalisers, without known secrets."""
    sys.excepthook = _report_crash
    threading.excepthook = _report_thread
    sys.unraisablehook = _report_unraisable


def _report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _write(_format(error.with_traceback(trace)))


def _report_thread(crashed: threading.ExceptHookArgs) -> None:
    if crashed.exc_value is not None and not isinstance(crashed.exc_value, SystemExit):
        name = crashed.thread.name if crashed.thread is not None else "unknown"
        _write(f"Exception in thread {name}:\n{_format(crashed.exc_value)}")


def _report_unraisable(crashed: sys.UnraisableHookArgs) -> None:
    if crashed.exc_value is not None:
        _write(f"{crashed.err_msg or 'Exception ignored in'}: {crashed.object!r}\n{_format(crashed.exc_value)}")


def _format(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip("\n")


def _write(text: str) -> None:
    stream = cast("TextIO | None", sys.stderr)
    if stream is not None:  # None in a process without standard error
        stream.write(f"{redact(text)}\n")
        stream.flush()
