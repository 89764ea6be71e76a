"""Who may ask the server, and what browsers are told about its pages."""

import os
import re
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

POLICY = {
    "default-src": "'self'",
    # Gradio's page has its settings in scripts within it, compiles the JavaScript of events, and trims clips with a
    # program (FFmpeg) that it starts and reads from blobs. 'unsafe-eval' also lets WebAssembly start (fer.app.device).
    # Without `worker-src`, workers are started from where scripts are loaded.
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
"""Content Security Policy of every answer: the page asks this server alone."""
SPACE_HOSTS = "https://huggingface.co https://*.huggingface.co https://*.hf.co"
"""Servers that the header of a Space asks, about the Space and for its owner's picture."""
ELSEWHERE = re.compile(r"/gradio_api/file[=/][a-z][a-z0-9+.-]+:", re.IGNORECASE)
"""Paths that would have Gradio fetch a file from another server, of any size, and hand it on."""


def guard():
    """Return the `Guard` for `launch(app_kwargs={"middleware": [guard()]})`, as the environment says who may come.

    An app that listens on this machine alone answers pages of its own address: that it listens on, and that of
    GRADIO_ROOT_PATH where it is a whole one, http or https, as of a proxy. One that listens to others, or is shared,
    answers every page, as Gradio does: its names are not known here. On a Space it may be shown in a frame.
    """
    home = _is_home()
    proxies = re.findall("^https?://([^/]+)", os.environ.get("GRADIO_ROOT_PATH", "").lower())
    return Middleware(Guard, home=home, proxies=proxies, policy=_policy(home))


class Guard:
    """ASGI middleware that refuses what comes from other pages, and adds headers to all answers.

    Args:
        app: what it guards.
        home: whether only pages of this machine's own address are answered. Then neither a page of another server that
            runs here nor one whose name was made to mean this machine (DNS rebinding) reads or sends anything.
        proxies: `host:port` of each address through which the app is reached besides.
        policy: the header Content-Security-Policy.
    """

    def __init__(self, app, home, proxies, policy):
        self.app, self.home, self.proxies = app, home, proxies
        self.headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":  # Gradio has no web sockets; the others are the server's start and end.
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        answer = PlainTextResponse(refusal, 403) if refusal else self.app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, path, headers):
        """What is wrong with a request, one sentence; "" if nothing is."""
        if ELSEWHERE.search(path):
            return "Files of other servers are not handed on."
        if not self.home:
            return ""
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        if host not in self.proxies and not _is_loopback(_name(host)):
            return (
                "This app answers at the address of this machine only, such as http://localhost; behind a proxy, "
                f"GRADIO_ROOT_PATH must be the whole address that people see. Received: {host[:200]!r}"
            )
        if origin is not None and re.sub("^https?://", "", origin.lower()) not in (host, *self.proxies):
            return f"This app answers its own pages only. Received: one of {origin[:200]!r}"
        return ""


def _is_space():
    return os.environ.get("SYSTEM") == "spaces" or "SPACE_ID" in os.environ


def _is_home():
    # As Gradio reads them.
    shared = os.environ.get("GRADIO_SHARE", "").lower() == "true"
    return _is_loopback(os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")) and not shared and not _is_space()


def _policy(home):
    sources = dict(POLICY)
    if home:
        sources["frame-ancestors"] = "'self'"
    if _is_space():
        for name in ("connect-src", "img-src"):
            sources[name] += f" {SPACE_HOSTS}"
    return "; ".join(f"{name} {allowed}" for name, allowed in sources.items())


def _name(host):
    """The name or address in a header Host, without the port."""
    return re.sub(r":\d*$", "", host)


def _is_loopback(name):
    name = name.removeprefix("[").removesuffix("]")
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
