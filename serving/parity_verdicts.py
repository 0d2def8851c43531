"""Verdicts of parity: checked, kept, and asked before a promotion.

Whoever checks keeps the verdict as a small file; the trading process, which alone writes the journal, takes it up from
there (`serving.parity_desk`). Readers see both: a verdict counts from the moment at which it is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from pairity.books.present import MeasureBook
from pairity.bounded_files import read_json_file
from pairity.durable import make_folder, replace_file
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.private_files import require_private
from pairity.settings import Settings
from serving.journal import Journal
from serving.journal.opened import is_there
from serving.journal.verdict_records import ParityVerdict, find_next_bar, find_standing
from serving.parity import Difference, ParityReport, check_parity

NOT_SOUGHT = "not looked for"
"""Cause of differences beyond the first ones."""
DESPITE = "--despite-parity"
"""Option of a promotion that goes over a mismatch."""
_EXAMPLES = 5
_NAME = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{16}\.json")


class Standing(NamedTuple):
    """What parity says before a promotion: in words, and which verdict with differences still stands, if any."""

    words: str
    mismatch: ParityVerdict | None


def make_verdict(report: ParityReport, by: str, *, since: datetime | None = None) -> ParityVerdict | None:
    """Return the verdict of a check of the bars from `since` on; None where there was no decision to compare."""
    if not report.bars:
        return None
    found = report.mismatches
    return ParityVerdict(
        verdict_id=token_hex(8),
        at=datetime.now(UTC),
        by=by,
        since=since,
        first_bar=report.bars[0],
        last_bar=report.bars[-1],
        decisions=report.decisions,
        values=report.values,
        different=len(found),
        missing=sum(one.online is None for one in found),
        extra=sum(one.offline is None for one in found),
        last_different=max((one.bar for one in found), default=None),
        causes=dict(Counter(str(one.cause or NOT_SOUGHT) for one in found)),
        examples=tuple(_describe(one) for one in found[:_EXAMPLES]),
    )


def keep_verdict(layout: Layout, verdict: ParityVerdict) -> None:
    """Keep a verdict on the disk until the trading process takes it into the journal. OSError where it is full."""
    make_folder(layout.parity_verdicts)
    name = f"{verdict.at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{verdict.verdict_id}.json"
    replace_file(layout.parity_verdicts / name, verdict.to_json().encode())


def list_waiting(layout: Layout) -> list[Path]:
    """Return the files of the verdicts that wait, oldest first."""
    try:
        return sorted(path for path in layout.parity_verdicts.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def read_waiting(path: Path) -> ParityVerdict:
    """Return the verdict of a file. ConfigError for one that is none, PrivacyError for one that others can change."""
    require_private([path])
    try:
        return ParityVerdict.from_row(read_json_file(path))
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} is not the verdict of a parity check ({error})", "remove it, and run: pairity parity"
        ) from None


def collect_verdicts(layout: Layout, journal: Journal) -> list[ParityVerdict]:
    """Return every verdict of a data directory, those that wait included. Raises what reading one raises."""
    waiting = []
    for path in list_waiting(layout):
        try:
            waiting.append(read_waiting(path))
        except FileNotFoundError:
            continue  # the trading process took it up just now: it is in the journal
    known = journal.verdicts.all()
    ids = {verdict.verdict_id for verdict in known}
    return [*known, *(verdict for verdict in waiting if verdict.verdict_id not in ids)]


def read_verdicts(layout: Layout) -> list[ParityVerdict]:
    """Return every verdict of a data directory; none before the first decision."""
    if not is_there(layout.journal_place):
        return []
    journal = Journal.read(layout.journal_place)
    try:
        return collect_verdicts(layout, journal)
    finally:
        journal.close()


def check_new(settings: Settings, by: str, measure: MeasureBook | None = None) -> ParityVerdict | None:
    """Check the decisions that no check has compared yet, and keep the verdict; None where there are none.

    `measure`: that of `check_parity`.

    Raises what reading journal and features raises: nothing is kept then.
    """
    layout = Layout.of(settings)
    if not is_there(layout.journal_place):
        return None
    since = find_next_bar(read_verdicts(layout))
    verdict = make_verdict(check_parity(settings, since=since, measure=measure), by, since=since)
    if verdict is not None:
        keep_verdict(layout, verdict)
    return verdict


def ask_standing(settings: Settings, by: str, measure: MeasureBook | None = None) -> Standing:
    """Check what is new, and return what parity says over all that was checked. Raises what `check_new` raises."""
    newest = check_new(settings, by, measure)
    verdicts = read_verdicts(Layout.of(settings))
    standing = find_standing(verdicts)
    if standing is not None:
        return Standing(standing.explain(), standing)
    newest = newest or max(verdicts, key=lambda one: one.at, default=None)
    return Standing("nothing was decided on live yet" if newest is None else newest.explain(), None)


def require_parity(settings: Settings, measure: MeasureBook | None = None) -> str:
    """Return what parity says before a promotion. ConfigError, with the verdict's words, while differences stand."""
    words, mismatch = ask_standing(settings, "promotion", measure)
    if mismatch is not None:
        raise ConfigError(
            f"no version is promoted: {words}",
            "find and mend the cause (pairity parity), and run pairity parity once later decisions are identical; "
            f"without real money {DESPITE} --reason … goes over it",
        )
    return words


def live_parity(settings: Settings, measure: MeasureBook | None = None) -> Callable[[], tuple[int, str]] | None:
    """Return the comparison for the promotion gate, or None before the first live decision.

    Called, it checks what is new, and returns the values that differ as far as that still stands, with words.
    """
    if not is_there(Layout.of(settings).journal_place):
        return None

    def check() -> tuple[int, str]:
        words, mismatch = ask_standing(settings, "training", measure)
        return (0 if mismatch is None else mismatch.different), words

    return check


def _describe(one: Difference) -> str:
    return (
        f"{one.feature} of {one.entity} at {one.bar:%Y-%m-%d %H:%M} UTC: {one.online!r} was read, "
        f"{one.offline!r} is stored ({one.cause or NOT_SOUGHT})"
    )
