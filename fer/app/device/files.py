"""Routes to the files with which a browser reads pictures itself.

The networks are those of the model that the app serves. A browser keeps a file whose address has its sha256 for a year;
for every other file it asks each time whether the file has changed.
"""

import json
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from fer.app.components import face_panel, live_stream, live_view
from fer.app.components.camera import LIVE_CAMERA, PHOTO_CAMERA
from fer.app.components.upload import EXAMPLE
from fer.app.device.view import ADDRESS
from fer.app.server.limits import DISPLAY_SIDE, MAX_SMALLEST_FACE
from fer.app.server.services import wait_for_model
from fer.app.texts import TEXTS
from fer.labels import EMOTIONS
from fer.web.site import MODULE, SETTINGS
from fer.web.vendor import MANIFEST, RUNTIME

PAGE = Path(__file__).parent / "page"
"""Folder of the pages' scripts."""
SHA_DIGITS = 16
"""Number of hexadecimal digits of the sha256 in an address, as `fer/web/module/loading.js` writes it."""
SPOKEN = ("device", "emotion", "face", "live", "photo", "table")
"""Prefixes of the keys of the texts that the scripts use."""


class DeviceFiles:
    """Files with which a browser reads pictures itself.

    Args:
        served_model: future of a `fer.app.server.services.ServedModel`; requests wait for it.
    """

    def __init__(self, served_model: Future):
        self._served_model = served_model

    def routes(self) -> list[Mount]:
        """Return the routes for `launch(app_kwargs={"routes": …})`."""
        routes = [
            Route(f"/{SETTINGS}", self._send_settings),
            Route("/page.json", self._send_page),
            Route("/example.jpg", self._send_example),
            Route("/networks/{name}", self._send_network),
            Mount("/module", StaticFiles(directory=MODULE)),
            Mount("/page", StaticFiles(directory=PAGE)),
            Mount("/runtime", StaticFiles(directory=RUNTIME)),
        ]
        return [Mount(f"/{ADDRESS}", routes=routes, middleware=[Middleware(CacheBySha, self._find_sha)])]

    def _find_sha(self, path):
        """Return the sha256 of a file that has been sent, of WebAssembly before its compression; "" if none is listed.

        The model is loaded if a network has been sent, so this does not wait.
        """
        if path.startswith("networks/"):
            records = self._served_model.result().settings["networks"].values()
            shas = {record["file"]: record["sha256"] for record in records}
            return shas.get(path, "")
        return self._runtime_shas.get(path, "")

    @cached_property
    def _runtime_shas(self):
        files = json.loads(MANIFEST.read_text())["files"]
        return {f"runtime/{name}": record["sha256"] for name, record in files.items()}

    # Both wait without a thread, as `wait_for_model` says.
    async def _send_settings(self, request):
        return JSONResponse((await wait_for_model(self._served_model)).settings)

    async def _send_network(self, request):
        networks = (await wait_for_model(self._served_model)).networks
        content = networks.get(f"networks/{request.path_params['name']}")
        return Response(content or b"", 200 if content else 404, media_type="application/octet-stream")

    # Plain functions, which Starlette runs in threads.
    def _send_page(self, request):
        return JSONResponse(page_settings())

    def _send_example(self, request):
        return FileResponse(EXAMPLE)


class CacheBySha:
    """ASGI middleware that lets browsers keep a file for a year if the query of its address is the file's sha256.

    With another query, such as that of a model that the app has replaced, a browser keeps no copy; without a query it
    asks each time whether the file has changed.

    Args:
        app: the ASGI app that sends the files.
        find_sha: function of a path below `ADDRESS` that returns the sha256 of a file that was sent; "" if unknown.
    """

    def __init__(self, app: ASGIApp, find_sha: Callable[[str], str]):
        self.app, self.find_sha = app, find_sha

    async def __call__(self, scope, receive, send):
        async def send_with_age(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = self._age(scope, message["status"])
            await send(message)

        await self.app(scope, receive, send_with_age)

    def _age(self, scope, status):
        query = scope["query_string"].decode("latin-1")
        if not query:
            return "no-cache"
        # 304 confirms the file that the browser has, so it is the same file.
        sha = self.find_sha(scope["path"].rpartition(f"/{ADDRESS}/")[2]) if status in (200, 304) else ""
        return "public, max-age=31536000, immutable" if sha and query == sha[:SHA_DIGITS] else "no-store"


def page_settings() -> dict:
    """Return the settings that the pages' scripts share with Python: texts, limits, and sizes of drawings."""
    return {
        "texts": {
            language: {key: text for key, text in texts.items() if key.split(".")[0] in SPOKEN}
            for language, texts in TEXTS.items()
        },
        "labels": list(EMOTIONS),
        "camera": LIVE_CAMERA,
        "stream": {
            "rate_seconds": live_stream.RATE_SECONDS,
            "chart_seconds": live_view.CHART_SECONDS,
            "chart_step": live_stream.CHART_STEP,
            "clearly_larger": live_stream.CLEARLY_LARGER,
        },
        "chart": {
            "seconds": live_view.CHART_SECONDS,
            "break_seconds": live_view.BREAK_SECONDS,
            "width": live_view.WIDTH,
            "height": live_view.HEIGHT,
            "left": live_view.LEFT,
            "right": live_view.RIGHT,
            "top": live_view.TOP,
            "bottom": live_view.BOTTOM,
            "label": live_view.LABEL,
            "gap": live_view.GAP,
            "names": live_view.NAMES,
        },
        "box": {"text": live_view.TEXT, "letter": live_view.LETTER},
        "heat": {"stops": face_panel.HEAT.tolist(), "side": face_panel.SIDE},
        "photo": {
            "display_side": DISPLAY_SIDE,
            "most_smallest_face": MAX_SMALLEST_FACE,
            "camera": PHOTO_CAMERA,
        },
    }
