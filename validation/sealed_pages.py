"""Pages that others made, sealed: they run nothing, load nothing from elsewhere and send nothing anywhere.

Great Expectations' pages ask a dozen hosts for scripts, styles and pictures, carry a logo, and ask for a subscription.
A page of this project is read where it lies: everything of that kind is taken out, a style sheet of our own and a link
to the overview take its place, and a policy forbids to the browser what might have been missed.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

from pairity.durable import replace_file
from validation.pages.render import TEMPLATES, render_page

_DROPPED_WITH_CONTENT = frozenset(
    {"script", "style", "title", "iframe", "object", "embed", "template", "noscript", "svg", "math", "footer"}
)
"""Styles too: theirs load pictures (a logo, where the screen is dark)."""
_DROPPED = frozenset({"html", "head", "body", "base", "meta", "link", "form", "input", "img", "picture", "source"})
_ADDRESSES = frozenset({"href", "src", "srcset", "action", "formaction", "poster", "background", "data", "xlink:href"})
_HEADINGS = {"h1": "h2", "h4": "h2", "h5": "h2", "h6": "h3"}
"""Theirs begin with the fourth level; the title above is the first."""
_SIGNS = {
    "text-success": "<span class='good'>✓ passed</span>",
    "text-danger": "<span class='bad'>✗ FAILED</span>",
    "text-warning": "<span class='warn'>! not judged</span>",
}
"""What stands for a pictogram of a font that is not there, by its colour."""


def seal_site(folder: Path) -> None:
    """Seal every page below `folder`, in place; each links to `index.html` there."""
    for path in sorted(folder.rglob("*.html")):
        kind, *rest = path.relative_to(folder).with_suffix("").parts
        above = "../" * len(rest)
        title = f"{_KINDS.get(kind, kind)} {', '.join(rest[:2])}".strip()
        replace_file(path, seal_page(path.read_text(), title, f"{above}index.html").encode(), durable=False)


_KINDS = {"validations": "validation of", "expectations": "rules of"}


def seal_page(page: str, title: str = "data", overview: str = "index.html") -> str:
    """Return the page without scripts, styles, pictures, event handlers and addresses elsewhere, with a policy.

    Links that a reader may click on stay. `title` is its title and `overview` the address of the overview.
    """
    sealing = _Sealing()
    sealing.feed(page)
    sealing.close()
    return render_page(TEMPLATES, "sealed.html", title=title, overview=quote(overview), content="".join(sealing.parts))


class _Sealing(HTMLParser):
    """Writes a page again, but for what must not stay in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WITH_CONTENT or _is_banner(tag, attrs) or tag in self._inside:
            self._inside.append(tag)
        elif not self._inside and _is_kept_tag(tag) and not _loads_from_elsewhere(tag, attrs):
            kept = [(name, value) for name, value in attrs if _is_kept(name, value)]
            written = "".join(f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in kept)
            self.parts.append(f"<{_HEADINGS.get(tag, tag)}{written}>")
            if tag == "i":
                classes = (dict(attrs).get("class") or "").split()
                self.parts.append(next((_SIGNS[name] for name in classes if name in _SIGNS), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED_WITH_CONTENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()
        elif not self._inside and _is_kept_tag(tag):
            self.parts.append(f"</{_HEADINGS.get(tag, tag)}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.parts.append(data.replace("<", "&lt;"))

    def handle_entityref(self, name: str) -> None:
        if not self._inside:
            self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        if not self._inside:
            self.parts.append(f"&#{name};")


def _is_banner(tag: str, attributes: list[tuple[str, str | None]]) -> bool:
    """Return whether an element is the bar with the logo above a page."""
    return tag == "nav" and "navbar-expand-md" in (dict(attributes).get("class") or "").split()


def _is_kept_tag(tag: str) -> bool:
    return tag not in _DROPPED and tag.isascii() and tag.isalnum()


def _is_kept(name: str, value: str | None) -> bool:
    """Return whether an attribute stays: no event handlers, no styles (they load pictures), no addresses of scripts."""
    if (
        not all(sign.isalnum() or sign in "-_:" for sign in name)
        or name.startswith("on")
        or name in ("srcdoc", "style")
    ):
        return False
    return name not in _ADDRESSES or _scheme(value) in ("", "http", "https")


def _loads_from_elsewhere(tag: str, attributes: list[tuple[str, str | None]]) -> bool:
    """Return whether a browser would fetch the element's address by itself, from another place than the page's."""
    if tag in ("a", "area"):  # followed only by who clicks on it
        return False
    addresses = [value for name, value in attributes if name in _ADDRESSES]
    return any(_scheme(value) != "" or (value or "").lstrip().startswith(("//", "\\")) for value in addresses)


def _scheme(address: str | None) -> str:
    """Return the scheme of an address as a browser reads it, blanks and control characters left out; "" without one."""
    plain = "".join(sign for sign in address or "" if sign > " ").lower()
    before, colon, _ = plain.partition(":")
    return before if colon and before.isascii() and not set(before) & set("/?#") else ""
