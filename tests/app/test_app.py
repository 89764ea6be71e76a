"""Tests of the app's API over HTTP, as a client program uses it."""

import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import Future
from types import SimpleNamespace

import httpx
import pytest
from conftest import ROOT, damage_clip, free_port, hub_environment, wait_for, write_clip
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError, Status
from PIL import Image
from pillow_heif import register_heif_opener

from fer.app.demo import build_demo, launch, load_served_model, serve
from fer.app.pages.about import describe
from fer.app.server.limits import CONCURRENT
from fer.app.server.services import ServedModel
from fer.errors import UserError
from fer.models.model_folder import BUNDLED


def test_the_api_has_these_named_endpoints(client):
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/predict", "/analyze", "/predict_batch", "/analyze_video", "/model"}


def test_the_api_is_documented_in_english(client):
    for endpoint in client.view_api(print_info=False, return_format="dict")["named_endpoints"].values():
        assert endpoint["description"].endswith(".")
        for value in endpoint["parameters"] + endpoint["returns"]:
            # A text that the browser translates would show as an object.
            assert isinstance(value["label"], str)
            assert not value["label"].startswith(("parameter_", "value_"))


def test_no_event_of_the_page_is_public(client):
    public = {event["api_name"] for event in client.config["dependencies"] if event["api_visibility"] != "private"}
    assert public == {"predict", "analyze", "predict_batch", "analyze_video", "model"}


def test_predict_returns_the_largest_face(client, astronaut):
    answer = client.predict(handle_file(astronaut), api_name="/predict")
    assert answer["label"] == "happy"
    assert len(answer["confidences"]) == 7
    assert sum(row["confidence"] for row in answer["confidences"]) == pytest.approx(1, abs=1e-5)


def test_analyze_returns_every_face(client, astronaut):
    record = client.predict(handle_file(astronaut), api_name="/analyze")
    assert (record["image"], record["width"], record["height"]) == ("astronaut.jpg", 512, 512)
    assert record["model"] == "bundled"
    (face,) = record["faces"]
    assert face["label"] == "happy"
    left, top, right, bottom = face["box"]
    assert left < 225 < right
    assert top < 127 < bottom


def test_a_face_crop_is_classified_without_detection_if_declared(client, astronaut, tmp_path):
    crop = tmp_path / "crop.png"
    Image.open(astronaut).crop((165, 62, 285, 182)).convert("L").resize((48, 48)).save(crop)
    record = client.predict(handle_file(crop), already_cropped=True, api_name="/analyze")
    assert record["faces"][0]["box"] == [0, 0, 48, 48]


def test_analyze_leaves_out_faces_below_smallest_face(client, astronaut):
    record = client.predict(handle_file(astronaut), smallest_face=50, api_name="/analyze")
    assert record["faces"] == []


def test_a_batch_has_a_row_for_a_broken_file(client, astronaut, tmp_path):
    broken, packed = tmp_path / "broken.jpg", tmp_path / "packed.zip"
    broken.write_bytes(b"hello")
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(astronaut, "folder/astronaut.jpg")
    rows = client.predict([handle_file(path) for path in (broken, astronaut, packed)], api_name="/predict_batch")
    assert [row["file"] for row in rows] == ["broken.jpg", "astronaut.jpg", "packed.zip/folder/astronaut.jpg"]
    assert [row["label"] for row in rows] == [None, "happy", "happy"]
    assert rows[0]["message"].startswith("broken.jpg: not a picture")


def test_analyze_video_returns_one_row_per_face_and_frame(client, astronaut, tmp_path):
    wall = Image.new("RGB", (320, 320), "gray")
    pictures = [Image.open(astronaut).crop((64, 0, 384, 320))] * 8 + [wall] * 5
    clip = damage_clip(write_clip(tmp_path / "clip.mp4", pictures), [6])
    record = client.predict(handle_file(clip), every=0.2, api_name="/analyze_video")
    assert record["message"] == "1 of 13 packets of the clip is damaged."
    assert (record["clip"], record["model"], record["every"]) == ("clip.mp4", "bundled", 0.2)
    assert (record["width"], record["height"], record["seconds"]) == (320, 320, pytest.approx(0.52))
    rows = record["rows"]
    assert [(row["seconds"], row["face"], row["label"]) for row in rows] == [
        (0, 1, "happy"), (0.2, 1, "happy"), (0.4, None, None)
    ]  # fmt: skip
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"hello")
    with pytest.raises(AppError, match=r"^broken\.mp4: not a clip .*\.$"):
        client.predict(handle_file(broken), every=0.2, api_name="/analyze_video")
    with pytest.raises(AppError, match="A clip is needed"):
        client.predict(None, every=0.2, api_name="/analyze_video")


def test_model_describes_the_served_model(client):
    answer = client.predict(api_name="/model")
    assert (answer["model"], len(answer["labels"]), answer["image_size"]) == ("bundled", 7, 48)


