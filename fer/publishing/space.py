"""Deploy the app as a Space of the Hugging Face Hub that serves a model of the Hub at one commit."""

import io
import os
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from functools import partial
from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from fer.errors import UserError
from fer.hub.client import ModelSource, parse_model, resolve_model, token_facts
from fer.hub.errors import HubError, explain, explained, status_of
from fer.models.config import CONFIG, EXPORTS, WEIGHTS
from fer.models.exports import judge_export
from fer.models.model_folder import METRICS
from fer.publishing.access import check_push
from fer.publishing.push import upload
from fer.publishing.repositories import check_space
from fer.publishing.space_card import write_space_card
from fer.recognition.litert_network import check_litert_file
from fer.resources import FILES, PACKAGE

PROJECT = PACKAGE.parent
"""Path of the top of the repository, if the package is used from a checkout and not installed."""
REQUIREMENTS = "requirements.txt"
"""Name of the Space's file of requirements."""
TABLE = "pyproject.toml"
"""Name of the file from which the Space's requirements are written."""
DEPLOYED = ("app.py", "examples", "LICENSE")
"""Files and folders at the top of the repository that the app needs in addition to the package. `deploy` writes the
Space's README.md and requirements itself."""
HARDWARE = "zero-a10g"
"""Name of the hardware that free accounts may use. The app does not use its GPU."""
PATIENCE = 20 * 60
"""Seconds to wait for a build."""


def deploy(
    repository: str, model: str, private: bool | None = None, hardware: str | None = None, wait: bool = False
) -> str:
    """Create or update a Space that serves a model of the Hub.

    The Space of a private or gated model needs a token in `FER_SPACE_TOKEN` that can read the model and write nothing.

    Args:
        repository: `OWNER/NAME` of the Space.
        model: `OWNER/NAME` or `OWNER/NAME@REVISION`. The Space is pinned to the commit that this names at the time of
            the call.
        private: whether the Space is private; None for the owner's default. An existing public Space is not made
            private, but refused.
        hardware: a name of `huggingface_hub.SpaceHardware`; None for `HARDWARE` on a new Space, and for the present
            hardware of an existing one.
        wait: whether to return only when the Space runs.

    Returns:
        The Space's URL.

    Raises:
        HubError: if the Hub refuses, the token does not fit, or the Space does not come up.
        UserError: if the model is not on the Hub, is not valid, or has no LiteRT file; or if the project is neither
            installed nor a git clone.
    """
    source = resolve_published(repository, model, private)
    _check_served(source)
    api = HfApi()
    with explained(repository, partial(_explain, hardware=hardware)):
        token = _reading_token(source) if needs_token(api, source) else None
        with tempfile.TemporaryDirectory() as folder:
            write_space(Path(folder), source, preload=token is None)
            api.create_repo(
                repository,
                repo_type="space",
                space_sdk="gradio",
                space_hardware=hardware or HARDWARE,
                private=private,
                exist_ok=True,
            )
            if hardware and api.get_space_runtime(repository).requested_hardware != hardware:
                api.request_space_hardware(repository, hardware)
            if token:
                api.add_space_secret(repository, "HF_TOKEN", token)
                # Visitors may use the model of the Space, but not download it.
                api.add_space_variable(repository, "FER_ON_DEVICE", "0")
            upload(folder, repository, repo_type="space", commit_message=f"Serve {source}", delete_patterns="*")
        # After the upload: if that fails, the Space goes on with its model, which fits its page and its token.
        api.add_space_variable(repository, "FER_MODEL", str(source))
        if not token:
            _remove_token(api, repository)
        if wait:
            wait_until_up(api, repository)
    return f"{constants.ENDPOINT}/spaces/{repository}"


def resolve_published(repository: str, model: str, private: bool | None) -> ModelSource:
    """Return the source of the model that a Space is to serve. The arguments are those of `deploy`.

    Raises:
        HubError: if the Space cannot be written to or holds something else, or the Hub refuses the model.
        UserError: if the model is not on the Hub.
    """
    if not parse_model(model):
        raise UserError(f"A Space serves a model of the Hub. Publish it first: python -m fer push {model} OWNER/NAME")
    check_push(repository, kind="space", private=private)
    with explained(repository):
        check_space(repository)
    return resolve_model(model)


def _remove_token(api, repository):
    """Delete the token of a Space that served a private model before, and the setting that came with it.

    The token goes last: while it is there, a repeated deployment finds what one that failed has left.
    """
    if "HF_TOKEN" in api.get_space_secrets(repository):
        if (setting := api.get_space_variables(repository).get("FER_ON_DEVICE")) and setting.value == "0":
            api.delete_space_variable(repository, "FER_ON_DEVICE")
        api.delete_space_secret(repository, "HF_TOKEN")


def remove_settings(api: HfApi, repository: str) -> None:
    """Delete what `deploy` has set in a Space: the token of a private model, and the variables of the app."""
    _remove_token(api, repository)
    for name in {"FER_MODEL", "FER_ON_DEVICE"} & api.get_space_variables(repository).keys():
        api.delete_space_variable(repository, name)


def _check_served(source):
    """Raise an error if a model has no valid LiteRT file, since Keras is not installed on a Space."""
    record, reason = judge_export(source.folder, "litert")
    if not record:
        name, again = EXPORTS["litert"], f"python -m fer push FOLDER {source.name}"
        raise UserError(
            f"{source}: a Space answers from {name}, which the model must have on the Hub, made of its weights and "
            f"calibration. Push it again: {again}. Received: {'another' if reason else 'none'}"
        )
    check_litert_file(source.folder)


