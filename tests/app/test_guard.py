"""Tests of the requests that are answered, and of the headers of answers, by environment of the app."""

import socket

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from fer.app.server.guard import guard

LOCAL = {}
ON_A_SPACE = {"GRADIO_SERVER_NAME": "0.0.0.0", "SYSTEM": "spaces", "SPACE_ID": "owner/name"}
PUBLIC = {"GRADIO_SERVER_NAME": "0.0.0.0"}
SHARED = {"GRADIO_SHARE": "True"}
BEHIND_A_PROXY = {"GRADIO_ROOT_PATH": "https://photos.example/fer"}
WITH_ITS_PORT = {"GRADIO_ROOT_PATH": "HTTPS://Photos.Example:443/fer"}
WITH_A_QUERY = {"GRADIO_ROOT_PATH": "https://photos.example?x"}
ON_PORT_8443 = {"GRADIO_ROOT_PATH": "https://photos.example:8443"}
BY_NAME = {"GRADIO_SERVER_NAME": "LOCALHOST"}


@pytest.fixture
def start(monkeypatch):
    """Function that starts a small app behind the guard with given settings; it returns a function for requests."""
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SHARE", "GRADIO_ROOT_PATH", "SYSTEM", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)

    def start(settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        app = FastAPI(middleware=[guard()])
        app.api_route("/{path:path}", methods=["GET", "POST"])(answer)
        client = TestClient(app)
        client.headers.clear()
        return lambda host, origin=None, method="POST", path="/gradio_api/queue/join", **more: client.request(
            method, path, headers={"Host": host, **({"Origin": origin} if origin else {}), **more}
        )

    return start


async def answer(request: Request):
    return request.headers.get("X-Forwarded-Host") or request.headers.get("X-Gradio-Server") or "a photo"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("settings", "host", "origin"),
    [
        (LOCAL, "127.0.0.1:7860", None),
        (LOCAL, "localhost:7860", "http://localhost:7860"),
        (LOCAL, "LOCALHOST:8080", "http://localhost:8080"),
        (LOCAL, "[::1]:7860", "http://[::1]:7860"),
        (LOCAL, "localhost", "http://localhost"),
        (BEHIND_A_PROXY, "photos.example", "https://photos.example"),
        (BEHIND_A_PROXY, "127.0.0.1:7860", "https://photos.example"),
        (BEHIND_A_PROXY, "127.0.0.1:7860", "http://127.0.0.1:7860"),
        (BEHIND_A_PROXY, "photos.example:443", "https://photos.example"),
        (WITH_ITS_PORT, "photos.example", "https://photos.example"),
        (WITH_ITS_PORT, "Photos.Example:443", "https://photos.example:443"),
        (WITH_ITS_PORT, "127.0.0.1:7860", "https://photos.example"),
        (WITH_A_QUERY, "photos.example", "https://photos.example"),
        (ON_PORT_8443, "photos.example:8443", "https://photos.example:8443"),
        (BY_NAME, "localhost:7860", "http://localhost:7860"),
        (LOCAL, "localhost:80", "http://localhost"),
        (ON_A_SPACE, "owner-name.hf.space", "https://huggingface.co"),
        (PUBLIC, "10.0.0.1:7860", "http://10.0.0.1:7860"),
        (PUBLIC, "photos.example", "https://shop.example"),
        (SHARED, "1234.gradio.live", "https://1234.gradio.live"),
    ],
)
def test_requests_of_own_pages_and_of_programs_are_answered(start, settings, host, origin, method):
    assert start(settings)(host, origin, method).text == '"a photo"'


