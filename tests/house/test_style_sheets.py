"""The light theme stands twice, since CSS cannot share it: chosen, and preferred before the script has chosen."""

from __future__ import annotations

import re

from tests.house.source_tree import ROOT

SHEET = ROOT / "serving" / "dashboard" / "static" / "css" / "base.css"
WITHOUT_COLOUR = {"--sans", "--size"}


def declared(selector: str) -> dict[str, str]:
    """Declarations of the one rule with this selector."""
    (body,) = re.findall(rf"(?<![\w\]]){re.escape(selector)} {{([^}}]*)}}", SHEET.read_text())
    return dict(re.findall(r"([\w-]+):\s*([^;]+);", body))


def test_the_light_theme_is_the_same_before_and_after_the_script():
    assert declared(":root:not([data-theme])") == declared(':root[data-theme="light"]')


def test_each_theme_has_every_colour():
    assert declared(":root").keys() - declared(':root[data-theme="light"]').keys() == WITHOUT_COLOUR
    assert declared(':root[data-theme="light"]').keys() <= declared(":root").keys()
