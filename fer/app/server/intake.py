"""Middleware that limits the size of requests and answers those on which Gradio would fail."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import PurePosixPath

from fastapi.exceptions import RequestValidationError
from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from fer.app.server.cache import UPLOAD_SECONDS, open_upload
from fer.app.server.calls import check_call, joins_queue, may_cancel
from fer.app.server.limits import MAX_BODY, MAX_MARKS
from fer.app.server.values import describe

API = "/gradio_api/"
"""Prefix of Gradio's routes."""
CLOSED = re.compile(
    "proxy=|component_server|custom_component|deep_link|process_recording|(undo-)?vibe-|run-history|profiling/"
    "|mcp(?!(/(http|sse|schema|messages)?/?)?$)"
)
"""Pattern of Gradio's routes that this app closes, as it uses none of them: they send requests to other servers, run
ffmpeg, write sessions to disk, print lines that the client chooses, edit the app's code, list earlier runs, and repeat
a path below `mcp/` in a page, with any script that it contains."""
FILE = re.compile("file[=/](?P<path>.*)", re.DOTALL)
"""Pattern of the routes that send a file of the cache."""
MAX_PART, MAX_PATH = 255, 3_000
"""Largest size in bytes of a part of a request's path, and of the whole, since some are names of files: file systems
allow 255 and 4,095, and Gradio fails on a longer name."""
UPLOAD = re.compile("upload/?")
"""Pattern of the route of uploads."""
INFO = re.compile("info/?")
"""Pattern of the route that describes the API, with code that calls it."""
CANCEL = re.compile("cancel/?")
"""Pattern of the route that cancels an event."""
UPLOAD_ID = re.compile(r"[\w-]{0,40}", re.ASCII)
"""Pattern of the number that a page gives its upload. Gradio keeps the number of each for as long as the app runs."""


class Intake:
    """ASGI middleware that limits the bodies of requests and answers requests for which Gradio would log a traceback.

    Files go to Gradio's upload route, which has its own limit (`max_file_size`).
    """

    def __init__(self, app: ASGIApp):
        self.app = app
        self._joining = asyncio.Lock()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        route = scope["path"].partition(API)[2]
        body = b""
        try:
            if CLOSED.match(route):
                raise HTTPException(404, "There is no such page.")
            _check_path(scope["path"], route)
            _fix_range_unit(scope)
            if INFO.fullmatch(route):
                scope = _name_page(scope)
            _check_upload_id(scope)
            if UPLOAD.fullmatch(route):
                return await self._take_upload(scope, receive, send)
            if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                body, receive = await _read(scope, receive)
                _check_marks(body)
        except HTTPException as error:
            return await _refuse(error)(scope, receive, send)
        take = self._take_in_turn if joins_queue(scope["method"], route) else self._take_call
        return await take(route, body, scope, receive, send)

    async def _take_in_turn(self, route, body, scope, receive, send):
        """Take a call that joins the queue once the call before it is in the queue.

        So calls that come at once keep to the queue's limits. The turn ends before any part of the response is sent: a
        client that does not read it makes nobody wait.
        """
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._joining)

            async def send_after_turn(message):
                await turn.aclose()  # Gradio begins its response when the call is in the queue.
                await send(message)

            await self._take_call(route, body, scope, receive, send_after_turn)

    async def _take_call(self, route, body, scope, receive, send):
        """Check a request that has been read, and pass it on."""
        demo = scope["app"].get_blocks()
        try:
            if scope["method"] == "POST":
                check_call(demo, route, body)
        except HTTPException as error:
            return await _refuse(error)(scope, receive, send)
        if CANCEL.fullmatch(route) and not may_cancel(demo, body):
            return await JSONResponse({"success": True})(scope, receive, send)  # It ends when it is done.
        try:
            return await self.app(scope, receive, send)
        except RuntimeError as error:
            # Gradio raised an HTTPException in a stream whose first message has said why; only the end is missing.
            if not isinstance(error.__cause__, HTTPException):
                raise
            return await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take_upload(self, scope, receive, send):
        """Pass an upload on. It is answered when it has arrived, so one that is ended here has no answer yet."""
        try:
            with open_upload():
                async with asyncio.timeout(UPLOAD_SECONDS):
                    await self.app(scope, receive, send)
        except TimeoutError:
            detail = f"An upload must arrive within {UPLOAD_SECONDS // 60} minutes."
            await JSONResponse({"detail": detail}, 408)(scope, receive, send)


