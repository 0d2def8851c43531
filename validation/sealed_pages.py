"""Pages that others made, sealed: they run nothing, load nothing from elsewhere and send nothing anywhere.

Great Expectations' pages ask a dozen hosts for scripts, styles and a picture. A page of this project is read where it
lies, so everything of that kind is taken out, and a policy forbids to the browser what might have been missed.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser
from pathlib import Path

from pairity.durable import replace_file

POLICY = "default-src 'none'; img-src 'self' file: data:; style-src 'self' file: 'unsafe-inline'; font-src 'self' file:"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:1rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0}th,td{border:1px solid #ccc;padding:.2rem .5rem;vertical-align:top}"
    "img{max-height:3rem}.modal,button{display:none}"
)
_DROPPED_WITH_CONTENT = frozenset({"script", "iframe", "object", "embed", "template", "noscript", "svg", "math"})
_DROPPED = frozenset({"base", "meta", "form", "input"})
_ADDRESSES = frozenset({"href", "src", "srcset", "action", "formaction", "poster", "background", "data", "xlink:href"})


def seal_site(folder: Path) -> None:
    """Seal every page below `folder`, in place."""
    for path in sorted(folder.rglob("*.html")):
        replace_file(path, seal_page(path.read_text()).encode(), durable=False)


def seal_page(page: str) -> str:
    """Return the page without scripts, event handlers, frames and addresses elsewhere, with a policy that says so.

    Links that a reader may click on stay; what a browser would load by itself must lie beside the page.
    """
    sealing = _Sealing()
    sealing.feed(page)
    sealing.close()
    head = (
        f'<!doctype html>\n<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="referrer" content="no-referrer"><style>{_STYLE}</style>\n'
    )
    return head + "".join(sealing.parts)


class _Sealing(HTMLParser):
    """Writes a page again, but for what must not stay in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WITH_CONTENT:
            self._inside.append(tag)
        elif not self._inside and _is_kept_tag(tag) and not _loads_from_elsewhere(tag, attrs):
            kept = [(name, value) for name, value in attrs if _is_kept(name, value)]
            written = "".join(f" {name}" if value is None else f' {name}="{escape(value)}"' for name, value in kept)
            self.parts.append(f"<{tag}{written}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED_WITH_CONTENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()
        elif not self._inside and _is_kept_tag(tag):
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.parts.append(data.replace("<", "&lt;"))

    def handle_entityref(self, name: str) -> None:
        if not self._inside:
            self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        if not self._inside:
            self.parts.append(f"&#{name};")


def _is_kept_tag(tag: str) -> bool:
    return tag not in _DROPPED and tag.isascii() and tag.isalnum()


def _is_kept(name: str, value: str | None) -> bool:
    """Return whether an attribute stays: no event handlers, and no addresses that are scripts."""
    if not all(sign.isalnum() or sign in "-_:" for sign in name) or name.startswith("on") or name == "srcdoc":
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
