import json
import operator
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from functools import reduce
from types import SimpleNamespace

import pytest
from conftest import texts

from fer.app.components.metrics_view import show_metrics
from fer.app.components.training_data import say_training_data
from fer.app.pages.about import HERE, describe, say_limits
from fer.app.server.services import ServedModel, open_model
from fer.app.texts import TEXTS
from fer.hub.client import ModelSource
from fer.images.loading import load_image
from fer.labels import EMOTIONS
from fer.models.calibration import Calibration
from fer.models.config import CONFIG, load_config
from fer.models.model_folder import BUNDLED, METRICS

CURVE = "Curve of the share of right answers"
"""Beginning of the accessible name of the reliability curve."""


@pytest.fixture
def metrics():
    """Metrics of the bundled model, with fixed values where the tests name numbers."""
    metrics = json.loads((BUNDLED / METRICS).read_text())
    metrics |= {"n": 3589, "accuracy": 0.7004, "accuracy_interval": [0.6857, 0.7152]}
    metrics["calibration"]["confident_held_out"] = {"n": 2080, "coverage": 0.5915, "accuracy": 0.8402}
    return metrics | {"confident": {"threshold": 0.6776, "coverage": 0.6015, "accuracy": 0.8502}}


@pytest.fixture
def show(metrics, tmp_path):
    """Function that returns the page's HTML for a model with `metrics`, with a calibration and labels."""

    def show(language="en", calibration=None, labels=EMOTIONS):
        if calibration is None:
            bundled = load_config(BUNDLED).calibration
            calibration = replace(bundled if labels == EMOTIONS else Calibration(bundled.temperature), threshold=0.6776)
        config = json.loads((BUNDLED / CONFIG).read_text())
        config |= {"labels": list(labels), "calibration": asdict(calibration)}
        (tmp_path / CONFIG).write_text(json.dumps(config))
        served = SimpleNamespace(labels=labels, image_size=48, calibration=calibration)
        source = ModelSource("runs/mine", tmp_path)
        return describe(language, ServedModel(served, source, config=load_config(tmp_path), metrics=metrics))

    return show


def test_the_page_shows_the_metrics_in_the_model_folder(show):
    page = show()
    for text in ("<b>70%</b>", "69% to 72%", "3589 pictures", "validation", "below 68%", "59%", "84%"):
        assert text in page
    assert "five-fold cross-validation" in page
    # Cells of the confusion matrix, and the number of pictures of each class.
    assert sum(map(str.isdigit, texts(page))) == len(EMOTIONS) ** 2 + len(EMOTIONS)
    assert f'aria-label="{CURVE}' in page
    assert "left out" not in page


def test_the_measured_data_set_is_named_as_what_it_is(show, metrics):
    assert "FER2013's validation split" in show()
    metrics["data"] = {"name": "mine", "held_out": False, "validation": {}}
    assert "of another data set than the model was trained on" in show()
    assert "choose between training recipes" not in show()


def test_another_data_set_of_the_same_name_is_told_apart(metrics):
    config, data = load_config(BUNDLED), {"name": "mine", "held_out": False, "validation": {}}
    config.training["data"] = data | {"validation_sha256": metrics["data_sha256"]}
    metrics["data"] = data
    assert "of the data set that the model was trained on" in show_metrics("en", metrics, config)
    metrics["data_sha256"] = "0"
    assert "of another data set than the model was trained on" in show_metrics("en", metrics, config)


def test_too_few_pictures_for_a_confident_answer_are_named(show, metrics):
    metrics["calibration"]["confident_held_out"] = {"n": 0, "coverage": 0.0, "accuracy": None}
    page = show()
    assert "none of the 3589 pictures got an answer without" in page
    assert "left out" not in page


def test_no_metric_of_the_bundled_model_is_left_out():
    page = describe("en", open_model(ModelSource("bundled", BUNDLED)))
    assert CURVE in page
    assert "left out" not in page


def test_accuracy_on_photos_comes_first_and_only_if_measured_with_the_served_prior(show, metrics):
    sets = {"lab": {"n": 3, "balanced_accuracy": 0.75}, "<wild>": {"n": 4, "balanced_accuracy": 0.5}}
    metrics["photos"] = {"sets": sets, "mean": {"balanced_accuracy": 0.625}}
    page = show()
    assert "On 7 photos" in page
    assert "<b>62%</b>" in page
    assert "(lab 75%, &lt;wild&gt; 50%)" in page
    assert page.index("On 7 photos") < page.index("<b>70%</b>")
    metrics["prior"] = {"exponent": 0.1, "tried": []}
    assert "On 7 photos" not in show()
    metrics["photos"] = None
    assert "left out" not in show()


@pytest.fixture
def own_data():
    """Configuration of a model that was trained on the user's own data set."""
    config = load_config(BUNDLED)
    config.training["data"] = {"name": "my `faces`", "held_out": 0.1, "license": None}
    return config


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_texts_about_the_training_data_depend_on_the_model(language, own_data):
    bundled = load_config(BUNDLED)
    for text in (say_limits(language, bundled), say_training_data(language, "app.trained", bundled)):
        assert "FER2013" in text
    for text in (say_limits(language, own_data), say_training_data(language, "app.trained", own_data)):
        assert "FER2013" not in text
        assert "`my 'faces'`" in text
    standing = ("app.introduction", "app.limits", "about.limits", "about.serving")
    assert not any("FER2013" in TEXTS[language][key] for key in standing)


