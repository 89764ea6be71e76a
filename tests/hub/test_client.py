"""Tests of pull and push with the real huggingface_hub, over HTTP, against the double of the Hub."""

import ast
import json
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, hub_environment
from huggingface_hub import constants

import train
from fer.cli.commands import main
from fer.errors import UserError
from fer.export.litert_file import write_litert_file
from fer.hub.client import pull_model, resolve_model
from fer.hub.errors import EXPLANATIONS, HubError, explained
from fer.models.config import CONFIG, EXPORTS, WEIGHTS, ModelConfig, ModelFolderError, change_document, load_config
from fer.models.model_folder import BUNDLED, CARD, METRICS, load_metrics, load_model, save_model
from fer.publishing.access import check_push
from fer.publishing.push import push_model
from fer.recognition.litert_network import LiteRTNetwork, read_litert_file

MODEL = "fer-bot/model"


@pytest.fixture
def model(tmp_path):
    """A copy of the bundled model folder that a test may change."""
    return shutil.copytree(BUNDLED, tmp_path / "model")


@pytest.fixture
def small(whole_small, tmp_path):
    """A copy of `whole_small` that a test may change."""
    return shutil.copytree(whole_small, tmp_path / "small")


@pytest.fixture(scope="module")
def whole_small(tmp_path_factory):
    """A model folder of a small, untrained network with the metrics of the bundled model."""
    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    options = {"stem": 8, "widths": [8], "depth": 1}
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, options, load_config(BUNDLED).training)
    save_model(folder, config.build(), config)
    shutil.copy(BUNDLED / METRICS, folder)
    write_litert_file(folder)
    return folder


def test_a_pushed_model_can_be_pulled_at_its_commit(hub, monkeypatch):
    push = push_model("bundled", MODEL, tag="v1.0")
    repository = hub.model(MODEL)
    assert push.revision == repository.head.sha
    assert push.url == f"{hub.url}/{MODEL}/tree/{push.revision}"
    assert len(repository.commits) == 2  # The first one creates the repository.
    files = repository.head.files
    assert {CONFIG, METRICS, WEIGHTS, CARD, "figures/reliability.png", "figures/confusion_matrix.png"} < set(files)
    assert f'Recognizer.load("{MODEL}@v1.0")' in files[CARD].content.decode()
    assert 'Recognizer.load("bundled")' in (BUNDLED / CARD).read_text()

    hub.requests.clear()
    for name in (f"{MODEL}@{push.revision}", f"{MODEL}@v1.0", MODEL):
        source = resolve_model(name)
        assert str(source) == f"{MODEL}@{push.revision}"
        assert (source.folder / WEIGHTS).read_bytes() == (BUNDLED / WEIGHTS).read_bytes()
    names = {path.rsplit("/", 1)[1] for _, path, _ in hub.requests if "/resolve/" in path}
    assert names == {CONFIG, WEIGHTS, METRICS, EXPORTS["litert"]}
    load_model(source.folder)

    # Cached models can be used without the Hub.
    requests = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull_model(MODEL, push.revision) == pull_model(MODEL) == source
    assert len(hub.requests) == requests


def test_a_pushed_litert_file_is_used_and_a_changed_one_is_refused(hub, model):
    push_model("bundled", MODEL)
    assert isinstance(read_litert_file(pull_model(MODEL).folder).open(), LiteRTNetwork)
    content = bytearray((model / EXPORTS["litert"]).read_bytes())
    content[4_000_000:4_000_028] = bytes(28)
    (model / EXPORTS["litert"]).write_bytes(content)
    hub.put(model, MODEL)
    with pytest.raises(ModelFolderError, match="model.tflite: sha256 .* expected by config.json"):
        read_litert_file(pull_model(MODEL).folder).open()


def test_pushing_again_without_a_change_makes_no_commit(hub):
    first = push_model("bundled", MODEL, tag="v1.0")
    assert push_model("bundled", MODEL, tag="v1.0") == first
    assert len(hub.model(MODEL).commits) == 2


