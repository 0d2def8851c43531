"""Setting the log up for the time that a process trades."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from pairity.keeping_settings import LogSettings
from pairity.layout import Layout
from serving.logs.handler import JsonHandler
from serving.logs.rotation import RotatingFile
from serving.logs.writer import LogWriter

_OURS = logging.getLogger("pairity")
_MB = 1_000_000


@contextlib.contextmanager
def writing_log(layout: Layout, settings: LogSettings, complain: Callable[[str], None]) -> Iterator[LogWriter]:
    """Write what all loggers say into the log while the block runs, and an error that ends the block.

    Our own loggers from `settings.level` on, libraries' from warnings on; what libraries print of them is printed as
    before. A log that cannot be written is complained of once, and nothing else.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    file = RotatingFile(layout.log, max_bytes=round(settings.max_mb * _MB), keep=settings.keep)
    writer = LogWriter(file, complain)
    handler, root = JsonHandler(writer, level), logging.getLogger()
    # A root without handlers prints warnings by itself, and stops doing so with the first handler.
    added = [handler] if root.handlers or logging.lastResort is None else [handler, logging.lastResort]
    before = (_OURS.level, _OURS.propagate)
    for item in added:
        root.addHandler(item)
    _OURS.addHandler(handler)
    _OURS.setLevel(level)
    _OURS.propagate = False  # what we say to people is said by progress; the root would print it again
    try:
        yield writer
    except Exception as error:
        logging.getLogger("pairity.serving").error("ended by an error: %s", error, exc_info=error)
        raise
    finally:
        _OURS.level, _OURS.propagate = before
        _OURS.removeHandler(handler)
        for item in added:
            root.removeHandler(item)
        writer.close()