def test_a_picture_without_a_face_is_a_valid_input(client, tmp_path):
    wall = tmp_path / "wall.png"
    Image.new("RGB", (320, 240), "white").save(wall)
    assert client.predict(handle_file(wall), api_name="/predict") == {}
    assert client.predict(handle_file(wall), api_name="/analyze")["faces"] == []


def test_unreadable_files_are_refused_in_one_sentence_and_the_app_goes_on(client, astronaut, tmp_path):
    files = {"text.jpg": b"hello", "empty.jpg": b"", "cut.jpg": astronaut.read_bytes()[:20_000]}
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        for api_name in ("/predict", "/analyze"):
            with pytest.raises(AppError, match=f"^{name}: .*\\.$") as error:
                client.predict(handle_file(path), api_name=api_name)
            assert "\n" not in str(error.value)
    bomb = tmp_path / "bomb.png"
    Image.new("1", (30_000, 30_000)).save(bomb)
    with pytest.raises(AppError, match="at most 50 megapixels"):
        client.predict(handle_file(bomb), api_name="/predict")
    with pytest.raises(AppError, match="A photo is needed"):
        client.predict(None, api_name="/predict")
    assert client.predict(handle_file(astronaut), api_name="/predict")["label"] == "happy"


def test_addresses_that_are_not_public_are_not_fetched(client):
    for host in (client.src, "http://localhost:1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/a.jpg"):
        with pytest.raises(AppError, match=r"^http://.*: could not be fetched\. Addresses must be"):
            client.predict({"path": host, "meta": {"_type": "gradio.FileData"}}, api_name="/predict")


REBOUND = {"Host": "rebound.example"}
OTHER_PAGE = {"Origin": "http://localhost:3000"}


@pytest.mark.parametrize("headers", [REBOUND, OTHER_PAGE])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "config"),
        ("GET", "gradio_api/queue/data?session_hash=a"),
        ("POST", "gradio_api/queue/join"),
        ("POST", "gradio_api/call/model"),
        ("POST", "gradio_api/upload"),
        ("GET", "gradio_api/mcp/"),
        ("POST", "gradio_api/mcp/"),
    ],
)
def test_requests_of_foreign_pages_are_refused(app_url, method, path, headers):
    answer = httpx.request(method, app_url + path, headers=headers, timeout=60)
    assert (answer.status_code, answer.text[:17]) == (403, "This app answers ")


