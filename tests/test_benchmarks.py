from conftest import ROOT

from benchmarks.__main__ import TITLES, join_sections, read_sections


def test_a_section_that_is_measured_anew_leaves_the_others():
    document = ROOT / "docs" / "benchmarks.md"
    sections = read_sections(document)
    assert set(sections) - set(TITLES.values())  # Those that other commands print.
    written = join_sections({**sections, TITLES["browser"]: "| new |\n"})
    for title, text in sections.items():
        if title != TITLES["browser"]:
            assert f"## {title}\n\n{text}" in written
    assert "| new |\n" in written
