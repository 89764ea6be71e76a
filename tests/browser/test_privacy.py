"""Tests that the app deletes uploads and results from the disk."""

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import serve_app, wait_for, write_clip
from PIL import Image
from playwright.sync_api import expect

from fer.app.server.cache import LOCK, make_cache, sweep


def files_of_people(folder):
    """Return the paths of all files in a folder except the app's example and its lock."""
    return [path for path in Path(folder).rglob("*") if path.is_file() and path.name not in ("astronaut.jpg", LOCK)]


def break_off_an_upload(url):
    """Begin an upload, and close the connection in its middle."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="secret.jpg"\r\n\r\n' + bytes(300_000)
    head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n"
    with socket.create_connection((host, port)) as connection:
        connection.sendall(head.encode() + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + part)


@pytest.mark.slow
def test_uploads_and_results_are_deleted_from_disk(open_page, two_faces, tmp_path, monkeypatch):
    folder, broken = tmp_path / "app", tmp_path / "broken.jpg"
    broken.write_bytes(b"hello")
    face = Image.open(two_faces).crop((0, 0, 512, 512))
    clip = write_clip(tmp_path / "clip.mp4", [face] * 10)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    cache = make_cache()
    with serve_app() as url:
        kept = set(folder.rglob("*"))
        page = open_page(url=url)
        page.locator("#photo input[type=file]").set_input_files(two_faces)
        expect(page.locator("#message")).to_contain_text("2 faces")
        page.get_by_role("tab", name="Many pictures").click()
        page.locator("#files input[type=file]").set_input_files([two_faces, broken])
        expect(page.locator("#batch-message")).to_contain_text("Faces: 2")
        page.get_by_role("tab", name="Video").click()
        page.locator("#clip input[type=file]").set_input_files(clip)
        expect(page.locator("#video-message")).to_contain_text("Ready")
        page.get_by_role("button", name="Read the clip").click()
        expect(page.locator("#video-message")).to_contain_text("Faces: 1")
        before = set(files_of_people(folder))
        break_off_an_upload(url)
        wait_for(lambda: set(files_of_people(folder)) - before)
        seen = {path.name for path in files_of_people(folder)}
        assert {"two.jpg", "broken.jpg", "image.jpeg", "clip.mp4", "faces.mp4"} <= seen

        def is_swept():
            sweep(cache, kept, before=time.time() + 1)  # `sweep_leftovers` does this some minutes later.
            return files_of_people(folder) == []

        # The server may not have noticed yet that the connection is closed; until then it keeps the upload.
        wait_for(is_swept)
        page.get_by_role("tab", name="Photo").click()
        page.get_by_label("The picture is already a single face").check()
        expect(page.locator("#message")).to_contain_text("deleted in the meantime, as promised")
        expect(page.locator("#table")).to_contain_text("%")
        page = open_page(url=url)
        page.locator("#photo input[type=file]").set_input_files(two_faces)
        expect(page.locator("#message")).to_contain_text("2 faces")
        assert files_of_people(folder)
    cache.cleanup()
    assert list(folder.iterdir()) == []
