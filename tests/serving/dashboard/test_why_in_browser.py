"""The page of one order in a real browser: the chain in its steps, what is not the same, what is not there."""

from __future__ import annotations

import pytest

from tests.serving.dashboard.browsing import SIZES, Look
from tests.serving.dashboard.scenario_chain import BOOK, KNOWN, LOST, STOP

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
STEPS = ("1. Order", "2. Decision", "3. Score of XRP / AVAX", "4. Features", "5. Model", "6. Raw data", "7. Code")


@pytest.fixture
def visit(browser, server):
    looks = []

    def open_page(order, size="desk", scheme="dark"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        looks.append(Look(context, f"{server.url}/why/{order}", link=None))
        return looks[-1]

    yield open_page
    for look in looks:
        look.context.close()


@pytest.mark.parametrize("size", ["phone", "desk"])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_chain_stands_in_its_steps_and_nothing_is_cut_off(visit, size, scheme):
    look = visit(KNOWN, size, scheme)
    look.page.wait_for_selector(".steps > li")
    heads = look.page.locator(".steps h2").all_inner_texts()
    assert [head.startswith(said) for head, said in zip(heads, STEPS, strict=True)] == [True] * len(STEPS)
    assert look.page.inner_text("main").count("the same float") == 2
    assert "NOT THE SAME" not in look.page.inner_text("main")
    assert look.page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    assert look.page.evaluate("document.documentElement.dataset.theme") == scheme
    assert look.complaints == []


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_the_chain_of_a_book_has_its_names_and_a_weight_and_no_model(visit, size):
    look = visit(BOOK, size)
    look.page.wait_for_selector(".steps > li")
    heads = look.page.locator(".steps h2").all_inner_texts()
    said = ("1. Order", "2. Decision", "3. Weight of XRP", "4. Features", "5. Raw data", "6. Code")
    assert [head.startswith(one) for head, one in zip(heads, said, strict=True)] == [True] * len(said)
    shown = look.page.inner_text("main")
    assert "beyond the band" in shown
    assert "return_1d" in shown
    assert shown.count("the same float") == 2
    assert look.page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    assert look.complaints == []


def test_what_is_not_the_same_is_said(visit):
    look = visit(LOST)
    look.page.wait_for_selector(".steps > li")
    assert "NOT THE SAME: funding_spread, basis_spread of 39 features" in look.page.inner_text("main")


def test_an_order_without_a_decision_leads_to_the_one_that_opened_its_position(visit):
    look = visit(STOP)
    look.page.wait_for_selector(".steps > li")
    look.page.click(f"text={KNOWN}")
    look.page.wait_for_url(f"**/why/{KNOWN}")
    look.page.wait_for_selector("text=7. Code")


def test_an_unknown_order_is_said_to_be_none(visit):
    look = visit("pairitye0000")
    look.page.wait_for_selector(".bad-news")
    assert "there is no order pairitye0000" in look.page.inner_text("#state")
