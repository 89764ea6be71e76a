"""Tests of the tools of the Model Context Protocol, with the client of its Python SDK."""

import asyncio
import base64
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from fer.app.server.limits import (
    CLIP_MAX_EVERY,
    CLIP_SECONDS,
    MAX_FILE_SIZE,
    MAX_PHOTO_BYTES,
    MAX_PICTURES,
    MAX_SMALLEST_FACE,
)
from fer.images.formats import READABLE
from fer.images.loading import MAX_PIXELS
from fer.images.sampling import MIN_EVERY
from fer.recognition.clip_reading import EPISODE_SECONDS
from fer.recognition.recognizer import MAX_FACES, MAX_TRACKED

WORDS = {60: "up to one minute", 1: "over a second"}
"""Numbers of seconds that a description writes as words."""
MEGABYTES = f"at most {MAX_PHOTO_BYTES / 1e6:g} MB"
PHOTO = f"{READABLE} of {MEGABYTES} and {MAX_PIXELS / 1e6:g} megapixels."
LIMITS = {
    "predict": [PHOTO],
    "analyze": [PHOTO, f"At most {MAX_FACES} faces are read", f"0 to {MAX_SMALLEST_FACE};"],
    "predict_batch": [f"up to {MAX_PICTURES} pictures", f"{MEGABYTES} per picture"],
    "analyze_video": [
        WORDS[CLIP_SECONDS], f"at most {CLIP_SECONDS} seconds and {MAX_FILE_SIZE / 1024**2:g} MB",
        f"more than {MAX_TRACKED} faces", WORDS[EPISODE_SECONDS], f"{MIN_EVERY:g} to {CLIP_MAX_EVERY:g}.",
    ],
}  # fmt: skip
"""Limits that the description of a tool states, of itself or of its arguments."""


@pytest.fixture
def ask(app_url):
    """Function that calls a coroutine function with a session of the app's MCP server, and returns its result."""

    async def run(question):
        async with (
            streamable_http_client(f"{app_url}gradio_api/mcp/") as (receive, send, _),
            ClientSession(receive, send) as session,
        ):
            await session.initialize()
            return await question(session)

    return lambda question: asyncio.run(run(question))


@pytest.fixture
def call(ask):
    """Function that calls a tool, and returns its decoded JSON or its error message."""

    def call(name, **arguments):
        answer = ask(lambda session: session.call_tool(name, arguments))
        (content,) = answer.content
        return content.text if answer.isError else json.loads(content.text)

    return call


def data_uri(content, kind):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@pytest.fixture
def photo(astronaut):
    return data_uri(astronaut.read_bytes(), "image/jpeg")


def test_the_tools_are_those_of_the_api_and_describe_their_arguments(ask, client):
    tools = {tool.name: tool for tool in ask(lambda session: session.list_tools()).tools}
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert {f"/{name}" for name in tools} == set(endpoints)
    for tool in tools.values():
        assert tool.description
        assert all(value["description"] for value in tool.inputSchema["properties"].values())


def test_the_descriptions_state_the_limits(ask):
    for tool in ask(lambda session: session.list_tools()).tools:
        said = [tool.description, *(value["description"] for value in tool.inputSchema["properties"].values())]
        assert [limit for limit in LIMITS.get(tool.name, ()) if limit not in " ".join(said)] == []


def test_the_descriptions_name_every_value_of_an_answer(ask, call, photo, astronaut):
    said = {tool.name: tool.description for tool in ask(lambda session: session.list_tools()).tools}
    record = call("analyze", photo=data_uri(astronaut.read_bytes()[:-3000], "image/jpeg"))
    assert "message" in record
    answers = {"analyze": (record, *record["faces"]), "predict_batch": call("predict_batch", files=[photo])}
    for name, values in answers.items():
        assert {key for value in values for key in value if key not in said[name]} == set()


def test_a_photo_is_recognized(call, photo):
    assert call("predict", photo=photo)["label"] == "happy"
    record = call("analyze", photo=photo, smallest_face=10)
    assert [face["label"] for face in record["faces"]] == ["happy"]
    assert call("model")["model"] == record["model"] == "bundled"


def test_a_batch_is_recognized_in_one_call(call, astronaut, photo):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(astronaut, "a.jpg")
    broken = data_uri(b"hello", "image/png")
    rows = call("predict_batch", files=[photo, broken, data_uri(packed.getvalue(), "application/zip")])
    assert [row["label"] for row in rows] == ["happy", None, "happy"]
    assert rows[1]["message"].startswith("file.png: not a picture")


def test_a_picture_without_a_face_is_a_valid_input(call):
    wall = io.BytesIO()
    Image.new("RGB", (320, 240), "white").save(wall, "PNG")
    assert call("predict", photo=data_uri(wall.getvalue(), "image/png")) == {}


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        ("data:image/png;base64,aGVsbG8=", "file.png: not a picture that can be read here"),
        ("data:image/png;base64,a", "A file must be given as an http(s) URL or as a data: URI in base64."),
        ("/etc/passwd", "A file must be given as an http(s) URL or as a data: URI in base64."),
        ("http://127.0.0.1/photo.jpg", "http://127.0.0.1/photo.jpg: could not be fetched. Addresses must be"),
        (
            {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
            "A file must be given as an http(s) URL or as a data: URI in base64.",
        ),
    ],
)
def test_wrong_files_are_refused_in_one_sentence(call, photo, reason):
    answer = call("predict", photo=photo)
    assert reason in answer
    assert "\n" not in answer
    assert reason in str(call("predict_batch", files=[photo]))


def test_files_of_data_uris_are_in_the_cache_that_is_swept(call, astronaut):
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    before = set(folder.rglob("file.jpg"))
    content = astronaut.read_bytes() + b"0"  # New content, since Gradio names the folder after the content.
    assert call("predict", photo=data_uri(content, "image/jpeg"))["label"] == "happy"
    assert set(folder.rglob("file.jpg")) - before
