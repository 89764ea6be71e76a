"""The app in this process, and invalid requests to it over HTTP, for benchmarks/fuzz.py."""

import base64
import json
import re
import socket
from concurrent.futures import Future

import httpx

from benchmarks import odd_inputs
from benchmarks.app_client import PHOTO
from fer.app.demo import build_demo, launch
from fer.app.server.services import open_model
from fer.app.server.values import is_stream
from fer.errors import UserError
from fer.hub.client import resolve_model

UNHELPFUL = re.compile(r"upstream Gradio|Internal Server Error|Traceback|\n")
"""Pattern of what an error message for a user must not contain."""
SENT = "queue/join", "call/predict", "call/v2/analyze", "run/predict", "cancel", "reset", "stream/a", "component_server"
READ = (
    "", "info", "queue/status", "stream/a/close", "upload_progress?upload_id=a", "startup-events", "heartbeat/a",
    "call/predict/a", "queue/data?session_hash=a",
)  # fmt: skip
"""Routes to which damaged requests are sent, with a body (`SENT`) and without one (`READ`)."""


class App:
    """The running app, to which a photo and a clip have been uploaded.

    Args:
        recognizer: `fer.recognition.recognizer.Recognizer`.
        pool: `fer.images.decoding.DecodingPool`.
    """

    def __init__(self, recognizer, pool):
        served_model = Future()
        served_model.set_result(open_model(resolve_model("bundled"))._replace(recognizer=recognizer))
        demo = build_demo(served_model, pool.load_image)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        _, url, _ = launch(demo, server_port=port, quiet=True)
        self.fns, self.http = demo.fns, httpx.Client(base_url=f"{url}gradio_api/", timeout=20)
        sent = {"photo.jpg": PHOTO.read_bytes(), "clip.mp4": odd_inputs.small_clips()[0]}
        paths = self.http.post("upload", files=[("files", file) for file in sent.items()]).json()
        self.photo, self.clip = ({"path": path, "meta": {"_type": "gradio.FileData"}} for path in paths)
        self.frame = {"url": f"data:image/jpeg;base64,{base64.b64encode(sent['photo.jpg']).decode()}"}


def call_function(random, app):
    """Return a function that calls one of the app's functions, mostly with invalid values."""
    fn = random.choice(list(app.fns.values()))
    name, number = fn.api_name, next(key for key, one in app.fns.items() if one is fn)
    values = [_value(random, app) if random.random() < 0.5 else _meant(app, block) for block in fn.inputs]
    if random.random() < 0.1:
        values = values[random.randrange(2) :] + [_value(random, app)] * random.randrange(3)
    way, session = random.choice(("join", "join", "call", "run", "v2", "tool")), f"{random.getrandbits(128):x}"
    names = [
        block.label if random.random() < 0.1 else name
        for name, block in zip(
            fn.input_parameter_names or [f"v{n}" for n in range(len(fn.inputs))], fn.inputs, strict=False
        )
    ]
    arguments = {str(name): value for name, value in zip(names, values, strict=False)}
    body = {"data": values, "session_hash": session}
    if fn.collects_event_data:
        body["event_data"] = random.choice(({"index": [3, 4], "value": None}, _value(random, app)))
    if way in ("join", "run"):
        body["fn_index"] = number if random.random() < 0.95 else _value(random, app)
    print(
        way,
        name,
        re.sub("[\\w+/]{99,}", "…", json.dumps(arguments if way in ("v2", "tool") else body))[:2000],
        flush=True,
    )

    def run():
        match way:
            case "join":
                answer = _post(app.http, "queue/join", body)
                _close_stream(app.http, fn, answer)
                answer = answer if "event_id" not in answer else _wait(app.http, "queue/data", session_hash=session)
            case "call" | "v2":
                route = f"call/{'v2/' if way == 'v2' else ''}{name}"
                answer = _post(app.http, route, arguments if way == "v2" else body)
                _close_stream(app.http, fn, answer)
                answer = answer if "event_id" not in answer else _wait(app.http, f"call/{name}/{answer['event_id']}")
            case "run":
                answer = _post(app.http, f"run/{name}", body)
            case "tool":
                request = {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tools/call",
                    "params": {"name": str(name), "arguments": arguments},
                }
                result = _post(app.http, "mcp/", request)
                result = result.get("result") or {"isError": True, "content": [{"text": str(result)}]}
                answer = {"error": result["content"][0]["text"]} if result["isError"] else result
        _judge(answer)

    return run


def _close_stream(http, fn, answer):
    """Close a stream, which would otherwise wait for more frames."""
    if fn.connection == "stream" and "event_id" in answer:
        http.post(f"stream/{answer['event_id']}/close")


def _judge(answer):
    """Raise the app's error message as a `UserError`, or a `ValueError` if it is not one sentence."""
    for key in ("error", "detail"):
        if key in answer and (answer[key] or key == "error" and "data" not in answer):
            sentence = answer[key]
            if not isinstance(sentence, str) or UNHELPFUL.search(sentence):
                raise ValueError(f"no sentence: {answer}")
            raise UserError(sentence)


