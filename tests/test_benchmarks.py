from conftest import ROOT

from benchmarks.__main__ import TITLES, read_sections, render_document

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def test_sections_of_other_benchmarks_stay_in_the_document(tmp_path):
    sections = read_sections(DOCUMENT)
    assert set(sections) - set(TITLES.values())
    copy = tmp_path / "benchmarks.md"
    copy.write_text(render_document(sections))
    assert read_sections(copy) == sections
    assert copy.read_text().startswith("# Benchmarks\n")


def test_sections_are_in_the_order_of_titles_and_others_follow():
    text = render_document({"Exports": "slow", "Of another program": "kept", "Training": "fast"})
    assert text.index("## Training") < text.index("## Exports") < text.index("## Of another program")