@pytest.mark.parametrize("data", ["text", ["list"], {"name": None}, {}])
def test_invalid_facts_about_the_training_data_do_not_break_the_page(own_data, data):
    own_data.training["data"] = data
    assert "trained on" in say_training_data("en", "app.trained", own_data)
    assert say_training_data("en", "app.trained", None) == ""
    assert say_limits("en", None) == TEXTS["en"]["about.limits"]


def test_labels_are_in_the_language_of_the_page(show):
    assert {"enfado", "alegría"} <= set(texts(show("es")))
    assert "fröhlich" in texts(show("de"))


@pytest.mark.parametrize(
    ("calibration", "labels", "gone"),
    [
        (Calibration(2.0, 0.6776), EMOTIONS, CURVE),
        (Calibration(1.0, 0.5), EMOTIONS, "59% got"),
        (None, ("happy", "sad"), "<b>70%</b>"),
    ],
    ids=["another temperature", "another threshold", "other labels"],
)
def test_metrics_of_another_calibration_or_other_labels_are_left_out(show, calibration, labels, gone):
    assert gone in show()
    page = show(calibration=calibration, labels=labels)
    assert gone not in page
    assert "are left out" in page


def test_a_curve_for_a_temperature_that_is_not_served_is_left_out(show, metrics):
    for row in metrics["calibration"]["reliability"]:
        row["confidence"] *= 0.99
    assert CURVE not in show()


@pytest.mark.parametrize("broken", ["accuracy_interval", "calibration", "confident", "confusion_matrix", "per_class"])
def test_missing_or_invalid_metrics_do_not_hide_the_others(show, metrics, broken):
    del metrics[broken]
    page = show()
    assert "are left out" in page
    assert "<b>70%</b>" in page or broken == "accuracy_interval"
    metrics[broken] = "<script>"
    assert "<script>" not in show()


def leaves(document, place=()):
    """Yield the place of each value in a JSON document, as a tuple of keys; one place of each list."""
    parts = document.items() if isinstance(document, dict) else list(enumerate(document))[:1]
    for key, value in parts:
        if isinstance(value, dict | list):
            yield from leaves(value, (*place, key))
        else:
            yield (*place, key)


def test_no_value_of_the_metrics_brings_code_into_the_page(show, metrics):
    """The number of pictures stood in a sentence as it was."""
    places = list(leaves(metrics))
    assert ("n",) in places
    for *outer, key in places:
        part = reduce(operator.getitem, outer, metrics)
        value, part[key] = part[key], "<script>"
        assert "<script>" not in show(), (*outer, key)
        part[key] = value


def test_a_name_of_a_data_set_stays_between_its_backticks(own_data):
    own_data.training["data"] = {"name": "mine\n\n## Other `title`"}
    assert "`mine ## Other 'title'`" in say_training_data("en", "app.trained", own_data)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_folder_without_metrics_is_described_as_such(tmp_path, content):
    folder = shutil.copytree(BUNDLED, tmp_path / "mine")
    (folder / METRICS).unlink()
    if content is not None:
        (folder / METRICS).write_text(content)
    served = SimpleNamespace(labels=EMOTIONS, image_size=48, calibration=Calibration())
    page = describe("en", open_model(ModelSource("runs/mine", folder))._replace(recognizer=served))
    assert "not known" in page or "are left out" in page
    assert "says “not sure” only if it is doubtful that there is a face" in page
    assert str(tmp_path) not in page


def test_a_hub_model_is_linked_at_its_commit_and_a_fallback_gives_its_reason(tmp_path):
    from huggingface_hub import constants

    served = SimpleNamespace(labels=EMOTIONS, image_size=48, calibration=Calibration())
    page = describe("en", ServedModel(served, ModelSource("owner/name", tmp_path, "0123abc"), "<gone>"))
    assert f'href="{constants.ENDPOINT}/owner/name/tree/0123abc"' in page
    assert "the bundled one answers. &lt;gone&gt;" in page


@pytest.fixture(scope="module")
def snippets(client, app_url):
    """The page's code snippets by name, with the app's address, which the browser would insert."""
    components = [component["props"] for component in client.config["components"]]
    ids = {props["elem_id"]: props["value"] for props in components if str(props.get("elem_id")).startswith("call-")}
    return {name.removeprefix("call-"): code.replace(HERE, app_url) for name, code in ids.items()}


@pytest.mark.parametrize(("name", "program"), [("Python", [sys.executable, "-c"]), ("curl", ["sh", "-c"])])
def test_the_snippets_run_against_the_app(snippets, astronaut, recognizer, tmp_path, name, program):
    (face,) = recognizer.recognize(load_image(astronaut))
    (tmp_path / "photo.jpg").write_bytes(astronaut.read_bytes())
    run = subprocess.run([*program, snippets[name]], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "happy" in run.stdout
    assert str(list(face.box)) in run.stdout


def test_the_snippet_for_mcp_names_the_apps_server(snippets, app_url):
    (server,) = json.loads(snippets["MCP"])["mcpServers"].values()
    assert server["url"] == f"{app_url}gradio_api/mcp/"
