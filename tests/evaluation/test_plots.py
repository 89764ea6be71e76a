import warnings

import pytest
from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from fer.evaluation.plots import fonts_for, save_confusion_matrix


@pytest.mark.parametrize("fonts", [("DejaVu Sans",), ("DejaVu Sans", "Last Resort High-Efficiency")])
def test_letters_that_no_font_has_are_named_once_instead_of_warnings(fonts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fontManager, "ttflist", [font for font in fontManager.ttflist if font.name in fonts])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_confusion_matrix(tmp_path / "matrix.png", [[1, 0], [0, 1]], ["快乐", "Wut"], "title")
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path / 'matrix.png'}: no installed font has 乐 快, so boxes stand for them; ")
    assert said.count("\n") == 1


def test_an_installed_font_draws_the_letters_that_the_first_one_lacks(tmp_path, capsys):
    before = list(rcParams["font.family"])
    with fonts_for(tmp_path / "matrix.png", ["ᶁ"]):  # Of a font that comes with matplotlib.
        *first, last = rcParams["font.family"]
        assert first == before
        assert ord("ᶁ") in get_font(findfont(FontProperties(family=[last]))).get_charmap()
    assert rcParams["font.family"] == before
    assert capsys.readouterr().err == ""