def test_an_app_that_listens_by_a_name_of_this_machine_answers_at_this_name_only(start, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.1.1", 0))]
    monkeypatch.setattr("fer.app.server.guard.socket.getaddrinfo", lambda name, port: found)
    ask = start({"GRADIO_SERVER_NAME": "Desk"})
    assert ask("desk:7860", "http://desk:7860").status_code == 200
    assert ask("rebound.example:7860").status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("settings", "host", "origin"),
    [
        (LOCAL, "rebound.example:7860", "http://rebound.example:7860"),
        (LOCAL, "rebound.example", None),
        (LOCAL, "127.0.0.1.rebound.example", None),
        (LOCAL, "localhost.rebound.example:7860", None),
        (LOCAL, "10.0.0.1:7860", None),
        (LOCAL, "", None),
        (LOCAL, "127.0.0.1:7860", "http://127.0.0.1:3000"),
        (LOCAL, "127.0.0.1:7860", "http://localhost:7860"),
        (LOCAL, "127.0.0.1:7860", "https://shop.example"),
        (LOCAL, "127.0.0.1:7860", "null"),
        (LOCAL, "127.0.0.1:7860", "http://["),
        (BEHIND_A_PROXY, "rebound.example", "http://rebound.example"),
        (BEHIND_A_PROXY, "photos.example", "https://shop.example"),
        (BEHIND_A_PROXY, "photos.example:8443", "https://photos.example:8443"),
        (BEHIND_A_PROXY, "user@photos.example", None),
        (ON_PORT_8443, "photos.example", "https://photos.example"),
        (BY_NAME, "rebound.example:7860", None),
        (LOCAL, "127.0.0.1:7860", "ftp://127.0.0.1:7860"),
        (LOCAL, "127.0.0.1:99999", "http://127.0.0.1:99999"),
    ],
)
def test_requests_of_foreign_pages_are_refused_in_one_sentence(start, settings, host, origin, method):
    refused = start(settings)(host, origin, method)
    assert refused.status_code == 403
    assert refused.text.startswith("This app answers ")
    assert repr(origin if "pages only" in refused.text else host) in refused.text


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.jpg",
        "/gradio_api/file=HTTPS://example.org/a.jpg",
        "/gradio_api/file%3Dhttp:%2F%2Fexample.org/a.jpg",
        "/gradio_api/file/http://example.org/a.jpg",
        "/fer/gradio_api/file=http:/example.org/a.jpg",
    ],
)
@pytest.mark.parametrize("settings", [LOCAL, ON_A_SPACE])
def test_files_of_other_servers_are_not_relayed(start, settings, path):
    refused = start(settings)("localhost", method="GET", path=path)
    assert (refused.status_code, refused.text) == (403, "Files of other servers are not handed on.")
    assert start(settings)("localhost", method="GET", path="/gradio_api/file=C:/fer/http.jpg").status_code == 200


@pytest.mark.parametrize(
    ("settings", "framed"),
    [(LOCAL, False), (BEHIND_A_PROXY, False), (ON_A_SPACE, True), (PUBLIC, True), (SHARED, True)],
)
def test_every_answer_has_security_headers(start, settings, framed):
    ask = start(settings)
    for reply in (ask("127.0.0.1:7860"), ask("127.0.0.1:7860", path="/gradio_api/file=http://example.org")):
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "same-origin"
        policy = reply.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; ")
        assert ("frame-ancestors 'self'" in policy) is not framed
        assert ("https:" in policy) is (settings is ON_A_SPACE)


def test_no_cache_keeps_uploads_and_answers(start):
    ask = start(LOCAL)
    for path in ("/gradio_api/file=/tmp/a.jpg", "/gradio_api/file/tmp/a.jpg", "/fer/gradio_api/file=/tmp/a.jpg"):
        assert ask("localhost", method="GET", path=path).headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in ask("localhost", method="GET", path="/config").headers


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "x-gradio-server"])
@pytest.mark.parametrize(
    ("settings", "seen"),
    [(LOCAL, False), (BEHIND_A_PROXY, False), (PUBLIC, False), (ON_A_SPACE, True), (SHARED, True)],
)
def test_only_the_proxy_of_a_space_or_a_shared_app_names_another_address(start, settings, seen, name):
    expected = "other.example" if seen else "a photo"
    assert start(settings)("localhost", **{name: "other.example"}).json() == expected
