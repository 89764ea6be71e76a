"""Check of the request that calls a function: its JSON, the function that it names, its session, the number of its
values, and its event data."""

import json
import re
from contextlib import contextmanager

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.data_classes import CancelBody
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from fer.app.server.payloads import CheckedBlocks, check_count, check_names
from fer.app.server.values import describe

SESSION = re.compile(r"[\w-]{1,100}", re.ASCII)
"""Pattern of a session's name, which the client chooses and the server keeps."""
CALL = re.compile(
    r"(?:run|api|(?P<call>call)(?P<by_name>/v2)?)/(?P<name>[^/]+)/?|queue/join/?|(?P<stream>stream)/[^/]+"
)
"""Pattern of the routes that call a function, by its name in the route or by its number in the body."""


def joins_queue(method: str, route: str) -> bool:
    """Return whether a request puts a call into the queue; it is then answered before the call is.

    Args:
        method: HTTP method.
        route: path below `/gradio_api/`.
    """
    call = CALL.fullmatch(route)
    return method == "POST" and bool(call) and _is_queued(call)


def check_call(demo: CheckedBlocks, route: str, body: bytes) -> None:
    """Check a POST request if its route calls a function, and that the queue's limits allow a further call.

    The values themselves are checked by `CheckedBlocks`.

    Args:
        demo: the app.
        route: path below `/gradio_api/`.
        body: body of the request.

    Raises:
        HTTPException: if the request is wrong, or there are too many; its detail is one sentence.
    """
    call = CALL.fullmatch(route)
    if not call:
        return
    try:
        body = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body must be JSON.") from None
    if not isinstance(body, dict):
        raise HTTPException(400, f"The body must be a JSON object. Received: {describe(body)}")
    if call["by_name"]:
        fn = _find_by_name(demo, call["name"], public=True)
        with _as_bad_request():
            check_names(fn, [name for name in body if name != "oauth_token"])
        demo.queue_limits.check(fn, None)
        return
    if not isinstance(body.get("data"), list):
        raise HTTPException(400, f"`data` must be a list. Received: {describe(body.get('data'))}")
    session = body.get("session_hash")
    if session is not None and not (isinstance(session, str) and SESSION.fullmatch(session)):
        raise HTTPException(400, f"`session_hash` must be up to 100 letters and digits. Received: {describe(session)}")
    fn = _find_function(demo, call, body)
    if fn and fn.collects_event_data and not _is_click(None if call["call"] else body.get("event_data")):
        raise HTTPException(400, "`event_data` must have an `index` of two numbers.")
    if fn and _is_queued(call):
        if len(body["data"]) > len(fn.inputs):  # Gradio would keep them all until the call's turn comes.
            with _as_bad_request():
                check_count(fn, body["data"])
        demo.queue_limits.check(fn, session)


def may_cancel(demo: CheckedBlocks, body: bytes) -> bool:
    """Return whether Gradio may process a request of its route `cancel`; it may refuse a wrong one itself.

    Args:
        demo: the app.
        body: body of the request.
    """
    try:
        call = CancelBody.model_validate_json(body)
    except ValidationError:
        return True
    return call.fn_index not in demo.fns or demo.queue_limits.may_cancel(demo.fns[call.fn_index], call.session_hash)


def _is_queued(call):
    """Return whether the call of a route is queued; `run` and `api` pass by the queue or are refused."""
    return bool(call["call"]) or not (call["name"] or call["stream"])


@contextmanager
def _as_bad_request():
    """Raise an HTTPException instead of a `gr.Error`."""
    try:
        yield
    except gr.Error as error:
        raise HTTPException(400, error.message) from None


def _find_function(demo, call, body) -> BlockFunction | None:
    """Return the function that is called; None for a further frame of a stream, whose function Gradio knows already."""
    if call["stream"]:
        return None
    number = None if call["call"] else body.get("fn_index")
    if number is None and call["name"]:
        return _find_by_name(demo, call["name"], public=call["call"])
    if isinstance(number, bool) or not isinstance(number, int) or number not in demo.fns:
        raise HTTPException(404, f"`fn_index` must be the number of an event. Received: {describe(number)}")
    return demo.fns[number]


def _find_by_name(demo, name, public):
    """Return the function of a name; with `public`, only the API's functions count, whose answers are all JSON."""
    for fn in demo.fns.values():
        if fn.api_name == name and not (public and fn.api_visibility == "private"):
            return fn
    raise HTTPException(404, f"There is no function of that name. Received: {describe(name)}")


def _is_click(data):
    """Return whether event data have the form that the page sends for a click: `{"index": [3, 4], "value": null}`."""
    match data:
        case {"index": [int() | float(), int() | float()], "value": None, **rest}:
            return not rest
    return False