class FilesOnlyParser(GradioMultiPartParser):
    """Parser of uploads that refuses text fields: Gradio keeps them in memory, whatever their size, and then fails.

    Each file is closed once it is complete: Gradio keeps all files of an upload open until the last one has arrived, up
    to half an hour later. Dots at the beginning of a file's name are left out: Gradio would store such a file, but
    refuse to read it.
    """

    def __init__(self, headers, stream, **options):
        super().__init__(headers, self._close_complete(stream), **{**options, "max_fields": 0})

    async def _close_complete(self, stream):
        """Yield the pieces of a request, and close the files that each completes after it has been stored."""
        closed = 0
        async for piece in stream:
            yield piece
            complete = [file for _, file in self.items[closed:]]
            closed += len(complete)
            for file in complete:
                await file.close()

    async def parse(self):
        form = await super().parse()
        for file in form.getlist("files"):
            file.filename = file.filename and (PurePosixPath(file.filename).name.lstrip(".") or "file")
        return form


def _refuse(error):
    return JSONResponse({"detail": error.detail}, error.status_code)


async def _read(scope, receive):
    """Return the whole body of a request, and a `receive` that yields the body again."""
    declared = dict(scope["headers"]).get(b"content-length", b"")
    too_large = HTTPException(413, f"A request may have at most {MAX_BODY // 1024**2} MB; files are uploaded first.")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise too_large
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "The request was broken off.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise too_large
    messages = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def receive_again():
        return messages.pop() if messages else await receive()

    return bytes(body), receive_again


def _check_path(path, route):
    """Raise an HTTPException if a path is too long for a file, or is that of a hidden file, as the cache's lock is."""
    parts = path.encode("utf-8", "replace").split(b"/")
    if max(map(len, parts)) > MAX_PART or len(b"/".join(parts)) > MAX_PATH:
        raise HTTPException(404, f"Each part of a path may have at most {MAX_PART} bytes, and the path {MAX_PATH}.")
    file = FILE.fullmatch(route)
    if file and PurePosixPath(file["path"]).name.startswith("."):
        raise HTTPException(403, "Files whose names begin with a dot are not sent.")


def _check_marks(body):
    """Raise an HTTPException if a body has more lists, objects and values than any request of the app's clients."""
    marks = sum(map(body.count, (b"[", b"{", b",", b":")))
    if marks > MAX_MARKS:
        rule = f"A request may have at most {MAX_MARKS} of the characters [ {{ , and : in all"
        raise HTTPException(413, f"{rule}. Received: {marks}")


def _fix_range_unit(scope):
    """Capitalise the unit of a Range header, so that Starlette answers it, which knows all forms of ranges.

    Gradio's own code looks for the unit in lower case, fails on anything but two numbers, and repeats the request's
    headers in the response.
    """
    headers = MutableHeaders(scope=scope)
    if wanted := headers.get("range"):
        headers["range"] = wanted.strip().capitalize()


def _name_page(scope):
    """Return a request for the description of the API with the only page's name, which is empty.

    Gradio keeps a description without it for everybody, with the address by which the first client called the app.
    """
    query = scope.get("query_string", b"")
    if {"page", "all_endpoints"} & QueryParams(query).keys():
        return scope
    return {**scope, "query_string": b"&".join(filter(None, (query, b"page=")))}


def _check_upload_id(scope):
    for number in QueryParams(scope.get("query_string", b"")).getlist("upload_id"):
        if not UPLOAD_ID.fullmatch(number):
            raise HTTPException(400, f"`upload_id` must be up to 40 letters and digits. Received: {describe(number)}")


async def _answer_wrong_body(request, error):
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return JSONResponse({"detail": f"`{field}`: {first['msg']}."}, 400)


async def _answer_disconnect(request, error):
    return Response(status_code=400)


HANDLERS = {RequestValidationError: _answer_wrong_body, ClientDisconnect: _answer_disconnect}
"""FastAPI exception handlers that answer with a status instead of logging a traceback."""
