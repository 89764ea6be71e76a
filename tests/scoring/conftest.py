"""Fixtures and functions of the tests of scoring; no test here reaches another machine."""

import sys
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from conftest import draw_face, encode

from fer.cli.commands import main
from fer.scoring import job as scoring
from fer.scoring.scorer import Scorer


@pytest.fixture(scope="module", autouse=True)
def offline():
    """Set a proxy that does not exist, so that requests to other machines fail at once, as Ray makes some."""
    with pytest.MonkeyPatch.context() as patch:
        for scheme in ("http", "https"):
            patch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
        yield


@pytest.fixture
def faces(tmp_path):
    """Function that draws `count` pictures of one face each into subfolders of a folder, and returns the folder."""

    def draw(count):
        folder = tmp_path / "faces"
        for number in range(count):
            path = folder / f"{number % 3}" / f"{number} a#b.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_face("happy", number).save(path)
        return folder

    return draw


@pytest.fixture
def score(monkeypatch):
    """Function that scores a source into an output without Ray, in one shard, and returns its tally."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda reference: reference))  # Enough for one actor.

    def run(source, output):
        plan = scoring.plan_scoring(str(source), str(output))
        scorer = Scorer(plan.model_file, plan.run.destination, plan.parquet, plan.already_cropped)
        (tally,) = scorer(plan.pictures).to_pylist() if len(plan.pictures) else [None]
        plan.run.close()
        return tally

    return run


def to_png(emotion, number):
    return encode(draw_face(emotion, number))


def read_output(output):
    """Return the rows of an output folder, sorted by path and face."""
    return pq.read_table(output).sort_by([("path", "ascending"), ("face", "ascending")]).to_pylist()


def check_refusal(command, message, capsys):
    """Run a command that must end with code 2 and one line on standard error that contains a message."""
    with pytest.raises(SystemExit) as end:
        main(command)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.count("\n") == 1
