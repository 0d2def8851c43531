"""What code and documents cite exists; Markdown stays readable in a terminal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache

import pytest

from tests.house.source_tree import PACKAGES, ROOT

WIDTH = 100
_TITLES = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
_CITED = re.compile(r"((?:docs/[\w-]+|\b[A-Z][A-Z0-9-]+)\.md)\b")
_SECTION = re.compile(r"`?, `?([A-Z0-9].{0,80})", re.DOTALL)


@cache
def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split() if (ROOT / name).exists()]


def titles(document: str) -> set[str]:
    """Headings of a document, without their numbers, lower case."""
    text = (ROOT / document).read_text()
    return {re.sub(r"^[\d.]+ +", "", title).replace("`", "").lower() for title in _TITLES.findall(text)}


def place_of(name: str, citing: str) -> str | None:
    """Where a cited document lies: below the root, beside the document that cites it, or among the benchmarks."""
    beside = (ROOT / citing).parent.joinpath(name).resolve()
    for candidate in (ROOT / name, beside, ROOT / "benchmarks" / name):
        if candidate.is_file():
            return str(candidate.relative_to(ROOT))
    return None


def wrong_citations(citing: str) -> Iterator[str]:
    """What a file cites that is not there."""
    text = (ROOT / citing).read_text()
    if not _CITED.search(text):
        return
    if citing.endswith(".py"):  # a citation may go on in the next line of a docstring or comment
        text = re.sub(r"\s*\n\s*#?\s*", " ", text)
    for cited in _CITED.finditer(text):
        place = place_of(cited[1], citing)
        if place is None:
            yield f"{citing} cites {cited[1]}, which is not in the repository"
            continue
        section = _SECTION.match(text, cited.end())
        if (
            citing.endswith(".py")
            and section
            and not any(section[1].lower().startswith(title) for title in titles(place))
        ):
            yield f"{citing}: {place} has no section {section[1]!r}"


def test_cited_documents_and_their_sections_exist():
    """One test of all files: a test for each would be every eighth of the suite."""
    citing = tracked("*.py", "*.md", "*.toml", "Makefile")
    assert len(citing) > 1_000
    # Those of this folder speak about documents in general.
    wrong = [said for name in citing if not name.startswith("tests/house/") for said in wrong_citations(name)]
    assert wrong == []


def test_a_wrong_citation_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.house.test_documents.ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "known.md").write_text("# Known\n\n## The rule\n")
    (tmp_path / "a.py").write_text('"""See docs/known.md, The\n    rule; docs/known.md, Another; docs/none.md."""')
    (tmp_path / "b.md").write_text("docs/known.md and docs/no-such.md")
    assert [
        said.split(": ")[-1].split(" cites ")[-1] for name in ("a.py", "b.md") for said in wrong_citations(name)
    ] == [
        'docs/known.md has no section \'Another; docs/none.md."""\'',
        "docs/none.md, which is not in the repository",
        "docs/no-such.md, which is not in the repository",
    ]


@pytest.mark.parametrize("document", tracked("*.md"))
def test_markdown_wraps_at_100_characters(document):
    fenced, wide = False, []
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and len(line) > WIDTH and not line.lstrip().startswith("|") and " " in line.strip():
            wide.append(number)
    assert wide == []


def test_links_inside_documents_lead_somewhere():
    broken = []
    for document in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / document).read_text()):
            if not (ROOT / document).parent.joinpath(target).exists():
                broken.append(f"{document} → {target}")
    assert broken == []


_CODE = re.compile(
    rf"(?<![\w/.-])((?:{'|'.join((*PACKAGES, 'tests', 'benchmarks'))})/[a-z0-9_/]*(?:\.[a-z]+)?)(?![\w*-])"
)


@pytest.mark.parametrize("document", tracked("*.md"))
def test_code_that_documents_name_exists(document):
    paths = {path.rstrip("/") for path in _CODE.findall((ROOT / document).read_text())}
    missing = sorted(path for path in paths if not (ROOT / path).exists())
    assert missing == []


def anchors(document: str) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = _TITLES.findall((ROOT / document).read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_to_sections_lead_to_one():
    broken = []
    for document in tracked("*.md"):
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", (ROOT / document).read_text()):
            place = place_of(target, document) if target else document
            if place is None or anchor not in anchors(place):
                broken.append(f"{document} → {target}#{anchor}")
    assert broken == []
