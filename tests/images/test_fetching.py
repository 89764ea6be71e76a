"""Tests of fetching by address. A table resolves host names, and the only server is on this machine."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2 as httpx
import pytest

from fer.errors import UserError
from fer.images import fetching
from fer.images.fetching import is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, True) for address in (
            "8.8.8.8", "100.63.255.255", "100.128.0.1", "192.0.1.1", "2606:4700::1111",
            "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
        )),
        *((address, False) for address in (
            "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "198.18.0.1",
            "100.64.0.1", "100.100.100.200", "100.127.255.255", "192.0.0.1", "192.0.0.192", "192.88.99.1",
            "168.63.129.16", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
            "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "feff::1", "ff02::1",
            "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "4000::1", "2606:4700::1111%1", "::8.8.8.8",
            "::ffff:127.0.0.1", "::ffff:100.100.100.200", "64:ff9b::7f00:1", "64:ff9b::6464:64c8", "64:ff9b:1::808:808",
            "2002:7f00:1::1", "2002:6464:64c8::1", "2002:c000:c0::1", "2001:0:808:808::80ff:fffe",
            "", "example.org", "1.2.3",
        )),
    ],
)  # fmt: skip
def test_public_addresses_are_distinguished_from_others(address, public):
    assert is_public(address) is public


class Server(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802 - name in the base class
        self.server.hosts.append(self.headers["Host"])
        moved = {
            "/moved.jpg": "/photo.jpg",
            "/away.jpg": f"http://other:{self.server.server_port}/photo.jpg",
            "/inside.jpg": f"http://private:{self.server.server_port}/photo.jpg",
            "/disk.jpg": "file:///etc/passwd",
            "/round.jpg": "/round.jpg",
        }.get(self.path)
        self.send_response(302 if moved else 404 if self.path == "/gone.jpg" else 200)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(bytes(2000 if self.path == "/large.jpg" else 1000))

    def log_message(self, *_):
        pass


NAMES = {
    "public": ["127.0.0.1"],
    "other": ["127.0.0.1"],
    "two": ["127.0.0.2", "127.0.0.1"],
    "private": ["10.0.0.1"],
    "mixed": ["127.0.0.1", "10.0.0.1"],
    "nobody": [],
}


@pytest.fixture
def server(monkeypatch):
    """A server on 127.0.0.1; all loopback addresses count as public."""
    monkeypatch.setattr(fetching, "is_public", lambda address: address.startswith("127."))
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.hosts = []
        monkeypatch.setattr(fetching, "FETCH_PORTS", (server.server_port, 1))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


async def resolve_by_table(host, port):
    if host not in NAMES:
        raise OSError("no such name")
    return NAMES[host]


def fetch(url, asked=None):
    """Fetch an address from the server, at most 1500 bytes."""

    async def resolve(host, port):
        if asked is not None:
            asked.append(host)
        return await resolve_by_table(host, port)

    return asyncio.run(fetching.fetch(url, 1500, resolve))


@pytest.mark.parametrize("path", ["/photo.jpg", "/moved.jpg", "/away.jpg"])
def test_content_is_not_decompressed_even_if_declared_as_gzip(server, path):
    assert fetch(f"http://public:{server.server_port}{path}") == bytes(1000)


def test_each_host_name_is_resolved_once_and_sent_as_host(server):
    asked = []
    fetch(f"http://public:{server.server_port}/away.jpg", asked)
    assert asked == ["public", "other"]
    assert server.hosts == [f"{name}:{server.server_port}" for name in asked]


def test_the_next_address_is_tried_if_one_does_not_answer(server):
    assert fetch(f"http://two:{server.server_port}/photo.jpg") == bytes(1000)


@pytest.mark.parametrize(
    "url",
    [
        "http://public:{port}/large.jpg",
        "http://public:{port}/gone.jpg",
        "http://public:{port}/inside.jpg",
        "http://public:{port}/disk.jpg",
        "http://public:{port}/round.jpg",
        "http://public:1/photo.jpg",
        "http://private:{port}/photo.jpg",
        "http://mixed:{port}/photo.jpg",
        "http://nobody:{port}/photo.jpg",
        "http://unknown:{port}/photo.jpg",
        "https://public:{port}/photo.jpg",
        "ftp://public:{port}/photo.jpg",
    ],
)
def test_all_failures_have_the_same_message(server, url):
    url = url.format(port=server.server_port)
    with pytest.raises(UserError) as error:
        fetch(url)
    assert str(error.value) == (
        f"{url}: could not be fetched. Addresses must be http or https, of public servers, "
        f"on port {server.server_port} or 1, and answer at most 0 MB within 20 seconds."
    )


def test_a_server_on_another_port_is_never_asked(server, monkeypatch):
    url = f"http://public:{server.server_port}/photo.jpg"
    monkeypatch.setattr(fetching, "FETCH_PORTS", (1,))
    with pytest.raises(UserError, match="could not be fetched"):
        fetch(url)
    assert server.hosts == []


def test_a_server_that_takes_too_long_is_abandoned(server, monkeypatch):
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0)
    with pytest.raises(UserError, match="could not be fetched"):
        fetch(f"http://public:{server.server_port}/photo.jpg")


def test_https_connects_to_the_checked_address_and_verifies_the_host_name(monkeypatch):
    seen = []

    async def note(transport, request):
        seen.append((request.url.host, request.headers["Host"], request.extensions["sni_hostname"]))
        return httpx.Response(200, stream=httpx.ByteStream(b"photo"))

    async def resolve(host, port):
        return ["2606:4700::1111"]

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", note)
    assert asyncio.run(fetching.fetch("https://münchen.example/a.jpg", 1500, resolve)) == b"photo"
    assert seen == [("2606:4700::1111", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example")]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_no_name_of_this_machine_is_fetched(server, monkeypatch, host):
    """The resolver of the system needs no network for these names, and the server would answer them."""
    monkeypatch.setattr(fetching, "is_public", is_public)
    with pytest.raises(UserError, match="could not be fetched"):
        fetching.fetch_file(f"http://{host}:{server.server_port}/photo.jpg", 1500)
    assert server.hosts == []
