"""Tests of the documents' links, lengths and lists of packages and files."""

import re
from collections import Counter

import pytest
from conftest import ROOT
from fences import DOCUMENTS, FENCE, name_of, read_prose
from test_architecture import FLOORS

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
README, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "architecture.md"
PAGES = [document for document in DOCUMENTS if document.parent == ROOT / "docs"]
GENERATED = ("benchmarks", "fuzz")
"""Names of the pages that programs write, whose lines depend on what was measured."""
PACKAGES = [name for floor in FLOORS[1:] for name in floor if (ROOT / "fer" / name).is_dir()]
"""Packages of `fer`, the lowest floor first."""


def anchors(document):
    """Return the anchors of a document's headings, as GitHub makes them."""
    seen, found = Counter(), set()
    for heading in HEADING.findall(read_prose(document)):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_have_targets(document):
    prose = re.sub(r"`[^`]*`", "", read_prose(document))
    for link in LINK.findall(prose):
        if re.match("https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_documents_that_the_code_names_exist():
    files = [ROOT / name for name in ("app.py", "train.py", "Makefile", "Dockerfile", "model_card.md", ".ci/run")]
    files += [file for folder in ("fer", "benchmarks") for file in (ROOT / folder).rglob("*.py")]
    named = {name for file in files for name in re.findall(r"\bdocs/[a-z0-9-]+\.\w+", file.read_text())}
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("document", [README, *PAGES], ids=name_of)
def test_documents_are_short(document):
    assert len(document.read_text().splitlines()) <= (150 if document == README else 200)


@pytest.mark.parametrize("document", [README, *(page for page in PAGES if page.stem not in GENERATED)], ids=name_of)
def test_lines_are_short(document):
    lines = document.read_text().splitlines()
    assert [line for line in lines if len(line) > 128 and not line.startswith(("|", "![")) and "http" not in line] == []


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_a_page_states_its_readers(document):
    title, *lines = document.read_text().splitlines()
    assert title.startswith("# ")
    assert [line for line in lines[:5] if line.startswith("For ")]


def test_readme_and_architecture_list_the_packages_by_floor():
    tree = FENCE.findall(README.read_text())[-1][1]
    assert re.findall(r"(\w+)/", tree.partition("app.py")[0])[1:] == PACKAGES
    rows = re.findall(r"^\| `(\w+)` \|", read_prose(ARCHITECTURE), re.MULTILINE)
    assert rows == PACKAGES[::-1]
    drawn = re.findall(r'font-weight="bold" fill="#\w+">(\w+)<', ARCHITECTURE.with_suffix(".svg").read_text())
    assert drawn == [*PACKAGES[::-1], "ground"]


def test_the_files_that_the_architecture_names_exist():
    prose, text = read_prose(ARCHITECTURE), ARCHITECTURE.read_text()
    for package, cell in re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", prose, re.MULTILINE):
        for name in re.findall(r"`([\w/]+\.(?:py|js))`", cell):
            assert (ROOT / "fer" / package / name).is_file(), name
    for path in re.findall(r"<br>([\w/]+\.py)", text) + re.findall(r"`((?!fer|tests)\w+/\w+\.py)`", prose):
        assert (ROOT / "fer" / path).is_file(), path