def write_space(folder: Path, source: ModelSource, preload: bool) -> None:
    """Write the files of a Space to an empty folder: the app, its requirements and the README.md.

    From a git clone the committed files are used, from an installed package its own.

    Args:
        folder: existing empty folder.
        source: model of the Hub that the Space serves.
        preload: whether the Hub downloads the model when it builds the Space, so that a start needs no download. The
            Hub has no token then, so the model must be public.
    """
    _copy_project(folder)
    table = folder / TABLE
    (folder / REQUIREMENTS).write_text(write_requirements(table.read_text(encoding="utf-8")), encoding="utf-8")
    table.unlink()
    write_space_card(folder, source, "gradio", (CONFIG, WEIGHTS, METRICS, EXPORTS["litert"]) if preload else ())


def write_requirements(table: str) -> str:
    """Return the requirements of the app, without those of training, as the text of a requirements file.

    Args:
        table: text of `pyproject.toml`.
    """
    project = tomllib.loads(table)["project"]
    return "\n".join([*project["dependencies"], *project["optional-dependencies"]["app"]]) + "\n"


def _copy_project(folder):
    """Copy what is deployed and `pyproject.toml` to a folder."""
    names = (*DEPLOYED, TABLE)
    if not FILES.is_dir():
        # Uncompressed, which saves a second.
        content = _git("archive", "--format=zip", "-0", "HEAD", PACKAGE.name, *names)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        return
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", FILES.name))
    for name in names:
        copy = shutil.copytree if (FILES / name).is_dir() else shutil.copy
        copy(FILES / name, folder / name)


def uncommitted() -> list[str]:
    """Return the paths of the deployed files that have uncommitted changes, which are not deployed."""
    if FILES.is_dir():
        return []
    lines = _git("status", "--porcelain", "--", PACKAGE.name, *DEPLOYED, TABLE).decode().splitlines()
    return [line[3:] for line in lines]


def _git(*arguments):
    try:
        run = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, check=True)
    except FileNotFoundError:
        raise UserError("A deploy takes the committed files, for which it needs git. It is not installed.") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode().strip().splitlines()[-1]
        raise UserError(f"A deploy takes the committed files of a git clone. git said: {reason}") from None
    return run.stdout


def needs_token(api: HfApi, source: ModelSource) -> bool:
    """Return whether a model of the Hub is private or gated, so that a token is needed to download it."""
    info = api.model_info(source.name)
    return bool(info.private or info.gated)


def _reading_token(source):
    """Return the token in `FER_SPACE_TOKEN`, if it can read the model and cannot write to any repository.

    Raises:
        HubError: if it is not such a token. No other token, such as the one that deploys, is used instead.
    """
    rule = (
        f"{source.name}: is private or gated, so `FER_SPACE_TOKEN` must be a token that may read it and can write "
        f"nothing. Make one with the role `read` at {constants.ENDPOINT}/settings/tokens. Received:"
    )
    token = os.environ.get("FER_SPACE_TOKEN", "").strip()  # As huggingface_hub reads HF_TOKEN.
    if not token:
        raise HubError(f"{rule} none")
    api = HfApi(token=token)
    # The advice of `explain` is on another token.
    with explained(f"{rule} one of which the Hub says", lambda error: explain(error).partition(" Set HF_TOKEN")[0]):
        if can_write := _can_write(token_facts(api.whoami())):
            raise HubError(f"{rule} {can_write}")
        try:
            api.auth_check(source.name)
        except (GatedRepoError, RepositoryNotFoundError):
            raise HubError(f"{rule} one that may not read it") from None
    return token


def _can_write(access):
    """Return a description of a token that can write, such as "one with the role write"; "" if it can only read.

    Args:
        access: result of `fer.hub.client.token_facts`. A token counts as writing unless this says that it only reads.
    """
    role, rights = access.get("role"), access.get("fineGrained")
    if role == "read":
        return ""
    if role != "fineGrained" or not isinstance(rights, dict):
        return f"one with the role {role}" if role else "one of a login by browser, which does not tell what it may do"
    granted = [*(rights.get("global") or ())]
    for scope in rights.get("scoped") or ():
        granted += scope.get("permissions") or ()
    writing = sorted({right for right in granted if not right.endswith(".read")})
    return f"one that may {', '.join(writing)}" if writing else ""


def wait_until_up(api: HfApi, repository: str) -> None:
    """Wait until a Space runs.

    Raises:
        HubError: if it does not come up.
    """
    try:
        stage = api.wait_for_space(repository, timeout=PATIENCE, poll_interval=5).stage
    except TimeoutError:
        raise HubError(f"{repository}: still building after {PATIENCE // 60} minutes; look at its page.") from None
    if stage not in ("RUNNING", "SLEEPING"):
        raise HubError(f"{repository}: the Space did not come up ({stage}); its page shows the log.")


def _explain(error, hardware):
    if not isinstance(error, HfHubHTTPError) or status_of(error) != 402:
        return explain(error)
    if hardware in (None, HARDWARE):
        return (
            "the account may have no further Space on ZeroGPU. Free accounts may have two, if their e-mail address is "
            "verified and they are older than 30 days."
        )
    return f"{hardware} needs a paid plan. Free accounts may have two Gradio Spaces on ZeroGPU: --hardware {HARDWARE}"