def test_an_existing_tag_is_refused_before_anything_is_uploaded(hub, small):
    first = push_model(small, MODEL, tag="v1.0")
    (small / "history.csv").write_text("epoch\n0\n")
    elsewhere = f"nothing was pushed, since the tag v1.0 is at {first.revision} already"
    with pytest.raises(HubError, match=elsewhere):
        push_model(small, MODEL, tag="v1.0")
    assert hub.model(MODEL).head.sha == hub.model(MODEL).find("v1.0").sha == first.revision
    head = push_model(small, MODEL).revision
    with pytest.raises(HubError, match=elsewhere):  # Although the folder is unchanged.
        push_model(small, MODEL, tag="v1.0")
    assert hub.model(MODEL).head.sha == head != first.revision


def test_logs_of_an_earlier_push_are_removed(hub, small):
    for name in ("one", "two"):
        shutil.rmtree(small / "logs", ignore_errors=True)
        (small / "logs" / "train").mkdir(parents=True)
        (small / "logs" / "train" / f"events.out.tfevents.{name}").write_bytes(b"\0" + name.encode())
        push_model(small, MODEL)
    logs = [path for path in hub.model(MODEL).head.files if path.startswith("logs/")]
    assert logs == ["logs/train/events.out.tfevents.two"]


def test_a_pull_request_does_not_change_main(hub):
    head = hub.put(BUNDLED, "other/model")
    push = push_model("bundled", "other/model", create_pr=True)
    assert push.url == f"{hub.url}/other/model/discussions/1"
    assert hub.model("other/model").head.sha == head


def test_a_new_repository_is_private_if_requested(hub):
    push_model("bundled", MODEL, private=True)
    assert hub.model(MODEL).private


@pytest.mark.parametrize("create_pr", [False, True])
def test_private_is_refused_for_an_existing_public_repository(hub, tmp_path, capsys, create_pr):
    head = hub.put(BUNDLED, MODEL)
    options = ["--private", *["--create-pr"] * create_pr]
    with pytest.raises(SystemExit) as end:
        main(["push", "bundled", MODEL, *options])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"Make it private first, with `hf repos settings {MODEL} --private` or in its settings on the Hub" in said
    with pytest.raises(HubError, match="this one is there and public"):
        train.main(["--data", "nowhere", "--output", str(tmp_path / "run"), "--push-to-hub", MODEL, *options])
    assert hub.model(MODEL).head.sha == head
    assert not hub.model(MODEL).pull_requests
    hub.put(BUNDLED, "fer-bot/private", private=True)
    check_push("fer-bot/private", private=True)


def test_a_token_of_a_browser_login_can_push_where_the_hub_allows_it(hub, small, monkeypatch):
    hub.state.tokens |= {"hf_oauth": "fer-bot", "hf_looks": "fer-bot"}
    hub.state.oauth |= {"hf_oauth", "hf_looks"}
    hub.state.read_only.add("hf_looks")
    monkeypatch.setenv("HF_TOKEN", "hf_oauth")
    push_model(small, MODEL)
    check_push(MODEL)
    hub.put(BUNDLED, "other/model")
    with pytest.raises(HubError, match="the token belongs to fer-bot, who may not write there"):
        check_push("other/model")
    monkeypatch.setenv("HF_TOKEN", "hf_looks")
    with pytest.raises(HubError, match="the token may not do this"):
        check_push(MODEL)


@pytest.mark.parametrize("token", ["hf_é", "hf_\u2028x"])
def test_a_token_with_an_invalid_character_is_refused(hub, monkeypatch, token):
    hub.put(BUNDLED, MODEL)
    monkeypatch.setenv("HF_TOKEN", token)
    for ask in (lambda: pull_model(MODEL), lambda: check_push(MODEL), lambda: check_push(MODEL, create_pr=True)):
        with pytest.raises(HubError, match="the token holds a character that no token has. Set HF_TOKEN anew"):
            ask()


