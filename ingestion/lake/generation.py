"""Generation of a lake: the note by which processes without the lock see that month partitions have changed.

Whoever changes partitions writes the note before the first change and after the last one. A reader that keeps an index
compares the note with the one that it knows, instead of reading thousands of manifests. The note also says whether the
change was finished. Where it was not, its writer was killed, and the next one looks for half-done replacements.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from pairity.bounded_files import read_text_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import remove_flushed, replace_file
from pairity.errors import LakeCorruptError

_LONGEST = 4096
_CHANGING, _SETTLED = "changing", "settled"


class Generation:
    """The note of one lake: a random token and whether a change is going on. It lies beside the lake's folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """Return the note's text; empty where nothing was ever noted. LakeCorruptError where it is no note."""
        try:
            return read_text_file(self._path, _LONGEST)
        except FileNotFoundError:
            return ""
        except OutOfBoundsError as error:
            raise LakeCorruptError(f"{self._path} {error.what}", "delete it: the next writer makes a new one") from None

    def is_settled(self) -> bool:
        """Whether the last change was finished. False where there is no note, or where power failure tore it."""
        return self.read().split()[1:] == [_SETTLED]

    def remove_unfinished(self) -> None:
        """Delete what killed writers left of notes that they were writing; call it with the writer lock held."""
        remove_flushed(self._path.parent.glob(f".{self._path.name}.*.tmp"), durable=False)

    def begin(self, *, durable: bool) -> str:
        """Note that a change begins and return the new text; it is on the disk before the change is (`durable`)."""
        return self._note(_CHANGING, durable=durable)

    def advance(self) -> str:
        """Note that something has changed and more may follow; return the new text."""
        return self._note(_CHANGING, durable=False)

    def settle(self) -> str:
        """Note that the change is complete and return the new text."""
        # Not flushed: where it is lost, the next writer looks for half-done work once, and finds none.
        return self._note(_SETTLED, durable=False)

    def _note(self, state: str, *, durable: bool) -> str:
        text = f"{secrets.token_hex(8)} {state}\n"
        replace_file(self._path, text.encode(), durable=durable)
        return text
