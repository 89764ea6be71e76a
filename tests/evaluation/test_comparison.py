import json
import shutil

import pytest
from keras import applications

from fer.cli.commands import main
from fer.evaluation.comparison import BEGIN, END, Contestant, count_multiply_adds, describe_pictures
from fer.evaluation.summary import CUT_AGAIN
from fer.models.config import CONFIG, ModelConfig
from fer.models.model_folder import BUNDLED, METRICS
from fer.models.networks import build_network


def test_multiply_adds_are_those_of_convolutions_and_dense_layers():
    network = build_network("original_cnn", 16, 2)
    assert count_multiply_adds(network) == 16 * 16 * (9 * 32 + 9 * 32 * 16) + 8 * 8 * 16 * 200 + 200 * 2


def test_the_default_network_has_the_documented_number_of_multiply_adds():
    assert round(count_multiply_adds(build_network("se_resnet", 48, 7)) / 1e6) == 206


def test_depthwise_convolutions_are_counted():
    # Howard et al. (2017), table 8: 569 million for MobileNet at 224 pixels.
    assert round(count_multiply_adds(applications.MobileNet(weights=None)) / 1e6) == 569


def test_compare_replaces_only_its_table_in_the_document(untrained, tmp_path, capsys):
    run, output = untrained, tmp_path / "comparison.md"
    (run / "history.csv").write_text("epoch,val_accuracy\n0,0.5\n1,0.6\n")
    metrics = json.loads((run / METRICS).read_text())
    (run / METRICS).write_text(json.dumps(metrics | {"data_sha256": "0"}))
    output.write_bytes(f"# Ours\r\n\r\n{BEGIN}\r\nold\r\n{END}\r\n\r\nThe end.\r\n".encode())
    for _ in range(2):
        assert main(["compare", "bundled", str(run), "--output", str(output)]) == 0
    assert output.read_bytes().count(b"\n") == output.read_bytes().count(b"\r\n")
    document, accuracy = output.read_text(), json.loads((BUNDLED / METRICS).read_text())["accuracy"]
    assert document.startswith("# Ours\n")
    assert document.endswith(f"{END}\n\nThe end.\n")
    assert "old" not in document
    rows = [line for line in document.splitlines() if f" {accuracy:.1%} " in line]
    assert [row.split(" | ")[0] for row in rows] == ["| bundled", "| untrained"]
    assert "1.95 M" in rows[0]
    note = "The accuracies were not measured on the same pictures: bundled on 3589 of FER2013; untrained on 3589 of"
    assert document.count(note) == 1
    said = capsys.readouterr().out
    assert rows[0] in said
    assert note in said
    assert "(comparison.png)" in document
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def make_contestant(name, size, digest, supports, data=None):
    """Return a `Contestant` with what `describe_pictures` reads."""
    rows = {str(index): {"support": support} for index, support in enumerate(supports)}
    metrics = {"n": sum(supports), "data_sha256": digest, "per_class": rows, "data": data}
    return Contestant(name, None, ModelConfig("se_resnet", ("0", "1"), size), metrics, [], 0)


def test_accuracies_on_pictures_of_the_training_are_noted():
    first, second = (make_contestant(name, 48, "a", (2, 1)) for name in ("first", "second"))
    second.metrics["cut_again"] = True
    assert describe_pictures([first, second]) == f"second: {CUT_AGAIN}"
    second.metrics["data_sha256"] = "b"
    said = describe_pictures([first, second])
    assert said.startswith("The accuracies were not measured on the same pictures: ")
    assert said.endswith(f"of FER2013. second: {CUT_AGAIN}")


def test_accuracies_on_other_pictures_are_noted():
    first = make_contestant("first", 48, "a", (2, 1))
    assert describe_pictures([first, make_contestant("second", 48, "a", (2, 1))]) == ""
    assert describe_pictures([first, make_contestant("larger", 64, "b", (2, 1))]) == ""
    assert describe_pictures([first, make_contestant("moved", 48, "a", (2, 1), {"name": "mine"})]) == ""
    said = "The accuracies were not measured on the same pictures: first on 3 of FER2013; other on 3 of mine."
    assert describe_pictures([first, make_contestant("other", 48, "b", (2, 1), {"name": "mine"})]) == said
    assert describe_pictures([first, make_contestant("other", 64, "b", (1, 2), {"name": "mine"})]) == said
    assert describe_pictures([first, make_contestant("other", 64, "b", (2, 1), {"name": "mine"})]) == said


def test_runs_of_the_same_name_are_told_apart_by_the_folder_above(untrained, tmp_path, capsys):
    for place in ("one", "two"):
        shutil.copytree(untrained, tmp_path / place / "run")
    output = str(tmp_path / "comparison.md")
    assert main(["compare", *(str(tmp_path / place / "run") for place in ("one", "two")), "--output", output]) == 0
    assert [line[:10] for line in capsys.readouterr().out.splitlines() if "/run" in line] == [
        "| one/run ",
        "| two/run ",
    ]


def test_models_and_documents_that_cannot_be_compared_are_refused(tmp_path, capsys):
    prose = tmp_path / "prose.md"
    prose.write_text("no place\n")
    latin = tmp_path / "latin.md"
    latin.write_bytes(f"Über\n{BEGIN}\n{END}\n".encode("latin-1"))
    incomplete = shutil.copytree(BUNDLED, tmp_path / "incomplete")
    document = json.loads((incomplete / CONFIG).read_text())
    del document["training"]["seconds"]
    (incomplete / CONFIG).write_text(json.dumps(document))
    empty = shutil.copytree(BUNDLED, tmp_path / "empty")
    (empty / METRICS).unlink()
    new = str(tmp_path / "new.md")
    for arguments, message in (
        (["nowhere", "--output", new], "a model folder holds"),
        ([str(empty), "--output", new], "a comparison needs the model's figures"),
        ([str(incomplete), "--output", new], "a comparison needs seconds"),
        (["bundled", "--output", str(prose)], "the document must hold"),
        (["bundled", "--output", str(latin)], f"{latin}: must be a text in UTF-8. Received: invalid"),
        (["bundled", "--output", str(tmp_path / "none" / "x.md")], "an existing folder"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["compare", *arguments])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    assert prose.read_text() == "no place\n"
