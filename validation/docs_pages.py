"""Great Expectations' pages of a site: of each validation that is kept, and of each suite."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from validation.measurements import split_key
from validation.results import StoredResult

_STAMP = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class DocsPage:
    """Page of one suite of one validation: its address below the site, its instant, and what was judged.

    `entities` are the assets or pairs, `broken` the rules that failed.
    """

    address: str
    suite: str
    about: str
    at: datetime
    entities: tuple[str, ...]
    broken: tuple[str, ...]


def list_pages(site: Path, results: Iterable[StoredResult]) -> list[DocsPage]:
    """Return the pages of validations in a finished site, newest first; one of which no result is known is left out."""
    known = {(result.suite, result.at.strftime(_STAMP)): result for result in results}
    pages = []
    for path in sorted((site / "validations").rglob("*.html"), key=lambda page: page.parent.name, reverse=True):
        suite, about, stamp = path.relative_to(site / "validations").parts[:3]
        result = known.get((suite, stamp))
        if result is None:
            continue
        pages.append(
            DocsPage(
                address=quote(path.relative_to(site).as_posix()),
                suite=suite,
                about=about,
                at=result.at.astimezone(UTC),
                entities=tuple(dict.fromkeys(split_key(key)[0] for key in result.measured.keys)),
                broken=result.failed,
            )
        )
    return pages


def list_suite_pages(site: Path) -> dict[str, str]:
    """Return the address of the page of each suite, below a finished site."""
    return {
        path.stem: quote(path.relative_to(site).as_posix()) for path in sorted((site / "expectations").glob("*.html"))
    }
