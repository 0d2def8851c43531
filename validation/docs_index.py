"""Index of the Data Docs: every page of a site as a plain list, newest validation first.

Great Expectations' own index draws its tables with scripts from elsewhere, and is empty without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from pairity.durable import replace_file
from validation.results import StoredResult
from validation.sealed_pages import POLICY

_STYLE = "body{font:15px/1.5 system-ui,sans-serif;margin:2em}td,th{padding:.2rem .8rem;text-align:left}.bad{color:#a32}"
_STAMP = "%Y%m%dT%H%M%S.%fZ"


def write_index(site: Path, results: Iterable[StoredResult]) -> None:
    """Write `index.html` of a finished site; a page of which no result is known is listed without its outcome."""
    known = {(result.suite, result.at.strftime(_STAMP)): result for result in results}
    rows = []
    for path in sorted((site / "validations").rglob("*.html"), key=lambda page: page.parent.name, reverse=True):
        suite, about, stamp = path.relative_to(site / "validations").parts[:3]
        result = known.get((suite, stamp))
        rows.append((_link(site, path, stamp), escape(suite), escape(about), _describe_outcome(result)))
    suites = [(_link(site, path, path.stem),) for path in sorted((site / "expectations").glob("*.html"))]
    page = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>pairity: Data Docs</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{_STYLE}</style></head><body>'
        f"<h1>Validations</h1>{_table(('at', 'suite', 'of', 'broken rules'), rows)}"
        f"<h1>Suites</h1>{_table(('rules of',), suites)}</body></html>\n"
    )
    replace_file(site / "index.html", page.encode(), durable=False)


def _describe_outcome(result: StoredResult | None) -> str:
    if result is None:
        return ""
    return f"<span class='bad'>{escape(', '.join(result.failed))}</span>" if result.failed else "none"


def _link(site: Path, path: Path, text: str) -> str:
    return f'<a href="{quote(path.relative_to(site).as_posix())}">{escape(text)}</a>'


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
