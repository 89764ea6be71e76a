"""Routes to the files with which a browser reads pictures itself.

The networks are those of the model that the app serves. A browser keeps a file whose address has its sha256 for a year;
for every other file it asks each time whether the file has changed.
"""

from concurrent.futures import Future
from functools import cached_property
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from fer.app.components import face_panel, live_view
from fer.app.device.view import ADDRESS
from fer.app.pages import live
from fer.app.pages.photo import EXAMPLE
from fer.app.server.limits import DISPLAY_SIDE, MAX_SMALLEST_FACE
from fer.app.texts import TEXTS
from fer.errors import UserError
from fer.labels import EMOTIONS
from fer.recognition.litert_network import read_litert_file
from fer.web.settings import build_settings
from fer.web.site import MODULE, SETTINGS
from fer.web.vendor import RUNTIME

PAGE = Path(__file__).parent / "page"
"""Folder of the pages' scripts."""
PHOTO_WIDTH, PHOTO_HEIGHT = 1920, 1080
"""Size in pixels that is requested from a camera for a photo; the camera may deliver another size."""
SPOKEN = ("device", "emotion", "face", "live", "photo", "table")
"""Prefixes of the keys of the texts that the scripts use."""


class DeviceFiles:
    """Files with which a browser reads pictures itself.

    Args:
        serving: future of a `fer.app.demo.Serving`; requests wait for it.
    """

    def __init__(self, serving: Future):
        self._serving = serving

    @cached_property
    def _built(self):
        source = self._serving.result().source
        return build_settings(source.folder, source.public_name, read_litert_file(source.folder))

    @property
    def network(self) -> dict:
        """Entry of the expression network in the settings, with `bytes` and `sha256`."""
        return self._built[0]["networks"]["expressions"]

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
        return [Mount(f"/{ADDRESS}", routes=routes, middleware=[Middleware(CacheBySha)])]

    # Plain functions, which Starlette runs in threads, because they wait for the model.
    def _send_settings(self, request):
        try:
            return JSONResponse(self._built[0])
        except UserError as error:
            return PlainTextResponse(str(error), 404)

    def _send_network(self, request):
        content = self._built[1].get(f"networks/{request.path_params['name']}")
        return Response(content or b"", 200 if content else 404, media_type="application/octet-stream")

    def _send_page(self, request):
        return JSONResponse(page_settings())

    def _send_example(self, request):
        return FileResponse(EXAMPLE)


class CacheBySha:
    """ASGI middleware that lets browsers keep a file for a year if its address has a query, which is its sha256.

    For other files a browser asks each time whether they have changed.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_age(message):
            if message["type"] == "http.response.start":
                keep = scope["query_string"] and message["status"] == 200
                age = "public, max-age=31536000, immutable" if keep else "no-cache"
                MutableHeaders(scope=message)["Cache-Control"] = age
            await send(message)

        await self.app(scope, receive, send_with_age)


def page_settings() -> dict:
    """Return the settings that the pages' scripts share with Python: texts, limits, and sizes of drawings."""
    return {
        "texts": {
            language: {key: text for key, text in texts.items() if key.split(".")[0] in SPOKEN}
            for language, texts in TEXTS.items()
        },
        "labels": list(EMOTIONS),
        "camera": live.CAMERA,
        "stream": {
            "rate_seconds": live.RATE_SECONDS,
            "chart_seconds": live_view.CHART_SECONDS,
            "chart_step": live.CHART_STEP,
            "clearly_larger": live.CLEARLY_LARGER,
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
        },
        "box": {"text": live_view.TEXT, "letter": live_view.LETTER},
        "heat": {"stops": face_panel.HEAT.tolist(), "side": face_panel.SIDE},
        "photo": {
            "display_side": DISPLAY_SIDE,
            "most_smallest_face": MAX_SMALLEST_FACE,
            "camera": {"width": {"ideal": PHOTO_WIDTH}, "height": {"ideal": PHOTO_HEIGHT}},
        },
    }
