"""Tests of `pyproject.toml`: requirements stand in one place, and a wheel has every file that the package needs."""

import subprocess
import sys
import tomllib
import zipfile

import pytest
from conftest import ROOT, hub_environment

from fer import resources
from fer.models.model_folder import BUNDLED
from fer.publishing.space import write_requirements
from fer.resources import find_resource, install_command

TABLE = (ROOT / "pyproject.toml").read_text()
EXTRAS = tomllib.loads(TABLE)["project"]["optional-dependencies"]
FORCED = tomllib.loads(TABLE)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]


def read_requirements(text):
    return {line for line in text.splitlines() if not line.startswith("#")}


def test_requirements_txt_has_core_app_and_training():
    requirements = read_requirements((ROOT / "requirements.txt").read_text())
    assert requirements == read_requirements(write_requirements(TABLE)) | set(EXTRAS["train"])


def test_a_space_does_not_install_training_packages():
    names = [line.split(">")[0] for line in read_requirements(write_requirements(TABLE))]
    assert "gradio[mcp]" in names
    assert not {"keras", "tensorflow", "tensorflow-cpu", "scikit-learn", "matplotlib"} & set(names)


def test_resources_are_found_in_a_checkout_and_in_an_installed_package(monkeypatch, tmp_path):
    assert find_resource("model_card.md") == ROOT / "model_card.md"
    assert install_command("scale") == 'pip install ".[scale]"'
    monkeypatch.setattr(resources, "FILES", tmp_path)
    assert find_resource("model_card.md") == tmp_path / "model_card.md"
    assert install_command("scale") == 'pip install "facial-expression-recognition[scale]"'
    assert all((ROOT / source).exists() and target == f"fer/files/{source}" for source, target in FORCED.items())


ALONE = """
import sys
sys.modules |= dict.fromkeys(("keras", "tensorflow", "gradio", "sklearn", "matplotlib"))
from fer.cli import main
sys.exit(main())
"""
"""Program that runs `fer` as if neither the extra `train` nor the extra `app` were installed."""


@pytest.fixture
def wheel(tmp_path):
    """Folder of an unpacked wheel."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, timeout=300)
    if "Connection" in built.stderr or "name resolution" in built.stderr:
        pytest.skip("the package registry cannot be reached")
    assert built.returncode == 0, built.stderr
    (file,) = tmp_path.glob("facial_expression_recognition-*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


@pytest.mark.nightly  # pip downloads the build backend.
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="compares with the files of a git clone")
def test_an_unpacked_wheel_is_complete_and_predicts_and_deploys_in_an_empty_folder(wheel, tmp_path, astronaut, hub):
    listed = subprocess.run(["git", "ls-files", "fer", *FORCED], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = {path if path.startswith("fer/") else f"fer/files/{path}" for path in listed.stdout.splitlines()}
    packed = {path.relative_to(wheel).as_posix() for path in (wheel / "fer").rglob("*") if path.is_file()}
    assert tracked == packed

    sha = hub.put(BUNDLED, "fer-bot/model")
    empty = tmp_path / "empty"
    empty.mkdir()

    def fer(*arguments):
        command = [sys.executable, "-c", ALONE, *map(str, arguments)]
        environment = hub_environment(PYTHONPATH=str(wheel))
        run = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return run.stdout

    assert "1. happy" in fer("predict", astronaut)
    fer("deploy", "fer-bot/space", "--model", "fer-bot/model")
    space = hub.repos["spaces", "fer-bot/space"]
    assert space.variables["FER_MODEL"]["value"] == f"fer-bot/model@{sha}"
    deployed = {path for path in tracked if not path.startswith("fer/files/")}
    deployed |= {"app.py", "LICENSE", "README.md", "requirements.txt", "examples/astronaut.jpg", "examples/README.md"}
    assert set(space.head.files) - {".gitattributes"} == deployed
