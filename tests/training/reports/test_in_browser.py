"""The page about a run in a real browser whose network is cut: desk, phone and paper, dark and light."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.serving.dashboard.browsing import open_browser
from tests.training.evaluation.curves import noise
from tests.training.reports.made_runs import FAILED, compare, make_line, make_run, make_trades
from training.reports.page import render_page

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(280)]
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
A4 = (688, 1017)
"""The printed area of the sheet, in pixels of a browser: 210 × 297 mm less margins of 14 mm."""
_OVERLAPS = """
() => {
  const found = [];
  for (const row of document.querySelectorAll('.frame .x, .frame .y')) {
    const boxes = [...row.querySelectorAll('span')].map(node => node.getBoundingClientRect()).filter(box => box.width);
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
      const a = boxes[i], b = boxes[j];
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        found.push(row.closest('figure').querySelector('figcaption').textContent);
    }
  }
  return found;
}
"""
_OUTSIDE = """
() => [...document.querySelectorAll('.frame span, td, dd, th, figcaption, .key li')]
  .map(node => [node, node.getBoundingClientRect()])
  .filter(([node, box]) => box.width && (box.right > window.innerWidth + 1 || box.left < -1))
  .map(([node]) => node.textContent).slice(0, 5)
"""
_SCROLLERS = """
() => [...document.querySelectorAll('main *')].filter(node => node.scrollWidth > node.clientWidth + 1
  && ['auto', 'scroll'].includes(getComputedStyle(node).overflowX)).map(node => node.className)
"""


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A comparison over years, a short run that the gate failed, and one without anything in it."""
    folder = tmp_path_factory.mktemp("pages")
    hours = 24 * 20
    short = [make_line(key, noise(hours, seed), make_trades(30, hours)) for seed, key in enumerate(("model", "btc"))]
    runs = {
        "years": compare(12, 900, 900),
        "short": make_run(short, gate=FAILED, version="3", name="pair_forest tested from 2025-01-01"),
        "empty": make_run([make_line("model", [], make_trades(0, 0))], metrics={}),
    }
    paths = {}
    for name, run in runs.items():
        paths[name] = folder / f"{name}.html"
        paths[name].write_text(render_page(run))
    return paths


def open_page(browser, path, size, scheme="light", media=None):
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
    page = context.new_page()
    if media:
        page.emulate_media(media=media)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert said == []
    return page


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["years", "short", "empty"])
def test_pages_ask_for_nothing_fit_and_break_no_rule(browser, pages, name, size, scheme):
    page = open_page(browser, pages[name], SIZES[size], scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(_SCROLLERS) == []
    assert page.evaluate(_OUTSIDE) == []
    assert page.evaluate(_OVERLAPS) == []
    broken = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert broken == [], json.dumps(
        [(item["id"], [node["html"][:160] for node in item["nodes"]][:2]) for item in broken]
    )
    page.context.close()


def test_the_line_that_is_chosen_is_shown_and_stands_out(browser, pages):
    page = open_page(browser, pages["years"], SIZES["desk"])

    def shown():
        return page.eval_on_selector_all(".sheet", "nodes => nodes.filter(n => n.offsetHeight).map(n => n.id)")

    assert len(shown()) == 1
    page.get_by_label("family_5", exact=True).check()
    chosen = page.locator("input:checked").get_attribute("id").removeprefix("pick-")
    assert shown() == [f"sheet-{chosen}"]
    assert page.locator(f"#sheet-{chosen} > h2").inner_text() == "family_5"
    width = f"getComputedStyle(document.querySelector('svg .line-{chosen}')).strokeWidth"
    assert page.evaluate(width) == "2.4px"
    page.keyboard.press("ArrowRight")
    assert shown() != [f"sheet-{chosen}"]
    page.context.close()


@pytest.mark.parametrize("name", ["years", "short", "empty"])
def test_on_paper_nothing_is_cut_and_no_heading_is_left_alone(browser, pages, name):
    page = open_page(browser, pages[name], A4, "dark", media="print")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(_OVERLAPS) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    style = (
        "(selector, name) => [...new Set([...document.querySelectorAll(selector)].map(n => getComputedStyle(n)[name]))]"
    )
    for selector, rule in (("tbody tr", "breakInside"), ("figure", "breakInside"), (".facts", "breakInside")):
        assert set(page.evaluate(f"([s, r]) => ({style})(s, r)", [selector, rule])) <= {"avoid"}, selector
    for selector in ("h2", "h3", "h4", "caption", "figcaption"):
        assert set(page.evaluate(f"([s, r]) => ({style})(s, r)", [selector, "breakAfter"])) <= {"avoid"}, selector
    tall = "nodes => nodes.map(n => n.getBoundingClientRect().height)"
    assert max(page.eval_on_selector_all("figure, .facts, tr, .verdict", tall)) < A4[1] / 2
    assert page.locator(".pick").is_hidden()
    pdf = page.pdf(format="A4", prefer_css_page_size=True, print_background=True)
    sheets = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 1 <= sheets <= 12
    page.context.close()
