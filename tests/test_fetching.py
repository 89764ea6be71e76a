"""Photos by address, from a server of this machine that the guard is made to take for a public one."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gradio as gr
import httpx
import pytest

from pages import fetching
from pages.fetching import PublicTransport


class Server(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802 - the base class calls it so
        moved = {"/moved.jpg": "/photo.jpg", "/inside.jpg": "http://private/photo.jpg"}.get(self.path)
        self.send_response(302 if moved else 404 if self.path == "/gone.jpg" else 200)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(bytes(2000 if self.path == "/large.jpg" else 1000))

    def log_message(self, *_):
        pass


@pytest.fixture
def get(monkeypatch):
    """Asks the server, which calls itself `public`, for a path."""

    async def validate(host):
        if host != "public":
            raise ValueError(host)
        return "127.0.0.1"

    monkeypatch.setattr("safehttpx.async_validate_url", validate)
    monkeypatch.setattr(fetching, "MAX_FILE_SIZE", 1500)

    async def ask(url):
        async with httpx.AsyncClient(transport=PublicTransport(), follow_redirects=True) as client:
            return await client.get(url)

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield lambda path, port=server.server_port: asyncio.run(ask(f"http://public:{port}{path}"))
        server.shutdown()


@pytest.mark.parametrize("path", ["/photo.jpg", "/moved.jpg"])
def test_a_file_arrives_as_it_is_even_if_it_calls_itself_packed(get, path):
    assert get(path).content == bytes(1000)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/large.jpg", "files may have at most"),
        ("/gone.jpg", "the server answers 404"),
        ("/inside.jpg", "http://private/photo.jpg: not the address of a public server"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(get, path, reason):
    with pytest.raises(gr.Error) as error:
        get(path)
    assert reason in error.value.message
    assert not error.value.print_exception


def test_a_server_that_takes_too_long_is_given_up(get, monkeypatch):
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0)
    with pytest.raises(gr.Error, match="not there after 0 seconds"):
        get("/photo.jpg")


def test_a_server_that_is_not_there_is_said(get):
    with pytest.raises(gr.Error, match="the server cannot be reached"):
        get("/photo.jpg", port=1)
