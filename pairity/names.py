"""What a name may be: assets, venues, models, runs and all else that becomes a path, a query, an address or a page.

A name is checked where it comes in: in the settings, on the command line, in file and folder names, in records that
were read back, in answers of a venue. From there on it is a word of plain letters and digits, and nobody has to ask
again whether it climbs out of a folder, ends a quotation or opens a tag. The rules are ASCII only: letters that look
alike would be two names to a file system and one to a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pairity.errors import ConfigError, PairityError

_SHOWN = 60
# Names of devices on some systems, whatever their case and whatever follows a dot: never a file's or a folder's.
_DEVICES = r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))"
_LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class NameRule:
    """Rule of one kind of name: `pattern` has to fit the whole name, `words` says what that means.

    >>> ASSET.accepts("BTC"), ASSET.accepts("../../x"), ASSET.accepts("BTC\\n")
    (True, False, False)
    """

    kind: str
    pattern: str
    words: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re.compile(_DEVICES + f"(?:{self.pattern})", re.ASCII))

    def accepts(self, name: object) -> bool:
        """Return whether `name` is text that fits."""
        return isinstance(name, str) and self._compiled.fullmatch(name) is not None

    def check(self, name: str, where: str = "", error: Callable[[str, str], PairityError] = ConfigError) -> str:
        """Return `name`; raise `error` (by default ConfigError) where it does not fit.

        `where` says where the name stands: an option, a file. Errors about stored data ask to rename or remove it.
        """
        if not self.accepts(name):
            place = f"{where}: " if where else ""
            remedy = self.explain() if error is ConfigError else f"{self.explain()}: rename it, or remove it"
            raise error(f"{place}{show(name)} is no name of {self._article()}", remedy)
        return name

    def explain(self) -> str:
        """Return the rule in words."""
        return f"{self._article()} is {self.words}"

    def require(self, name: str) -> str:
        """Return `name`; raise ValueError with the rule where it does not fit: for models of pydantic."""
        if not self.accepts(name):
            raise ValueError(self.explain())
        return name

    def _article(self) -> str:
        return f"{'an' if self.kind[0] in 'aeio' else 'a'} {self.kind}"


ASSET = NameRule("asset", "[A-Z0-9]{1,20}", "1 to 20 capital letters and digits, such as BTC")
INSTRUMENT = NameRule("instrument", "[A-Z0-9]{1,20}-USDT-SWAP", "a swap on USDT as the venue writes it: BTC-USDT-SWAP")
LISTED = NameRule(
    "listed instrument",
    "[A-Z0-9]{1,20}(?:-[A-Z0-9]{1,20}){1,3}",
    "an instrument as the venue writes it: ETH-BTC, BTC-USDT-SWAP",
)
PAIR = NameRule("pair", "[A-Za-z0-9]{1,20}(?:__|/)[A-Za-z0-9]{1,20}", "two assets, written as BTC__ETH or BTC/ETH")
VENUE = NameRule(
    "venue",
    "[a-z0-9][a-z0-9_-]{0,39}",
    "1 to 40 small letters, digits, `_` and `-`, the first a letter or digit, such as okx",
)
SOURCE = NameRule(
    "source",
    "[a-z0-9][a-z0-9_-]{0,39}(?::[a-z0-9_]{1,40})?",
    "a name that `pairity sources` lists, such as tiingo or ccxt:bybit",
)
EXCHANGE_CODE = NameRule("exchange", "[A-Za-z0-9][A-Za-z0-9_-]{0,29}", "1 to 30 letters, digits, `_` and `-`")
CURRENCY = NameRule("currency", "[A-Za-z0-9]{1,20}", "1 to 20 letters and digits, such as usdt")
IDENTIFIER = NameRule(
    "identifier", "[a-z][a-z0-9_]{0,63}", "1 to 64 small letters, digits and `_`, the first a letter, such as funding"
)
MODEL = NameRule(
    "model",
    "[A-Za-z0-9][A-Za-z0-9_.-]{0,99}",
    "1 to 100 letters, digits, `_`, `-` and `.`, the first a letter or digit, such as pair_forest",
)
ALIAS = NameRule(
    "alias",
    "(?!latest\\Z|v[0-9]+\\Z)[a-z][a-z0-9_-]{0,63}",
    "1 to 64 small letters, digits, `_` and `-`, the first a letter, but neither latest nor v1, v2, …",
)
VERSION = NameRule("version", "[1-9][0-9]{0,8}", "a whole number from 1 on, as `pairity models` lists it")
RUN_ID = NameRule("run", "[0-9a-f]{1,32}", "an MLflow run id or its beginning: up to 32 of 0–9 and a–f")
RUN_NAME = NameRule(
    "run name",
    "[A-Za-z0-9](?:[A-Za-z0-9_. -]{0,98}[A-Za-z0-9])?",
    "1 to 100 letters, digits, `_`, `-`, `.` and blanks, the first and the last a letter or digit",
)
VERSION_REFERENCE = NameRule(
    "version",
    "[1-9][0-9]{0,8}|[a-z][a-z0-9_-]{0,63}",
    "a whole number from 1 on, as `pairity models` lists it, an alias such as champion, or latest",
)
RUN_REFERENCE = NameRule(
    "run", "[0-9a-f]{1,32}|latest", "an MLflow run id or its beginning (up to 32 of 0–9 and a–f), or latest"
)
SNAPSHOT_NAME = NameRule(
    "snapshot",
    "(?!latest\\Z)[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    "1 to 64 letters, digits, `_`, `-` and `.`, the first a letter or digit, but not latest",
)
SNAPSHOT_REFERENCE = NameRule(
    "snapshot", "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "a name that `pairity snapshot` lists, its beginning, or latest"
)
QUARANTINE_ID = NameRule(
    "quarantine id", "[0-9a-f]{1,12}", "1 to 12 of 0–9 and a–f, as `pairity quarantine list` shows"
)
QUARANTINE_REFERENCE = NameRule(
    "quarantine id", "[0-9a-f]{1,12}|latest", "1 to 12 of 0–9 and a–f, as `pairity quarantine list` shows, or latest"
)
ORDER_ID = NameRule("order id", "[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "1 to 64 letters, digits, `_` and `-`")
POSITION_ID = NameRule(
    "position",
    "[A-Za-z0-9_]{1,64}@[A-Za-z0-9]{1,40}",
    "the id of a position, as the status and events show it, such as BTC__ETH@20250318T1700Z",
)
TIME_ZONE = NameRule(
    "time zone",
    "[A-Za-z][A-Za-z0-9_+-]{0,30}(?:/[A-Za-z0-9_+-]{1,30}){0,2}",
    "a name such as America/New_York, Europe/Berlin or UTC",
)
TIME_FORMAT = NameRule(
    "time format",
    "[ -~]{0,20}(?:%[YymdHMSbBfzTpIj][ -$&-~]{0,10}){1,12}",
    "signs of strptime, such as %d/%m/%Y %H:%M",
)
MONTH = NameRule("month", "[0-9]{4}-(?:0[1-9]|1[0-2])", "a year and a month, written as 2025-04")
PARTITION_KEY = NameRule(
    "partition",
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?:/[0-9]{4}-(?:0[1-9]|1[0-2])(?:/[a-z0-9][a-z0-9_-]{0,39})?)?",
    "an asset or pair, its month and perhaps a venue: BTC/2025-04/binance",
)


def show(name: object) -> str:
    """Return a name that is wrong as a message may have it: quoted, everything unusual written out, cut if long.

    >>> show("a\\x1b[31mb")
    "'a\\\\x1b[31mb'"
    """
    text = ascii(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} signs)"


def split_names(text: str, rule: NameRule, where: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list; ConfigError for a name that does not fit, and for an empty list."""
    names = tuple(part.strip(" ") for part in text.split(",") if part.strip(" "))
    if not names:
        raise ConfigError(f"{where}: {show(text)} names nothing", rule.explain())
    return tuple(rule.check(name, where) for name in names)


def check_note(text: str, where: str) -> str:
    """Return what a person gave as a reason, without blanks around it.

    ConfigError where nothing is left, where it is longer than 500 signs, and where it holds signs that cannot be
    printed: notes are shown in tables and pages for ever.
    """
    note = text.strip()
    if not note or len(note) > _LONGEST_NOTE or not note.isprintable():
        raise ConfigError(
            f"{where}: {show(note)} is no reason that can be recorded",
            f"write one line of 1 to {_LONGEST_NOTE} printable signs",
        )
    return note
