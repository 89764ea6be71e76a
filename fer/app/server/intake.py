"""What is between the server and Gradio: bounds requests, and answers those that Gradio would fail at."""

import json
import re

from fastapi.exceptions import RequestValidationError
from gradio import Error
from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from fer.app.server.limits import MAX_BODY
from fer.app.server.payloads import check_names, describe

SESSION = re.compile(r"[\w-]{1,100}", re.ASCII)
"""A session's name, which the client chooses and the server keeps."""
API = "/gradio_api/"
CLOSED = re.compile(r"proxy=|component_server|deep_link|process_recording")
"""Routes of Gradio that nothing here uses: they ask other servers, run ffmpeg, and write sessions to disk."""
EVENT = re.compile(
    r"(?:run|api|(?P<call>call)(?P<by_name>/v2)?)/(?P<name>[^/]+)/?|queue/join/?|(?P<stream>stream)/[^/]+"
)
"""Routes that call a function, by its name or by the number in the body."""


class Intake:
    """ASGI middleware: answers what Gradio would log a traceback for, and bounds the bodies of requests.

    Files go to Gradio's upload route, which has a limit of its own (`max_file_size`).
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        route = scope["path"].partition(API)[2]
        try:
            if CLOSED.match(route):
                raise HTTPException(404, "There is no such page.")
            _mend_range(scope)
            if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not re.fullmatch("upload/?", route):
                body, receive = await _read(scope, receive)
                event = EVENT.fullmatch(route)
                if event and scope["method"] == "POST":
                    _check_event(scope["app"].get_blocks(), event, body)
        except HTTPException as error:
            return await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            # A stream of answers for nobody: its first message has said so already. What is left is its end.
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class FilesOnly(GradioMultiPartParser):
    """What reads an upload: no fields, which Gradio keeps in memory whatever their size, and then fails at."""

    def __init__(self, *args, **options):
        super().__init__(*args, **{**options, "max_fields": 0})


async def _read(scope, receive):
    """The whole body, and a `receive` that gives it once more."""
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


def _check_event(demo, event, body):
    try:
        body = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body must be JSON.") from None
    if not isinstance(body, dict):
        raise HTTPException(400, f"The body must be a JSON object. Received: {describe(body)}")
    if event["by_name"]:
        fn, values = _named(demo, event["name"], public=True), {**body}
        values.pop("oauth_token", None)
        try:
            check_names(fn, values)
        except Error as error:
            raise HTTPException(400, error.message) from None
        return
    if not isinstance(body.get("data"), list):
        raise HTTPException(400, f"`data` must be a list. Received: {describe(body.get('data'))}")
    session = body.get("session_hash")
    if session is not None and not (isinstance(session, str) and SESSION.fullmatch(session)):
        raise HTTPException(400, f"`session_hash` must be up to 100 letters and digits. Received: {describe(session)}")
    fn = _function(demo, event, body)
    if fn and fn.collects_event_data and not _is_point(None if event["call"] else body.get("event_data")):
        raise HTTPException(400, "`event_data` must have an `index` of two numbers.")


def _function(demo, event, body):
    """The function that is called; None for a stream's next frame, whose function is known already."""
    if event["stream"]:
        return None
    number = None if event["call"] else body.get("fn_index")
    if number is None and event["name"]:
        return _named(demo, event["name"], public=event["call"])
    if isinstance(number, bool) or not isinstance(number, int) or number not in demo.fns:
        raise HTTPException(404, f"`fn_index` must be the number of an event. Received: {describe(number)}")
    return demo.fns[number]


def _named(demo, name, public=False):
    """The function of that name; `public`: of the API, whose answers are JSON, as those for the page need not be."""
    for fn in demo.fns.values():
        if fn.api_name == name and not (public and fn.api_visibility == "private"):
            return fn
    raise HTTPException(404, f"There is no function of that name. Received: {describe(name)}")


def _is_point(data):
    """Whether the data of a click on a picture are what Gradio's page sends: `{"index": [3, 4], "value": null}`."""
    match data:
        case {"index": [int() | float(), int() | float()], "value": None, **rest}:
            return not rest
    return False


def _mend_range(scope):
    """Has Starlette answer a request for a part of a file, which knows all forms of it. Gradio's own code looks for
    the unit in small letters, fails at anything but two numbers, and repeats the request's headers in the answer."""
    headers = MutableHeaders(scope=scope)
    if wanted := headers.get("range"):
        headers["range"] = wanted.strip().capitalize()


async def _answer_wrong_body(request, error):
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return JSONResponse({"detail": f"`{field}`: {first['msg']}."}, 400)


async def _answer_nobody(request, error):
    return Response(status_code=400)


HANDLERS = {RequestValidationError: _answer_wrong_body, ClientDisconnect: _answer_nobody}
"""For FastAPI: what answers an exception in place of a traceback."""
