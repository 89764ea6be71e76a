import gzip
import hashlib
import json
import re
import shutil

import pytest

from fer.cli.commands import main
from fer.detection import blazeface
from fer.errors import UserError
from fer.labels import EMOTIONS
from fer.models.config import EXPORTS
from fer.models.model_folder import BUNDLED, ModelFolderError
from fer.outputs import OutputError, written_whole
from fer.web import site as site_module
from fer.web.site import MODULE, PAGE, write_site
from fer.web.vendor import MANIFEST, PACKAGE, RUNTIME, VERSION


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder of a site that `fer web` has written."""
    folder = tmp_path_factory.mktemp("web") / "site"
    assert main(["web", str(folder)]) == 0
    return folder


def test_the_site_has_all_files_in_its_settings_with_their_digests(site):
    settings = json.loads((site / "settings.json").read_text())
    files = {f"runtime/{name}": record for name, record in settings["runtime"]["files"].items()}
    files |= {record["file"]: record for record in settings["networks"].values()}
    assert set(settings["networks"]) == {"near", "far", "expressions"}
    for path, record in files.items():
        content = (site / path).read_bytes()
        assert len(content) == record["bytes"]
        content = gzip.decompress(content) if path.endswith(".gz") else content
        assert (len(content), hashlib.sha256(content).hexdigest()) == (record["size"], record["sha256"])
    builds = settings["runtime"]["builds"].values()
    assert {f"runtime/{name}" for build in builds for name in build.values()} <= set(files)


def test_the_settings_have_the_values_of_the_python_code(site):
    settings = json.loads((site / "settings.json").read_text())
    assert settings["model"]["labels"] == list(EMOTIONS)
    assert (
        settings["model"]["threshold"] == json.loads((BUNDLED / "config.json").read_text())["calibration"]["threshold"]
    )
    assert settings["networks"]["far"]["sha256"] == blazeface.SHA256[blazeface.FAR.name]
    assert settings["detection"]["max_work"] == blazeface.MAX_WORK


def test_every_setting_is_read_by_the_module(site):
    settings = json.loads((site / "settings.json").read_text())
    scripts = "\n".join(path.read_text() for path in MODULE.glob("*.js"))
    names = {name for part in ("model", "detection", "alignment", "tracking") for name in settings[part]} - {"name"}
    assert {name for name in names if not re.search(rf"\b{name}\b", scripts)} == set()


def test_the_page_and_the_module_contain_no_addresses():
    for path in [PAGE, *MODULE.glob("*.js")]:
        assert not re.search(r"https?://[a-z]", path.read_text()), path


def test_the_page_is_short_enough_to_copy():
    assert len(PAGE.read_text().splitlines()) <= 65


def test_the_runtime_has_the_version_in_its_notice():
    assert json.loads(MANIFEST.read_text())["version"] == VERSION
    notice = (RUNTIME / "NOTICE").read_text()
    assert f"{PACKAGE} {VERSION}" in notice
    assert {path.name for path in RUNTIME.iterdir() if path.name not in notice} <= {"NOTICE"}


def test_a_site_is_written_again_but_other_folders_are_refused(tmp_path):
    folder = tmp_path / "site"
    assert write_site(folder, model="mine") == write_site(folder, model="mine") > 10_000_000
    assert json.loads((folder / "settings.json").read_text())["model"]["name"] == "mine"
    (tmp_path / "settings.json").write_text('{"editor.tabSize": 2}')
    with pytest.raises(UserError, match="must be new, empty, or one that this command wrote"):
        write_site(tmp_path)


@pytest.mark.parametrize("left", [1, 10])
def test_a_site_that_was_not_written_to_its_end_is_written_again(tmp_path, monkeypatch, left):
    writes = iter(range(left))

    def write(path):
        if next(writes, None) is None:
            raise OutputError(f"{path}: cannot be written: No space left on device")
        return written_whole(path)

    monkeypatch.setattr(site_module, "written_whole", write)
    with pytest.raises(OutputError):
        write_site(tmp_path / "site")
    assert not (tmp_path / "site" / "index.html").exists()
    monkeypatch.undo()
    write_site(tmp_path / "site")
    assert (tmp_path / "site" / "index.html").exists()


def test_a_page_tells_visitors_the_name_of_a_model_folder_and_not_its_path(tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "clients" / "smiles")
    assert main(["web", "--model", str(folder), str(tmp_path / "site")]) == 0
    assert json.loads((tmp_path / "site" / "settings.json").read_text())["model"]["name"] == "smiles"


def test_a_model_without_a_litert_file_is_refused_with_the_command(tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    (folder / EXPORTS["litert"]).unlink()
    with pytest.raises(ModelFolderError, match="python -m fer export .*model --format litert"):
        write_site(tmp_path / "site", folder)
    assert not (tmp_path / "site").exists()
