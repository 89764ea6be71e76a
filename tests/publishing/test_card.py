import json
import operator
import re
import shutil
from functools import reduce

import pytest
from huggingface_hub import ModelCard

from fer.errors import UserError
from fer.evaluation.photos import NO_CHOICE
from fer.evaluation.summary import CUT_AGAIN
from fer.models.config import CONFIG
from fer.models.model_folder import BUNDLED, CARD, METRICS
from fer.publishing.card import render_card
from fer.publishing.lineage import list_bases
from fer.publishing.redaction import clean_command


@pytest.fixture
def folder(tmp_path):
    """A copy of the files of the bundled model from which its card is rendered."""
    for name in (METRICS, CONFIG):
        shutil.copy(BUNDLED / name, tmp_path)
    return tmp_path


def change(path, place, key, value):
    """Set the value `document[place][key]` of a JSON file."""
    document = json.loads(path.read_text())
    document[place][key] = value
    path.write_text(json.dumps(document))


def test_the_bundled_card_is_up_to_date():
    assert (BUNDLED / CARD).read_text() == render_card(BUNDLED, "bundled")


def test_the_code_in_the_card_recognizes_a_photo(monkeypatch, tmp_path, astronaut, capsys):
    shutil.copy(astronaut, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    lines = re.search(r"```python\n(.+?)```", render_card(BUNDLED, "bundled"), re.DOTALL)[1]
    exec(compile(lines, CARD, "exec"), {})
    assert "'happy': 0.9" in capsys.readouterr().out


def test_the_metadata_has_the_metrics_for_the_hub():
    metrics = json.loads((BUNDLED / METRICS).read_text())
    results = {row.metric_type: row for row in ModelCard(render_card(BUNDLED, "bundled")).data.eval_results}
    assert results["accuracy"].metric_value == round(metrics["accuracy"], 4)
    assert results["ece"].dataset_split == "validation"


def test_a_card_says_what_could_not_be_measured_on_too_few_pictures(folder):
    metrics = json.loads((folder / METRICS).read_text())
    metrics["calibration"]["errors"], metrics["temperature"] = 3, 1
    metrics["photos"]["sets"]["kdef"] |= NO_CHOICE
    (folder / METRICS).write_text(json.dumps(metrics))
    card = " ".join(render_card(folder, "mine").split())
    assert "It would take 10 wrong answers or more; there are 3." in card
    assert "| photos: kdef | 504 | | | 83% |" in card


NEEDED = {
    METRICS: """n split data_sha256 accuracy accuracy_interval balanced_accuracy macro_f1 nll ece temperature agreement
        per_class per_class.sad.f1 confident.threshold
        calibration.confident_held_out.coverage duplicates duplicates.n duplicates.found duplicates.max_distance
        agreement.agreed agreement.majority.accuracy happy_or_sad.accuracy end_to_end.found end_to_end.accuracy_interval
        photos.sets.kdef.accuracy photos.sets.kdef.ece photos.sets.kdef.confident
        photos.mean.recall photos.mean.balanced_accuracy photos.fairness.F.any prior.tried
        calibration calibration.target calibration.nll_held_out calibration.ece_before""",
    CONFIG: """training.parameters training.train_pictures training.epochs training.kept_epoch training.batch_size
        training.optimizer training.learning_rate training.weight_decay training.label_smoothing training.mixup
        training.augment training.average training.seed training.dtype_policy training.keras training.backend
        training.seconds training.command training.votes training.teachers training.start.epochs
        training.start.seconds""",
}
"""Facts in the bundled model's card, by file: at least one for each sentence and row."""


@pytest.mark.parametrize(("file", "fact"), [(file, fact) for file in NEEDED for fact in NEEDED[file].split()])
def test_a_card_with_a_missing_fact_is_not_rendered(folder, file, fact):
    document = json.loads((folder / file).read_text())
    *place, missing = fact.split(".")
    del reduce(operator.getitem, place, document)[missing]
    (folder / file).write_text(json.dumps(document))
    with pytest.raises(UserError, match="a fact that the card states is missing"):
        render_card(folder, "mine")


def test_the_bundled_card_is_short():
    assert (BUNDLED / CARD).read_text().count("\n") <= 120


def test_the_title_names_the_model(folder):
    def title(source):
        text = render_card(folder, source)
        assert f"\n# {ModelCard(text).data.model_name}\n" in text
        return ModelCard(text).data.model_name

    assert title("bundled") == "bundled: facial expressions (se_resnet, trained on FER2013)"
    assert title("someone/small@v1.0").startswith("small: ")
    assert title("runs/mine").startswith("mine: ")
    assert title(str(folder)).startswith(f"{folder.name}: ")


def test_the_metadata_names_language_and_data_set():
    data = ModelCard(render_card(BUNDLED, "bundled")).data
    assert (data.language, data.datasets, data.license) == ("en", ["fer2013"], "apache-2.0")


@pytest.mark.parametrize("address", [None, "https://example.org/fer"])
def test_the_address_of_the_project_comes_from_pyproject_toml(monkeypatch, tmp_path, folder, address):
    urls = f'urls = {{ Repository = "{address}" }}' if address else ""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "fer"\n{urls}\n')
    monkeypatch.setattr("fer.publishing.card.find_resource", lambda name: tmp_path / name)
    card = " ".join(render_card(folder, "someone/mine").split())
    assert ("The project has no public address yet" in card) == (address is None)
    assert "PyPI is another project" in card
    if address:
        assert f"Get the project from {address} and run `pip install .` in it." in card
        assert f"[docs/results.md]({address}/blob/main/docs/results.md)" in card
    else:
        assert "`docs/results.md` in the project has more." in card


def test_links_in_the_bundled_card_have_targets():
    links = re.findall(r"\]\(([^)]+\.md)\)", (BUNDLED / CARD).read_text())
    assert links
    assert all((BUNDLED / link).is_file() for link in links)


def test_earlier_runs_are_listed_in_order(folder):
    first = {"epochs": 24, "seconds": 5160, "command": "python train.py first"}
    for key, value in (("mean_of", None), ("teachers", None), ("start", first)):
        change(folder / CONFIG, "training", key, value)
    alone = " ".join(render_card(folder, "mine").split())
    assert "It started from the weights of an earlier run of 24 epochs (86 minutes)." in alone
    second = {"epochs": 42, "seconds": 3360, "command": "python train.py second", "start": first}
    change(folder / CONFIG, "training", "start", second)
    both = " ".join(render_card(folder, "mine").split())
    assert "2 earlier runs, each from the one before, of 24 and 42 epochs (86 and 56 minutes)." in both
    last = clean_command(json.loads((folder / CONFIG).read_text())["training"]["command"])
    assert f"``` python train.py first python train.py second {last} ```" in both
    small = {"name": "small", "sha256": "0", "training": {"command": "python train.py small", "start": second}}
    change(folder / CONFIG, "training", "teachers", {"models": [small], "weight": 0.9, "temperature": 2.0})
    distilled = " ".join(render_card(folder, "mine").split())
    assert f"``` python train.py first python train.py second python train.py small {last} ```" in distilled


def test_teachers_are_described(folder):
    distilled = {"models": [{"name": "runs-a", "sha256": "0123abc"}], "weight": 0.9, "temperature": 2.0}
    change(folder / CONFIG, "training", "teachers", distilled)
    card = " ".join(render_card(folder, "mine").split())
    assert "It was distilled from one teacher on the same augmented pictures" in card
    assert "at temperature 2.0 and with 90% of the loss" in card
    assert "the plotted training loss is mostly the distance from their probabilities" in card
    assert "The sha256 of the teachers' weights: runs-a `0123abc`." in card
    change(folder / CONFIG, "training", "teachers", None)
    assert "teachers" not in render_card(folder, "mine")


def test_an_enlarging_network_is_described(folder):
    change(folder / CONFIG, "options", "enlarged", 96)
    assert "; it enlarges the crop to 96x96 pixels first." in " ".join(render_card(folder, "mine").split())
    change(folder / CONFIG, "options", "enlarged", None)
    assert "enlarges" not in render_card(folder, "mine")


def test_accuracy_on_photos_and_the_prior_are_in_the_card_if_measured(folder):
    document = json.loads((folder / METRICS).read_text())
    (folder / METRICS).write_text(json.dumps(document | {"photos": None, "prior": None}))
    assert "Not measured: the accuracy on whole photos." in render_card(folder, "mine")
    row = {"accuracy": 0.9, "coverage": 0.5}
    one = {
        "n": 504,
        "accuracy": 0.8,
        "accuracy_interval": [0.76, 0.83],
        "balanced_accuracy": 0.774,
        "all_labels": {"balanced_accuracy": 0.7},
        "confident": row,
        "ece": None,
    }
    mean = {"balanced_accuracy": 0.774, "balanced_accuracy_all": 0.7, "coverage": 0.5, "accuracy": None, "ece": 0.1}
    document["photos"] = {"sets": {"lab": one}, "mean": {**mean, "recall": {"happy": 0.95, "sad": 0.5}}}
    tried = [{"exponent": exponent, "validation_accuracy": 0.7 - exponent / 100} for exponent in (0.0, 0.5, 1.0)]
    document["prior"] = {"exponent": 0.5, "tried": tried}
    (folder / METRICS).write_text(json.dumps(document))
    card = render_card(folder, "mine")
    assert "| photos: lab | 504 | 80% (76–83%) | 77% | 70% | 50% | 90% | none |" in card
    assert "| photos: mean of the sets | | | 77% | 70% | 50% | none | 10% |" in card
    assert re.search(r"^\| happy \|.* 95% \|$", card, re.MULTILINE)
    assert re.search(r"^\| fear \|.* \d+ \|  \|$", card, re.MULTILINE)
    assert "by group" not in card
    assert "70.0% with the power 0.0, 69.5% with the power 0.5." in " ".join(card.split())
    counted = {"count": 1, "share": 0.1, "interval": [0.02, 0.4]}
    document["photos"]["fairness"] = {"F": {"n": 10, "angry": counted, "sad": counted, "any": counted}}
    (folder / METRICS).write_text(json.dumps(document))
    assert "by group: F 10% of 10 (2–40%)." in " ".join(render_card(folder, "mine").split())
    document["photos"]["neutral_without_group"] = 1202
    (folder / METRICS).write_text(json.dumps(document))
    assert "by group: F 10% of 10 (2–40%); 1,202 have no group." in " ".join(render_card(folder, "mine").split())
    del document["photos"]["mean"]["recall"]
    (folder / METRICS).write_text(json.dumps(document))
    with pytest.raises(UserError, match="a fact that the card states is missing"):
        render_card(folder, "mine")


def render_start(folder, **facts):
    """Return the sentences of a card on the weights that training started from."""
    for key, value in facts.items():
        change(folder / CONFIG, "training", key, value)
    text = " ".join(render_card(folder, "mine").split())
    return text[text.index("It started from") :].partition(" `docs/")[0]


def test_the_card_says_what_training_started_from(folder):
    change(folder / CONFIG, "training", "mean_of", None)
    first = {"command": "python train.py", "epochs": 24, "seconds": 600}
    model = {"name": "first", "sha256": "abc"}
    of = "`first` (sha256 `abc`), an earlier run of 24 epochs (10 minutes)"
    assert render_start(folder, start={**first, "model": model}) == f"It started from the weights of {of}."
    second = {"command": "python train.py", "epochs": 8, "seconds": 300, "start": first, "model": model}
    of = "`first` (sha256 `abc`), the last of 2 earlier runs, each from the one before, of 24 and 8 epochs"
    assert render_start(folder, start=second) == f"It started from the weights of {of} (10 and 5 minutes)."
    mean = {"models": [{"name": name, "sha256": name} for name in ("a", "b")], "command": "fer average a b"}
    of = "`first` (sha256 `abc`), the mean of the weights of `a` and `b`; the last of these came from an earlier run"
    own = {"name": "my", "held_out": False, "train": {"happy": 1}, "validation": {"happy": 1}}
    said = render_start(folder, start={**first, "model": model, "mean_of": mean}, data=own)
    assert said == f"It started from the weights of {of} of 24 epochs (10 minutes) on FER2013."
    said = render_start(folder, start={**second, "start": {**first, "mean_of": mean}})
    assert said.endswith("One of these began from a mean of weights.")


def test_data_that_the_model_was_not_trained_on_are_named(folder):
    def render(**facts):
        document = json.loads((folder / METRICS).read_text()) | facts
        (folder / METRICS).write_text(json.dumps(document))
        text = render_card(folder, "mine")
        return " ".join(text.split()), ModelCard(text).data

    facts = {"name": "raf", "held_out": True, "validation": {"happy": 2, "sad": 1}}
    card, data = render(data=facts)
    assert 'pictures of another data set, "raf": a held-out tenth of its training pictures (2 happy, 1 sad).' in card
    assert "FER2013, validation split" not in card
    assert "| without near-duplicates of training pictures of the same data set |" in card
    assert "The model was evaluated on 3,589 pictures of one data set and on the photos above. FER2013's" in card
    result = data.eval_results[0]
    assert (result.dataset_name, result.dataset_split) == ("raf", "held-out tenth of train")
    assert data.model_name == "mine: facial expressions (se_resnet, trained on FER2013)"

    change(folder / CONFIG, "training", "data", facts | {"train": {"happy": 9, "sad": 9}})
    card, data = render(data=None)
    assert "| FER2013, validation split (confident: cross-validated) |" in card
    assert data.eval_results[0].dataset_name == "FER2013"
    assert data.model_name == "mine: facial expressions (se_resnet, trained on own data: raf)"
    card, data = render(data=facts)
    assert 'pictures of own data, "raf": ' in card
    assert "of the same data set" not in card

    change(folder / CONFIG, "training", "data", facts | {"train": {"happy": 9, "sad": 9}, "validation_sha256": "0"})
    card, data = render(data=facts)
    assert 'pictures of another data set, "raf": ' in card
    assert "of the same data set" in card
    assert 'pictures of own data, "raf": ' in render(data=facts, data_sha256="0")[0]

    # Held out anew from pictures that the model may have been trained on.
    card, data = render(data=facts, data_sha256="1", cut_again=True)
    counts = "a held-out tenth of its training pictures (2 happy, 1 sad)"
    assert f'pictures of own data, "raf": {counts}. **{CUT_AGAIN}' in card
    assert data.eval_results[0].dataset_split == "tenth of train, held out after training"
    card, _ = render(data=facts | {"name": "affectnet"}, data_sha256="1", cut_again=True)
    assert 'pictures of another data set, "affectnet": ' in card


@pytest.mark.parametrize(
    ("facts", "named", "sentence"),
    [
        ({}, "apache-2.0", "The licence is Apache-2.0 for code and weights; FER2013 is not part of this repository."),
        (
            {"license": None},
            "apache-2.0",
            "The licence is Apache-2.0 for code and weights; FER2013 is not part of this repository.",
        ),
        (
            {"license": "cc-by-4.0"},
            "cc-by-4.0",
            "of the weights is cc-by-4.0; the code that trained them is Apache-2.0. FER2013",
        ),
        ({"license": None, "data": {}}, None, "The author states no licence for the weights; the code that"),
        (
            {"data": {"license": "mit"}},
            "mit",
            "weights is mit; the code that trained them is Apache-2.0. The pictures are not",
        ),
    ],
    ids=["before", "FER2013", "FER2013 with a licence", "own data", "own data before"],
)
def test_the_licence_is_that_of_the_training(folder, facts, named, sentence):
    own = {"name": "mine", "held_out": False, "train": {"happy": 1}, "validation": {"happy": 1}}
    for key, value in facts.items():
        change(folder / CONFIG, "training", key, own | value if key == "data" else value)
    text = render_card(folder, "mine")
    assert ModelCard(text).data.license == named
    assert sentence in " ".join(text.split())


def test_the_base_model_is_that_of_the_first_run_and_none_above_it():
    first = {"start": {"model": {"name": "owner/first"}, "start": {"model": {"name": "owner/above"}}}}
    assert list_bases({"start": {**first, "model": {"name": "run"}}}) == ["owner/first"]
    other = {"start": {"model": {"name": "owner/other"}}}
    average = {**first, "mean_of": {"models": [{"training": other}, {"name": "known"}]}}
    assert list_bases({"start": {**average, "model": {"name": "run"}}}) == ["owner/first", "owner/other"]


def made(*members, start=None, **facts):
    """Return facts of a training, of an average of `members` or from the weights of `start`."""
    training = {"command": "python train.py", "epochs": 2, "seconds": 60, **facts}
    if start:
        training["start"] = {**start, "model": {"name": "start", "sha256": "0"}}
    if members:
        training["mean_of"] = {
            "models": [{"name": "one", "sha256": "0", "training": member} for member in members],
            "command": "mean",
        }
    return training


PICTURES = {"name": "staff-photos", "held_out": False, "train": {"happy": 1}, "validation": {"happy": 1}}
DIFFERENT = "descend from trainings with different licences, apache-2.0 and cc-by-nc-4.0, and no licence"
SHARED, KEPT = made(), made(data=PICTURES, license="cc-by-nc-4.0")


@pytest.mark.parametrize(
    ("training", "named", "sentence"),
    [
        (
            KEPT | made(SHARED),
            None,
            DIFFERENT,
        ),
        (
            SHARED | made(KEPT),
            None,
            DIFFERENT,
        ),
        (made(start=KEPT), None, DIFFERENT),
        (
            made(start=KEPT, license="cc-by-nc-4.0"),
            "cc-by-nc-4.0",
            "of the weights is cc-by-nc-4.0; the code",
        ),
        (made(start=made(data=PICTURES)), None, "The author states no licence for the weights; the code"),
        (made(weights={"name": "theirs.h5", "sha256": "0"}), None, "The author states no licence for the weights; the"),
        (made(start=SHARED), "apache-2.0", "The licence is Apache-2.0 for code and weights; FER2013 is not"),
    ],
    ids=["average", "other order", "start", "start with a licence", "start without", "base", "FER2013 alone"],
)
def test_licence_and_data_are_those_of_all_runs_whose_weights_a_model_has(folder, training, named, sentence):
    """Only the last run, or the last member of an average, counted: the card relicensed the weights of others."""
    for key, value in training.items():
        change(folder / CONFIG, "training", key, value)
    text = render_card(folder, "mine")
    data = ModelCard(text).data
    own = "staff-photos" in str(training)
    assert (data.license, data.datasets) == (named, None if own else ["fer2013"])
    assert sentence in " ".join(text.split())
    assert ("staff-photos" in text) == own


def test_the_card_states_of_prior_and_threshold_only_what_was_measured(folder):
    def render(**facts):
        document = json.loads((folder / METRICS).read_text())
        document |= {key: document[key] | value for key, value in facts.items()}
        (folder / METRICS).write_text(json.dumps(document))
        return " ".join(render_card(folder, "mine").split())

    assert "among all. The prior was chosen on these photos. The other rows are" in render()
    given = [{"exponent": exponent, "validation_accuracy": 0.7} for exponent in (0.0, 0.75)]
    assert "The prior was chosen on these photos." not in render(prior={"tried": given})
    tried = [{"exponent": exponent, "validation_accuracy": 0.7} for exponent in (0.0, 0.75, 1.0)]
    assert "among all. The prior was chosen on these photos. The other rows are" in render(prior={"tried": tried})
    card = render(prior={"tried": []})
    assert "to the power 0.75 (logit adjustment, arXiv:2007.07314). - Calibration" in card
    assert "validation accuracy is" not in card
    assert "below 0.6397, chosen to make 85% of the rest right, or a detection score" in card
    never = "below 1.0, since no lower threshold makes 99.5% of the rest right, or a detection score"
    unreached = {"threshold": 1.0, "coverage": 0.0, "accuracy": None}
    assert never in render(confident=unreached, calibration={"target": 0.995})
    assert never in render(confident={"coverage": 0.1, "accuracy": 0.9})
    assert "below 1.0, chosen to make 99.5% of the rest right" in render(confident={"accuracy": 1.0})