def test_answers_have_security_headers(client):
    for path in ("", "config", "gradio_api/info", "gradio_api/nothing", "gradio_api/file=/etc/passwd"):
        headers = httpx.get(client.src + path, timeout=60).headers
        assert headers["Content-Security-Policy"].endswith("; frame-ancestors 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_files_of_other_servers_are_not_relayed(client):
    answer = httpx.get(f"{client.src}gradio_api/file=https://192.0.2.1/photo.jpg", timeout=60)
    assert (answer.status_code, answer.text) == (403, "Files of other servers are not handed on.")


@pytest.fixture
def busy_app(monkeypatch, tmp_path):
    """An app whose queue has one place, and an event that its photos wait for."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    go, served_model = threading.Event(), Future()
    recognizer = SimpleNamespace(model="fake", recognize=lambda *_: go.wait(60) and [])
    served_model.set_result(ServedModel(recognizer, source=None))
    demo = build_demo(served_model, waiting=1)
    _, url, _ = launch(demo, server_port=free_port(), quiet=True)
    yield url, go
    go.set()
    demo.close()


def test_a_full_queue_refuses_requests_with_a_message_and_the_app_goes_on(busy_app, astronaut):
    url, go = busy_app
    client = Client(url, verbose=False)
    jobs = []
    for status in [Status.PROCESSING] * CONCURRENT + [Status.IN_QUEUE]:
        jobs.append(client.submit(handle_file(astronaut), api_name="/analyze"))
        wait_for(lambda job=jobs[-1], status=status: job.status().code == status)
    with pytest.raises(QueueError, match=r"^Queue is full! Please try again\.$"):
        client.predict(handle_file(astronaut), api_name="/predict")
    answer = httpx.post(f"{url}gradio_api/call/model", json={"data": []}, timeout=60)
    assert (answer.status_code, answer.json()["detail"]) == (503, "Queue is full. Max size is 1 and size is 1.")
    assert httpx.get(url, timeout=60).status_code == 200  # The photos still wait.
    go.set()
    assert [job.result(30)["model"] for job in jobs] == ["fake"] * len(jobs)
    client.close()


def test_files_above_the_limit_are_refused(client, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(21_000_000))
    with pytest.raises(AppError, match=r"^large\.jpg: pictures may have at most 20 MB\. Received: 21\.0 MB$"):
        client.predict(handle_file(large), api_name="/predict")
    larger = tmp_path / "larger.mp4"
    larger.write_bytes(bytes(160_000_000))
    with pytest.raises(Exception, match=r"413|[Mm]aximum|too large"):
        client.predict(handle_file(larger), every=0.2, api_name="/analyze_video")


def test_gradios_monitoring_and_analytics_are_off(client):
    assert httpx.get(f"{client.src}monitoring", timeout=60).status_code != 200
    assert client.config["analytics_enabled"] is False


@pytest.mark.parametrize(
    ("token", "message"),
    [("hf_write", "no such repository on the Hub"), ("hf_é", "the token holds a character that no token has")],
)
def test_the_bundled_model_replaces_one_that_cannot_be_pulled_and_the_reason_is_printed(
    hub, monkeypatch, capsys, token, message
):
    monkeypatch.delenv("FER_STRICT", raising=False)
    monkeypatch.setenv("HF_TOKEN", token)
    served = load_served_model("fer-bot/gone")
    reason = served.reason
    assert served.recognizer.model == "bundled"
    assert served.source.folder == BUNDLED
    assert message in reason
    assert reason in capsys.readouterr().err
    assert "hf_" not in reason
    with pytest.raises(UserError, match=message):
        load_served_model("fer-bot/gone", strict=True)


def test_visitors_see_the_name_of_a_model_folder_and_not_its_path(tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "clients" / "smiles")
    served = load_served_model(str(folder))
    assert served.recognizer.model == "smiles"
    assert str(tmp_path) not in describe("en", served)


def test_visitors_do_not_see_the_path_of_a_model_that_cannot_be_loaded(tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(BUNDLED, tmp_path / "clients" / "smiles")
    (folder / "config.json").unlink()
    monkeypatch.chdir(tmp_path)
    for name in (str(folder), "clients/smiles", str(tmp_path / "clients" / "gone")):
        reason = load_served_model(name).reason
        assert reason.startswith(f"{name.rpartition('/')[2]}: a model folder holds config.json")
        assert "clients" not in reason
        assert f"{name}: a model folder holds" in capsys.readouterr().err


def test_with_fer_strict_the_app_ends_with_one_sentence_instead(hub, tmp_path):
    environment = hub_environment(FER_MODEL="fer-bot/gone", FER_STRICT="1", GRADIO_TEMP_DIR=str(tmp_path))
    run = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 2
    assert "python app.py: fer-bot/gone: no such folder here, and no such repository on the Hub" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_model_folder_that_is_missing_is_told_before_the_pages_are_served(tmp_path, monkeypatch):
    monkeypatch.setattr("fer.app.demo.running_app", lambda *_: pytest.fail("the pages are served"))
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "gone"))
    monkeypatch.setenv("FER_STRICT", "1")
    for given in (None, "nope"):
        with pytest.raises(UserError, match=f"{given or 'gone'}: .* there is no such folder"):
            serve(None, given)


def test_other_files_get_a_message_and_do_not_end_the_batch(client, astronaut, tmp_path):
    phone, empty, script = tmp_path / "phone.zip", tmp_path / "empty.zip", tmp_path / "script.py"
    with zipfile.ZipFile(phone, "w") as archive:
        archive.write(astronaut, "suffixless")
        archive.writestr("clip.mov", b"no picture")
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("notes.txt", b"no picture")
    script.write_text("no picture")
    rows = client.predict([handle_file(path) for path in (script, phone, empty)], api_name="/predict_batch")
    assert [(row["file"], row["label"]) for row in rows] == [
        ("script.py", None), ("phone.zip/suffixless", "happy"), ("phone.zip", None), ("empty.zip", None)
    ]  # fmt: skip
    assert rows[2]["message"] == "phone.zip: 1 file left out: 1 .mov."
    assert rows[3]["message"] == "empty.zip: no pictures in this zip; 1 file left out: 1 .txt."


def test_a_truncated_jpeg_is_recognized_with_a_note(client, astronaut, tmp_path):
    path = tmp_path / "short.jpg"
    path.write_bytes(astronaut.read_bytes()[:-2])
    record = client.predict(handle_file(path), api_name="/analyze")
    assert (record["faces"][0]["label"], record["message"]) == ("happy", "The file lacks its last bytes.")
    (row,) = client.predict([handle_file(path)], api_name="/predict_batch")
    assert (row["label"], row["message"]) == ("happy", "The file lacks its last bytes.")


@pytest.mark.parametrize("suffix", [".webp", ".heic", ".avif", ".png"])
def test_formats_that_decoder_processes_read_are_recognized(client, astronaut, tmp_path, suffix):
    register_heif_opener()
    path = tmp_path / f"astronaut{suffix}"
    Image.open(astronaut).save(path)
    assert client.predict(handle_file(path), api_name="/predict")["label"] == "happy"
