"""Every page about data, in a real browser whose network is cut: they ask for nothing, and break no rule."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from ingestion.data_page.page import write_data_page
from ingestion.data_page.standing import judge_standing
from tests.ingestion.data_page.test_standing import END, stand, withhold
from tests.serving.dashboard.browsing import open_browser
from tests.validation.frames import funding, profile
from validation.checkpoint import build_docs, judge

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(280)]
SIZES = {"desk": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The overview, the page of the data, one page of each kind of Great Expectations', and those of an empty home."""
    home = tmp_path_factory.mktemp("full")
    settings = stand(home, skip=(10, 11))
    withhold(home)
    judge(settings, {"funding": profile(funding((0.5,)), "funding", key="BTC/2025-04")})
    index = build_docs(settings)
    (validation,) = index.parent.glob("validations/**/*.html")
    rules = index.parent / "expectations" / "funding.html"
    empty = stand(tmp_path_factory.mktemp("empty"), assets=())
    return {
        "overview": index,
        "data": write_data_page(settings, judge_standing(settings, END), END),
        "validation": validation,
        "rules": rules,
        "empty overview": build_docs(empty),
        "empty data": write_data_page(empty, judge_standing(empty, END), END),
    }


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES)
def test_pages_ask_for_nothing_and_break_no_rule(browser, pages, size, scheme):
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
    try:
        for name, path in pages.items():
            page = context.new_page()
            asked, said = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(path.as_uri())
            assert asked == [path.as_uri()], name
            assert said == [], name
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
            broken = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            lines = json.dumps([(item["id"], [node["html"][:160] for node in item["nodes"]][:2]) for item in broken])
            assert broken == [], f"{name}: {lines}"
            page.close()
    finally:
        context.close()


def test_links_lead_to_pages_that_are_there(browser, pages):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(pages["overview"].as_uri())
    addresses = page.eval_on_selector_all("a", "nodes => nodes.map(node => node.href)")
    assert any("validations" in address for address in addresses)
    for address in sorted({address.partition("#")[0] for address in addresses}):
        assert page.goto(address) is not None
        assert page.title().startswith("pairity: ")
    page.goto(pages["validation"].as_uri())
    assert "FAILED" in page.inner_text("main")
    page.get_by_text("Overview of the data").click()
    assert page.title() == "pairity: what was judged"
    context.close()


def test_paper_shows_what_a_screen_folds(browser, pages):
    context = browser.new_context(viewport={"width": 794, "height": 1123}, offline=True)
    page = context.new_page()
    page.emulate_media(media="print")
    page.goto(pages["data"].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    hidden = "[...document.querySelectorAll('details table')].filter(node => node.getBoundingClientRect().height === 0)"
    assert page.evaluate(f"{hidden}.length") == 0
    context.close()