@pytest.fixture
def no_pauses(monkeypatch):
    """Remove the pauses between attempts of huggingface_hub and of this project."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("part", "status", "times"),
    [("/preupload/", 503, 1), ("/_lfs/", 500, 2), ("/commit/", 503, 1), ("/commit/", 412, 2)],
)
def test_a_push_is_repeated_after_errors(hub, small, part, status, times):
    hub.fail(part, status, times)
    push_model(small, MODEL)
    assert WEIGHTS in hub.model(MODEL).head.files
    assert not hub.state.faults


@pytest.mark.parametrize(
    ("repository", "token", "message"),
    [
        (MODEL, None, "A token is needed to push"),
        (MODEL, "hf_wrong", "the token is not valid"),
        (MODEL, "hf_read", "the token may only read"),
        ("other/model", "hf_write", "the token belongs to fer-bot, who may not write there"),
        ("model", "hf_write", "must be OWNER/NAME. Received: model"),
        (f"{MODEL}@v1", "hf_write", "must be OWNER/NAME. Received: fer-bot/model@v1"),
    ],
)
def test_a_push_without_permission_is_reported_before_training(hub, tmp_path, monkeypatch, repository, token, message):
    hub.state.tokens["hf_read"] = "fer-bot"
    hub.state.read_only.add("hf_read")
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match=message) as error:
        train.main(["--data", "nowhere", "--output", str(tmp_path / "run"), "--push-to-hub", repository])
    assert "hf_w" not in str(error.value)
    assert not hub.repos


@pytest.mark.usefixtures("small_network", "eager", "conversion_of_another")
def test_if_a_push_fails_after_training_the_model_is_kept_and_the_command_printed(hub, draw_dataset, tmp_path):
    data, run = draw_dataset(tmp_path / "data", ("happy", "sad")), tmp_path / "run"
    hub.fail("/preupload/", 403)
    command = ["--data", str(data), "--output", str(run), "--classes", "happy", "sad", "--epochs", "1"]
    command += ["--image-size", "16", "--from-scratch"]
    with pytest.raises(UserError, match="To publish it: python -m fer push") as error:
        train.main([*command, "--push-to-hub", MODEL, "--tag", "v1.0", "--export", "litert"])
    assert not hub.model(MODEL).find("main").files.keys() & {WEIGHTS, CONFIG}
    load_model(run)
    words = shlex.split(str(error.value).split("python -m fer ")[1])
    assert main(words) == 0
    assert {WEIGHTS, "model.tflite"} < set(hub.model(MODEL).find("v1.0").files)


def test_the_code_in_the_card_runs_with_the_package_alone(hub, tmp_path, astronaut):
    push = push_model("bundled", MODEL)
    card = hub.model(MODEL).head.files[CARD].content.decode().replace(f'"{MODEL}"', f'"{MODEL}@{push.revision}"')
    lines, *_ = re.findall(r"```python\n(.+?)```", card, re.DOTALL)
    shutil.copytree(ROOT / "fer", tmp_path / "fer", ignore=shutil.ignore_patterns("bundled", "__pycache__"))
    shutil.copy(astronaut, tmp_path / "photo.jpg")
    run = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, env=hub_environment(), capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    probabilities = ast.literal_eval(run.stdout)
    assert max(probabilities, key=probabilities.get) == "happy"


def test_a_pull_request_needs_an_existing_repository(hub):
    with pytest.raises(HubError, match="no such repository"):
        check_push("other/model", create_pr=True)


def test_options_of_a_push_require_push_to_hub(tmp_path):
    for option in (["--private"], ["--create-pr"], ["--tag", "v1"]):
        with pytest.raises(UserError, match="go with --push-to-hub"):
            train.main(["--data", "nowhere", "--output", str(tmp_path / "run"), *option])


def test_an_interrupted_download_is_resumed(hub, monkeypatch):
    hub.put(BUNDLED, MODEL)
    # huggingface_hub resumes after the last complete chunk, and this network is smaller than one chunk.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1_000_000)
    hub.cut("/_cdn/")
    folder = pull_model(MODEL).folder
    assert (folder / WEIGHTS).read_bytes() == (BUNDLED / WEIGHTS).read_bytes()
    # Its weights in two parts, and its LiteRT file.
    assert [status for _, path, status in hub.requests if "/_cdn/" in path] == [200, 206, 200]
    assert not hub.state.faults


@pytest.mark.parametrize("name", [WEIGHTS, EXPORTS["litert"]])
def test_a_damaged_file_of_the_cache_is_downloaded_again(hub, monkeypatch, name):
    """What a power cut had left was an error at each start; huggingface_hub does not look at it."""
    sha = hub.put(BUNDLED, MODEL)
    file = pull_model(MODEL).folder / name
    file.resolve().write_bytes(b"cut")
    with monkeypatch.context() as offline:
        offline.setattr(constants, "HF_HUB_OFFLINE", True)
        assert (pull_model(MODEL).folder / name).read_bytes() == b"cut"
    assert pull_model(MODEL, sha).folder == file.parent
    assert file.read_bytes() == (BUNDLED / name).read_bytes()
    hub.requests.clear()
    pull_model(MODEL)
    assert [(method, path.rsplit("/", 1)[1]) for method, path, _ in hub.requests] == [("HEAD", CONFIG)]


@pytest.mark.usefixtures("no_pauses")
def test_after_an_interrupted_update_the_commit_before_is_used_without_a_network(hub, small, monkeypatch):
    first = hub.put(BUNDLED, MODEL)
    pull_model(MODEL)
    second = hub.put(small, MODEL)
    hub.fail("/_cdn/", 500, 20)
    with pytest.raises(HubError, match="the Hub answered with an error"):
        pull_model(MODEL)
    with monkeypatch.context() as offline:
        offline.setattr(constants, "HF_HUB_OFFLINE", True)
        assert pull_model(MODEL).revision == first
    hub.state.faults.clear()
    assert pull_model(MODEL).revision == second
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull_model(MODEL).revision == second


@pytest.mark.slow(reason="starts two interpreters")
def test_two_processes_can_pull_at_the_same_time(hub):
    hub.put(BUNDLED, MODEL)
    program = f"from fer.hub.client import resolve_model; print(resolve_model('{MODEL}').folder)"
    command = [sys.executable, "-c", program]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate(timeout=120)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = folders
    assert (Path(folder) / WEIGHTS).read_bytes() == (BUNDLED / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        ("fer-bot/nothing", "hf_write", "no such repository on the Hub, or it is private"),
        ("fer-bot/private", None, "no such repository on the Hub, or it is private"),
        ("other/gated", "hf_write", "access is restricted"),
        ("fer-bot/model@v9", "hf_write", "no such branch, tag or commit"),
        ("fer-bot/model@" + "0" * 40, "hf_write", "no such branch, tag or commit"),
        ("fer-bot/empty", "hf_write", "it is not a model of this project"),
        ("fer-bot/model", "hf_wrong", "the token is not valid"),
    ],
)
def test_errors_of_a_pull_are_one_sentence(hub, tmp_path, monkeypatch, capsys, name, token, message):
    hub.put(BUNDLED, MODEL)
    hub.put(BUNDLED, "fer-bot/private", private=True)
    hub.put(BUNDLED, "other/gated", gated=True)
    (tmp_path / "empty").mkdir()
    hub.put(tmp_path / "empty", "fer-bot/empty")
    monkeypatch.setenv("HF_TOKEN", token) if token else monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SystemExit) as end:
        main(["predict", "--model", name, "photo.jpg"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"python -m fer predict: {name}: ")
    assert message in said
    assert said.count("\n") == 1
    assert "hf_w" not in said


def test_private_and_gated_models_are_pulled_with_a_token(hub):
    hub.put(BUNDLED, MODEL, private=True, gated=True)
    pull_model(MODEL)  # The double's CDN refuses requests that have the token.


def test_a_renamed_model_is_found_by_its_old_name(hub):
    sha = hub.put(BUNDLED, "fer-bot/new")
    hub.state.renamed["models", MODEL] = "fer-bot/new"
    assert pull_model(MODEL).revision == sha


def test_offline_without_a_cached_model_is_an_error(hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="no such folder here, not in the cache, and HF_HUB_OFFLINE forbids"):
        pull_model(MODEL)


@pytest.mark.usefixtures("no_pauses")
def test_an_unreachable_hub_is_reported(hub, monkeypatch):
    url = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(hub.url, "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
    with pytest.raises(HubError, match="no such folder here; the Hub cannot be reached, and .* not in the cache"):
        pull_model(MODEL)


def test_explanations_of_error_classes_precede_those_of_their_base_classes():
    kinds = list(EXPLANATIONS)
    assert not [(kind, wider) for index, kind in enumerate(kinds) for wider in kinds[:index] if issubclass(kind, wider)]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ValueError('Invalid metadata in README.md.\n- "license"'),
            'the Hub refused it (Invalid metadata in README.md. - "lic',
        ),
        (json.JSONDecodeError("Expecting value", "<html>", 0), "the Hub cannot be reached: what answers at http"),
        (TimeoutError(), "the transfer failed (TimeoutError)"),
        (ValueError(""), "the Hub refused it (ValueError)."),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "the Hub refused it ('utf-8' codec"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "invalid"), "the Hub refused it ('utf-8' codec"),
        (RuntimeError(""), "the transfer failed (RuntimeError)"),
        (UserError("the rule, and what was received"), "the rule, and what was received"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_error_becomes_one_sentence(error, said):
    subject = "" if isinstance(error, UserError) else f"{MODEL}: "
    with pytest.raises(UserError) as told, explained(MODEL):
        raise error
    assert str(told.value).startswith(subject + said)
    assert "\n" not in str(told.value)


def test_a_refused_request_is_reported_with_the_reason_of_the_hub(hub):
    hub.put(BUNDLED, MODEL)
    hub.fail("/_cdn/", 400)
    with pytest.raises(HubError, match=r"the Hub refused it \(400: injected\)\.$"):
        pull_model(MODEL)


def test_a_card_that_the_hub_refuses_is_reported_with_its_reason(hub, small):
    change_document(small, training=load_config(small).training | {"license": "my-own-1.0"})
    with pytest.raises(HubError, match=r'the Hub refused it \(Invalid metadata .*"license" must be one of'):
        push_model(small, MODEL)


def test_nested_metrics_are_no_valid_json(model):
    (model / METRICS).write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"metrics\.json: no valid JSON"):
        load_metrics(model, "a card")


def test_a_server_error_is_reported(hub):
    hub.put(BUNDLED, MODEL)
    hub.fail("/_cdn/", 500)
    with pytest.raises(HubError, match=r"the Hub answered with an error \(500\)"):
        pull_model(MODEL)


@pytest.mark.parametrize("name", [METRICS, "model.tflite"])
@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.usefixtures("no_pauses")
def test_a_refused_file_is_not_taken_for_one_that_the_model_lacks(hub, name, status):
    hub.put(BUNDLED, MODEL)
    hub.fail(f"/{name}", status, 20)
    with pytest.raises(HubError, match=f"{MODEL}: "):
        pull_model(MODEL)


def test_a_model_without_optional_files_is_pulled_again_while_the_hub_fails(hub, model):
    for name in (METRICS, "model.tflite"):
        (model / name).unlink(missing_ok=True)
    hub.put(model, MODEL)
    folder = pull_model(MODEL).folder
    hub.fail("/resolve/", 503, 20)
    assert pull_model(MODEL).folder == folder


@pytest.mark.parametrize("name", ["../mine", "runs/a--b", "./mine", "mine/.hidden"])
def test_a_path_that_no_repository_can_have_is_a_missing_folder(name, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "--model", name, "photo.jpg"])
    said = capsys.readouterr().err
    rule = f"a model folder holds {CONFIG} and {WEIGHTS}; there is no such folder."
    assert said == f"python -m fer predict: {Path(name)}: {rule}\n"


def test_a_tag_with_any_character_that_git_allows_can_be_pulled(hub):
    hub.put(BUNDLED, MODEL)
    hub.model(MODEL).refs["refs/tags/v1.0+rc"] = hub.model(MODEL).head.sha
    assert resolve_model(f"{MODEL}@v1.0+rc").revision == hub.model(MODEL).head.sha


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["happy", "<glad>"]}, "`labels`"),
        ({"format_version": 99}, "`format_version` must be 1. Received: 99"),
        ({"weights": {"file": "../../x.h5", "size": 1, "sha256": "0"}}, "`weights` must give file model.weights.h5"),
    ],
)
def test_an_invalid_config_is_refused_before_the_weights_are_downloaded(hub, model, changes, message):
    document = json.loads((model / CONFIG).read_text())
    (model / CONFIG).write_text(json.dumps(document | changes))
    hub.put(model, MODEL)
    with pytest.raises(ModelFolderError, match=message):
        pull_model(MODEL)
    assert not any(path.endswith(WEIGHTS) for _, path, _ in hub.requests)


def test_changed_weights_of_the_same_size_are_refused(hub, model):
    content = bytearray((model / WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 255
    (model / WEIGHTS).write_bytes(content)
    hub.put(model, MODEL)
    with pytest.raises(ModelFolderError, match="sha256"):
        load_model(pull_model(MODEL).folder)


def test_a_full_disk_is_reported_and_leaves_no_half_file(hub, monkeypatch):
    hub.put(BUNDLED, MODEL)
    # A limit on the size of files causes almost the same error as a full disk.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(HubError, match="no room left for the Hub's cache"):
            pull_model(MODEL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    load_model(pull_model(MODEL).folder)
