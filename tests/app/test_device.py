"""Tests of the files that the app sends to browsers for recognition on the device."""

import gzip
import hashlib
import json
import shutil
import urllib.request
from urllib.error import HTTPError

import httpx
import pytest
from conftest import serve_app

from fer.app.demo import load_served_model
from fer.app.device.files import PAGE, page_settings
from fer.app.pages.about import describe, say_limits
from fer.app.texts import TEXTS
from fer.hub.client import resolve_model
from fer.models.model_folder import BUNDLED


def fetch(url, path):
    with urllib.request.urlopen(f"{url}device/{path}", timeout=60) as answer:
        return answer.headers, answer.read()


def test_browsers_get_the_served_model_and_cache_files_by_digest(app_url):
    headers, content = fetch(app_url, "settings.json")
    settings = json.loads(content)
    assert settings["model"]["name"] == "bundled"
    assert headers["Cache-Control"] == "no-cache"
    files = {f"runtime/{name}": record for name, record in settings["runtime"]["files"].items()}
    files |= {record["file"]: record for record in settings["networks"].values()}
    for path, record in files.items():
        headers, content = fetch(app_url, f"{path}?{record['sha256'][:16]}")
        assert len(content) == record["bytes"]
        content = gzip.decompress(content) if path.endswith(".gz") else content
        assert hashlib.sha256(content).hexdigest() == record["sha256"]
        assert "immutable" in headers["Cache-Control"]
        assert "Content-Security-Policy" in headers
    expected = resolve_model("bundled").folder / "model.tflite"
    assert settings["networks"]["expressions"]["sha256"] == hashlib.sha256(expected.read_bytes()).hexdigest()


def test_a_file_is_not_kept_under_another_sha256(app_url):
    for path in ("runtime/litert.js", "networks/expressions.tflite"):
        for query in ("0" * 16, "x", ""):
            headers, _ = fetch(app_url, f"{path}?{query}" if query else path)
            assert headers["Cache-Control"] == ("no-store" if query else "no-cache")
    assert fetch(app_url, "settings.json?x")[0]["Cache-Control"] == "no-store"


def test_only_listed_files_are_sent(app_url):
    for path in ("networks/other.tflite", "page/../files.py", "module/", "files.py"):
        with pytest.raises(HTTPError) as error:
            fetch(app_url, path)
        assert error.value.code == 404


def test_fer_on_device_0_keeps_the_model_on_the_server(monkeypatch):
    monkeypatch.setenv("FER_ON_DEVICE", "0")
    with serve_app() as url, pytest.raises(HTTPError) as error:
        fetch(url, "settings.json")
    assert error.value.code == 404


def test_the_about_page_describes_the_network_that_browsers_get():
    served = load_served_model("bundled")
    served.settings["networks"]["expressions"] = {"bytes": 8_100_000, "sha256": "abc"}
    assert "8,1 MB, sha256 <code>abc</code>" in describe("de", served, on_device=True)
    assert "gives its model to no browser" in describe("en", served)


def test_the_scripts_use_every_text_and_setting():
    scripts = "\n".join(path.read_text() for path in PAGE.glob("*.js"))
    settings = page_settings()
    assert set(settings["texts"]) == set(TEXTS)
    keys = {key for key in TEXTS["en"] if key.startswith("device.")} - {"device.photo", "device.live"}
    assert {key for key in keys if f'"{key}"' not in scripts} == set()
    assert {name for name in settings if name not in scripts} == set()


def test_browsers_get_the_model_that_answers_even_if_its_folder_changes(tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "mine")
    served = load_served_model(str(folder))
    expected = describe("en", served, on_device=True), say_limits("en", served.config)
    shutil.rmtree(folder)
    with serve_app(served) as url:
        settings = json.loads(fetch(url, "settings.json")[1])
        record = settings["networks"]["expressions"]
        headers, content = fetch(url, f"{record['file']}?{record['sha256'][:16]}")
        with httpx.Client(base_url=url, timeout=60) as http:
            (number,) = (row["id"] for row in http.get("config").json()["dependencies"] if row["api_name"] == "about")
            about = http.post("gradio_api/run/about", json={"data": ["en"], "fn_index": number}).json()["data"]
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert "immutable" in headers["Cache-Control"]
    assert settings["model"]["threshold"] == served.recognizer.calibration.threshold
    assert tuple(about) == expected
    assert 'class="metrics"' in about[0]