def _post(http, route, body):
    """Send JSON and return the JSON of the answer; raise a `ValueError` for a server error without a message."""
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    answer = http.post(route, content=content, headers=headers)
    text = answer.text
    if text.startswith(("event:", "data:")):
        text = re.search("data: (.*)", text)[1]
    if answer.status_code >= 500 and not json.loads(text).get("error"):
        raise ValueError(f"{answer.status_code}: {text}")
    return json.loads(text)


def _wait(http, route, **parameters):
    """Return the last answer of an event stream."""
    text = http.get(route, params=parameters).text
    if found := re.findall("event: (complete|error)\r?\ndata: (.*)", text):
        event, data = found[-1]
        return json.loads(data) if event == "error" else {"data": data}
    outputs = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: ")]
    return next((one["output"] for one in outputs if one["msg"] == "process_completed"), {"error": f"no end: {text}\n"})


def send_request(random, app):
    """Return a function that sends the bytes of a damaged request."""
    body = json.dumps({"data": [app.photo], "session_hash": "a", "fn_index": random.randrange(40)}).encode()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(300) + b"\r\n--x--\r\n"
    )
    as_json, tools = "application/json", b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}'
    kind, route, sent = random.choice(
        [(as_json, route, body) for route in SENT]
        + [("", route, b"") for route in (*READ, f"file={app.photo['path']}")]
        + [(as_json, "mcp/", tools), ("multipart/form-data; boundary=x", "upload", form)]
    )  # fmt: skip
    method = random.choice(("GET", "HEAD", "DELETE", "PUT")) if random.random() < 0.2 else "POST" if sent else "GET"
    wanted = random.choice(("", "", "bytes=0-9", "bytes=9-", "bytes=-", "bytes=5-1,2-3", "items=²"))
    head = (
        f"{method} {'/gradio_api/' if route else '/'}{route} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {kind}\r\nRange: {wanted}\r\nContent-Length: "
    ).encode()
    sent = odd_inputs.damage(random, sent, [form, body]) if sent and random.random() < 0.6 else sent
    length = len(sent) if random.random() < 0.9 else random.choice(odd_inputs.EDGES)
    if random.random() < 0.5:
        head = odd_inputs.damage(random, head, [form, body])
    content = head + str(length).encode() + b"\r\n\r\n" + sent

    def run():
        answer = b""
        with socket.create_connection((app.http.base_url.host, app.http.base_url.port), timeout=0.5) as connection:
            try:
                connection.sendall(content)
                while part := connection.recv(65_536):
                    answer += part
            except (TimeoutError, ConnectionError):  # An event stream goes on, or the app has closed the connection.
                pass
        status = int((re.match(rb"HTTP/1.1 (\d+)", answer) or [0, 0])[1])
        if status >= 500 and b'{"error":"' not in answer:  # Gradio uses 500 for an error with a message.
            raise ValueError(f"{content[:600]}\n{answer[:600]}")
        if status >= 400 or not status:
            raise UserError(f"status {status}")

    return run


def _value(random, app, depth=0):
    """Return a random JSON value, or an object like those of uploaded files."""
    kind = random.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return random.choice((None, True, False, "", [], {}, [[]] * 40_000))
    if kind == 1:
        return random.choice((0, -1, 1, 0.2, 99, 1e308, float("nan"), float("inf"), 10**400, random.getrandbits(64)))
    if kind == 2:
        return random.choice(
            (
                "en",
                "false",
                "\0",
                "\ud800",
                "x" * 101,
                "y" * 100_000,
                "=1",
                "data:image/png;base64,eA",
                "data:,",
                "http://127.0.0.1/",
                "http://[",
                "file:///etc/passwd",
                "/etc/passwd",
                "../a",
            )
        )
    if kind == 3:
        photo = {**app.photo}
        photo[random.choice(("path", "url", "orig_name", "meta", "size", "is_stream"))] = _value(random, app, 3)
        return photo
    if kind in (4, 5):
        return random.choice((app.photo, app.clip, app.photo["path"], {"url": "data:image/png;base64,eA=="}))
    if kind == 6:
        return [_value(random, app, depth + 1) for _ in range(random.choice((1, 2, 3, 201)))] if depth == 0 else [None]
    keys = ("path", "url", "meta", "index", "value", "video", "items", "x")
    return {random.choice(keys): _value(random, app, depth + 1) for _ in range(random.randrange(4))}


def _meant(app, block):
    """Return a value that a component accepts."""
    if is_stream(block):
        return app.frame
    values = {"Image": app.photo, "File": [app.photo, app.photo], "Video": app.clip, "Slider": 0.2, "Checkbox": False,
              "Textbox": "en", "Dataset": 0}  # fmt: skip
    return values.get(type(block).__name__)
