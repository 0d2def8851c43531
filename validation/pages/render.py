"""Pages of our own from templates: every value is escaped, a name that a template lacks is an error."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pairity.number_formats import format_count, format_duration

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = "default-src 'none'; img-src 'self' file: data:; style-src 'self' file: 'unsafe-inline'; font-src 'self' file:"
"""Content-Security-Policy of every page about data: nothing runs, and nothing is loaded from elsewhere."""
TEMPLATES = Path(__file__).parent / "templates"
"""Templates that every room may use and extend."""


def render_page(folder: Path, name: str, **values: object) -> str:
    """Return a page as text from the template `name` in `folder`; the same values give the same text.

    Templates may extend `base.html`, and format with `count` (1,234), `minute` (2025-04-01 13:00, UTC), `share`
    (99.95%) and `age` (3 h 30 min); None is a dash.
    `counted(1, "row")` is 1 row.
    """
    return _open_templates(folder).get_template(name).render(policy=POLICY, **values)


def format_minute(instant: datetime | None) -> str:
    """Return day and time of an instant in UTC.

    >>> from datetime import UTC
    >>> format_minute(datetime(2025, 4, 1, 13, tzinfo=UTC))
    '2025-04-01 13:00'
    """
    return "–" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def format_share(share: float | None) -> str:
    """Return a share in per cent; what is not whole never reads as 100%.

    >>> format_share(1.0), format_share(0.999999), format_share(None)
    ('100%', '99.99%', '–')
    """
    if share is None:
        return "–"
    return "100%" if share >= 1 else f"{int(share * 10_000) / 100:.2f}%"


def format_age(age: timedelta | None) -> str:
    """Return an age in words, as screens do.

    >>> format_age(timedelta(hours=3.5)), format_age(timedelta(days=12)), format_age(None)
    ('3 h 30 min', '12 d', '–')
    """
    return str(format_duration(age))


@cache
def _open_templates(folder: Path) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["count"] = lambda number: "–" if number is None else f"{number:,}"
    templates.globals["counted"] = format_count
    templates.filters["minute"] = format_minute
    templates.filters["age"] = format_age
    templates.filters["share"] = format_share
    return templates
