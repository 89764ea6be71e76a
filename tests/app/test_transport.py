"""Tests of the transport through which Gradio fetches addresses; tests/images/test_fetching.py has the rules."""

import asyncio
import re
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio import processing_utils

from fer.app.server import fetching
from fer.app.server.fetching import PublicTransport
from fer.app.server.values import check_value


def fetch(url):
    async def get():
        async with httpx.AsyncClient(transport=PublicTransport()) as client:
            return await client.get(url)

    return asyncio.run(get())


def test_gradio_gets_the_content_of_the_file(monkeypatch):
    async def answer(url, most_bytes, turn):
        assert url == "https://example.org/a.jpg?b=%20"
        return b"photo"

    monkeypatch.setattr(fetching, "fetch", answer)
    response = fetch("https://example.org/a.jpg?b=%20")
    assert (response.status_code, response.content) == (200, b"photo")


def test_the_file_at_an_address_is_fetched_anew_for_each_call(monkeypatch, tmp_path):
    contents = iter([b"first", b"second"])

    async def answer(url, most_bytes, turn):
        assert url == "https://example.org/now.jpg?camera=1"
        return next(contents)

    monkeypatch.setattr(fetching, "fetch", answer)
    monkeypatch.setattr(processing_utils, "async_transport", PublicTransport())

    def read():
        file = check_value("photo", gr.File(), "https://example.org/now.jpg?camera=1")
        return Path(asyncio.run(processing_utils.async_ssrf_protected_download(file["path"], str(tmp_path))))

    assert [read().read_bytes(), read().read_bytes()] == [b"first", b"second"]
    named = check_value("photo", gr.File(), "https://example.org/café 1.jpg#top")["path"]
    assert re.fullmatch(r"https://example\.org/café 1\.jpg#[0-9a-f]{32}", named)


def test_an_address_that_is_refused_is_an_error_in_one_sentence():
    with pytest.raises(gr.Error) as error:
        fetch("http://127.0.0.1/photo.jpg")
    assert error.value.message.startswith("http://127.0.0.1/photo.jpg: could not be fetched. Addresses must be http")
    assert "at most 150 MB within 20 seconds" in error.value.message
    assert not error.value.print_exception


def test_the_number_of_simultaneous_fetches_is_limited(monkeypatch):
    running = []

    async def answer(url, most_bytes, turn):
        async with turn:
            running.append(url)
            most.append(len(running))
            await asyncio.sleep(0.01)
            running.pop()
        return b""

    most = []
    monkeypatch.setattr(fetching, "fetch", answer)

    async def get_all():
        async with httpx.AsyncClient(transport=PublicTransport()) as client:
            await asyncio.gather(*[client.get(f"http://a/{number}") for number in range(10)])

    asyncio.run(get_all())
    assert max(most) == fetching.MAX_FETCHES
