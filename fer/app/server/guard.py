"""Check of the Host and Origin of each request, the headers that name another address, and the security headers of each
response."""

import os
import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

POLICY = {
    "default-src": "'self'",
    # Gradio's page has inline scripts with its settings, compiles the JavaScript of events, and trims clips with FFmpeg
    # as WebAssembly, which it loads from blobs. 'unsafe-eval' also allows the WebAssembly of `fer.app.device`. Without
    # `worker-src`, workers may be loaded from the sources of scripts.
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
"""Directives of the Content-Security-Policy of every response: the page may load from this server only."""
SPACE_HOSTS = "https://huggingface.co https://*.huggingface.co https://*.hf.co"
"""Servers from which the header bar of a Space loads the facts about the Space and its owner's picture."""
PORTS = {"http": 80, "https": 443}
"""Ports that an address need not name, by scheme."""
FILE, UNKEPT = "/gradio_api/file", {"Cache-Control": "no-store"}
"""Part of the paths of uploads and answers, and the header with which neither a browser nor a proxy keeps them."""
FORWARDED = b"x-forwarded-host", b"x-gradio-server"
"""Headers by which a proxy names the address that people see. Gradio believes them, whoever sends them."""
REMOTE_FILE = re.compile(r"/gradio_api/file[=/][a-z][a-z0-9+.-]+:", re.IGNORECASE)
"""Pattern of the paths by which Gradio would fetch a file of any size from another server and pass it on."""


def guard() -> Middleware:
    """Return a `Guard` for `launch(app_kwargs={"middleware": [guard()]})`, configured from the environment.

    An app that listens on loopback answers only pages at its own addresses: the one that it listens on, and that of a
    proxy if GRADIO_ROOT_PATH is a complete http or https address. An app that listens on other interfaces, is shared,
    or runs as a Space does not know its own names, so it answers pages of every origin, as Gradio does. A Space may be
    shown in a frame, and believes the address in its proxy's headers; so does a shared app. Every other app gives the
    address of the request or GRADIO_ROOT_PATH as its own.
    """
    # Read as Gradio reads them.
    name, proxy = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), os.environ.get("GRADIO_ROOT_PATH", "")
    shared = os.environ.get("GRADIO_SHARE", "").lower() == "true"
    local_only = _leads_to_loopback(name) and not shared and not _is_space()
    return Middleware(
        Guard, local_only=local_only, name=name, proxy=proxy, policy=_policy(local_only), believes=shared or _is_space()
    )


class Guard:
    """ASGI middleware that refuses requests of other sites' pages and adds security headers to all responses.

    Args:
        app: the ASGI app that it guards.
        local_only: whether only pages at this machine's own address are answered. This keeps out the pages of other
            servers on this machine, and pages whose name was made to resolve to this machine (DNS rebinding).
        name: name by which the app listens.
        proxy: further address at which people reach the app; only a complete http or https address counts.
        policy: value of the Content-Security-Policy header.
        believes: whether the headers in `FORWARDED` are passed on.
    """

    def __init__(self, app: ASGIApp, local_only: bool, name: str, proxy: str, policy: str, believes: bool):
        self.app, self.local_only, self.name, self.believes = app, local_only, name.lower(), believes
        self.scheme, self.proxy = _split(proxy)
        self.headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":  # Gradio has no WebSockets; `lifespan` is the server's start and end.
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers | (UNKEPT if FILE in scope["path"] else {}))
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        answer = PlainTextResponse(refusal, 403) if refusal else self.app
        if not self.believes:
            headers = [(name, value) for name, value in scope["headers"] if name.lower() not in FORWARDED]
            scope = {**scope, "headers": headers}
        await answer(scope, receive, send_with_headers)

    def _refusal(self, path, headers):
        """Return one sentence on why a request is refused; "" if it is not."""
        if REMOTE_FILE.search(path):
            return "Files of other servers are not handed on."
        if not self.local_only:
            return ""
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        behind_proxy = self.proxy is not None and _split(f"{self.scheme}://{host}")[1] == self.proxy
        here = _strip_port(host)
        if not behind_proxy and here != self.name and not _is_loopback(here):
            return (
                "This app answers at the address of this machine only, such as http://localhost; behind a proxy, "
                f"GRADIO_ROOT_PATH must be the whole address that people see. Received: {host[:200]!r}"
            )
        if origin is not None and not self._is_own(origin, host):
            return f"This app answers its own pages only. Received: one of {origin[:200]!r}"
        return ""

    def _is_own(self, origin, host):
        """Return whether a page's origin is the address of a request, or that of the proxy."""
        scheme, place = _split(origin)
        return place is not None and place in (_split(f"{scheme}://{host}")[1], self.proxy)


def _is_space():
    return os.environ.get("SYSTEM") == "spaces" or "SPACE_ID" in os.environ


def _policy(local_only):
    sources = dict(POLICY)
    if local_only:
        sources["frame-ancestors"] = "'self'"
    if _is_space():
        for name in ("connect-src", "img-src"):
            sources[name] += f" {SPACE_HOSTS}"
    return "; ".join(f"{name} {allowed}" for name, allowed in sources.items())


def _split(address):
    """Return the scheme of an http or https address, and its host and port; None for these if it is no such address.

    The host is in lower case, and the port None if it is the scheme's own, which browsers leave out.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "", None
    if parts.scheme not in PORTS or not host or "@" in parts.netloc:
        return parts.scheme, None
    return parts.scheme, (host, None if port == PORTS[parts.scheme] else port)


def _strip_port(host):
    """Return the name or address in a Host header."""
    return re.sub(r":\d*$", "", host)


def _leads_to_loopback(name):
    """Return whether all addresses of a name are this machine's own; an app listens on them for this machine only."""
    try:
        found = socket.getaddrinfo(name.removeprefix("[").removesuffix("]"), None) if name else []
    except (OSError, UnicodeError):  # Nor can the app listen on it.
        found = []
    return bool(found) and all(_is_loopback(address[0]) for *_, address in found)


def _is_loopback(name):
    name = name.removeprefix("[").removesuffix("]")
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
