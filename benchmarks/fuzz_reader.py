"""A process that reads malformed inputs, for benchmarks/fuzz.py: what each comes to, and what time and memory it took."""

import base64
import io
import json
import os
import re
import resource
import socket
import sys
import time
import traceback
from concurrent.futures import Future
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import SimpleNamespace

import httpx

from benchmarks import odd_inputs
from benchmarks.app_client import PHOTO
from benchmarks.fuzz import COLUMNS, MEGABYTES, MOST_MEMORY, SECONDS
from fer.batch import list_pictures, open_picture
from fer.clips import open_clip, read_frames
from fer.console import quiet_libraries
from fer.decoding import DecodingPool
from fer.errors import UserError
from fer.images import load_image
from fer.recognizer import Recognizer
from pages.limits import CLIP_EVERY, CLIP_SECONDS

FOLDER = Path(os.environ["GRADIO_TEMP_DIR"])
UNHELPFUL = re.compile(r"upstream Gradio|Internal Server Error|Traceback|\n")
"""What no sentence for a person has."""


def main():
    connection, seed = Connection(int(sys.argv[1])), sys.argv[2]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    quiet_libraries()
    log = Path(os.environ["FER_FUZZ_LOG"])
    while True:
        try:
            kind, number = connection.recv()
        except EOFError:
            return
        os.truncate(log, 0)
        run = READERS[kind](Random(f"{seed} {kind} {number}"))  # Makes the input, which does not count.
        Path("/proc/self/clear_refs").write_text("5")  # Forgets the most memory so far.
        connection.send("made")
        text, began = "", _work()
        try:
            result, text = "ok", run() or ""
        except UserError as error:
            result, text = "exception" if UNHELPFUL.search(str(error)) else "refused", str(error)
        except Exception:
            result, text = "exception", f"{log.read_text(errors='replace')}\n{traceback.format_exc()}"
        seconds, megabytes = _work() - began, _most_memory()
        said = log.read_text(errors="replace")
        if "Traceback" in said:
            result, text = "exception", f"{text}\n{said}"
        elif result != "exception" and seconds > SECONDS:
            result = COLUMNS[4]
        elif result != "exception" and megabytes > MEGABYTES:
            result = COLUMNS[5]
        connection.send({"result": result, "seconds": seconds, "megabytes": megabytes, "text": text[-4000:]})


def _photo(random, make=odd_inputs.photo, pooled=False):
    content = make(random)
    if pooled:
        _pool().warm_up()
    decode = _pool().load_image if pooled else load_image

    def run():
        image = decode(io.BytesIO(content), "photo")
        if image.mode != "RGB":
            raise TypeError(image.mode)

    return run


def _archive(random):
    path = _write(odd_inputs.archive(random), "a.zip")

    def run():
        refused = []
        for picture in list_pictures([path]).pictures:
            try:
                open_picture(picture)
            except UserError as error:
                refused.append(error)
        for error in refused:
            if "\n" in str(error).replace(picture.name, ""):
                raise ValueError(str(error))
        if refused:
            raise refused[0]

    return run


def _clip(random):
    path = _write(odd_inputs.clip(random), "clip")

    def run():
        for frame in read_frames(open_clip(path, "clip", CLIP_SECONDS), CLIP_EVERY):
            frame.image.load()

    return run


def _picture(random):
    image, cropped, recognizer = odd_inputs.picture(random), random.random() < 0.1, _recognizer()
    return lambda: recognizer.recognize(image, cropped) and None


def _values(random):
    """A call of one of the app's functions with values of which some are none that it takes."""
    app = _app()
    fn = random.choice(list(app.fns.values()))
    name, number = fn.api_name, next(key for key, one in app.fns.items() if one is fn)
    values = [_value(random) if random.random() < 0.5 else _meant(app, block) for block in fn.inputs]
    if random.random() < 0.1:
        values = values[random.randrange(2) :] + [_value(random)] * random.randrange(3)
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
        body["event_data"] = random.choice(({"index": [3, 4], "value": None}, _value(random)))
    if way in ("join", "run"):
        body["fn_index"] = number if random.random() < 0.95 else _value(random)
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
    """Says that no more frames come, for which a stream else waits."""
    if fn.connection == "stream" and "event_id" in answer:
        http.post(f"stream/{answer['event_id']}/close")


def _judge(answer):
    for key in ("error", "detail"):
        if key in answer and (answer[key] or key == "error" and "data" not in answer):
            sentence = answer[key]
            if not isinstance(sentence, str) or UNHELPFUL.search(sentence):
                raise ValueError(f"no sentence: {answer}")
            raise UserError(sentence)


def _post(http, route, body):
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
    text = http.get(route, params=parameters).text
    if found := re.findall("event: (complete|error)\r?\ndata: (.*)", text):
        event, data = found[-1]
        return json.loads(data) if event == "error" else {"data": data}
    outputs = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: ")]
    return next((one["output"] for one in outputs if one["msg"] == "process_completed"), {"error": f"no end: {text}\n"})


def _request(random):
    """Bytes of a request, damaged."""
    app = _app()
    body = json.dumps({"data": [app.photo], "session_hash": "a", "fn_index": random.randrange(40)}).encode()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(300) + b"\r\n--x--\r\n"
    )
    kind, route, sent = random.choice((
        ("application/json", "queue/join", body), ("application/json", "call/predict", body),
        ("application/json", "mcp/", b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}'),
        ("multipart/form-data; boundary=x", "upload", form), ("application/json", "cancel", body), ("", "", b""),
        ("", f"file={app.photo['path']}", b""), ("", "info", b""), ("", "queue/status", b""), ("", "stream/a/close", b""),
        ("", "upload_progress?upload_id=a", b""), ("", "startup-events", b""), ("application/json", "component_server", body),
        ("application/json", "reset", body), ("application/json", "stream/a", body), ("", "heartbeat/a", b""),
    ))  # fmt: skip
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
            except (TimeoutError, ConnectionError):  # A stream of events goes on; what is broken off is closed.
                pass
        status = int((re.match(rb"HTTP/1.1 (\d+)", answer) or [0, 0])[1])
        if status >= 500 or b"Internal Server" in answer:
            raise ValueError(f"{content[:600]}\n{answer[:600]}")
        if status >= 400 or not status:
            raise UserError(f"status {status}")

    return run


def _value(random, depth=0):
    """Any JSON, or an object such as a file's."""
    kind = random.randrange(9 if depth < 3 else 6)
    if kind == 0:
        return random.choice((None, True, False, "", [], {}))
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
        photo = {**_app().photo}
        photo[random.choice(("path", "url", "orig_name", "meta", "size", "is_stream"))] = _value(random, 3)
        return photo
    if kind in (4, 5):
        return random.choice((_app().photo, _app().clip, _app().photo["path"], {"url": "data:image/png;base64,eA=="}))
    if kind == 6:
        return [_value(random, depth + 1) for _ in range(random.choice((1, 2, 3, 201)))] if depth == 0 else [None]
    keys = ("path", "url", "meta", "index", "value", "video", "items", "x")
    return {random.choice(keys): _value(random, depth + 1) for _ in range(random.randrange(4))}


def _meant(app, block):
    """A value that a component takes."""
    kind = type(block).__name__
    values = {"Photo": app.photo, "Files": [app.photo, app.photo], "Clip": app.clip, "Camera": app.frame, "Slider": 0.2,
              "Checkbox": False, "Textbox": "en", "Dataset": 0}  # fmt: skip
    return values.get(kind)


@cache
def _pool():
    return DecodingPool(1)


@cache
def _recognizer():
    recognizer = Recognizer.load()
    recognizer.warm_up()
    return recognizer


@cache
def _app():
    """The app in this process, with a photo and a clip among its uploads."""
    import app
    from fer.hub import resolve_model

    serving = Future()
    serving.set_result(app.Serving(_recognizer(), resolve_model("bundled")))
    demo = app.build_demo(serving, _pool().load_image)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _, url, _ = app.launch(demo, server_port=port, quiet=True)
    http = httpx.Client(base_url=f"{url}gradio_api/", timeout=20)
    random = Random(0)
    sent = {"photo.jpg": PHOTO.read_bytes(), "clip.mp4": odd_inputs._clips()[0]}
    photo, clip = (
        {"path": path, "meta": {"_type": "gradio.FileData"}}
        for path in http.post("upload", files=[("files", item) for item in sent.items()]).json()
    )
    frame = {"url": f"data:image/jpeg;base64,{base64.b64encode(sent['photo.jpg']).decode()}"}
    return SimpleNamespace(http=http, fns=demo.fns, photo=photo, clip=clip, frame=frame)


def _write(content, name):
    path = FOLDER / name
    path.write_bytes(content)
    return path


def _work():
    """Seconds of a core's work so far, of this process and those that decode for it."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _decoders()]
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
    return time.process_time() + ended.ru_utime + ended.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def _decoders():
    return [worker._process.pid for worker in _pool()._idle]


def _most_memory():
    """MB of the larger of this process and those that decode for it, at their most since the last input."""
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in ("self", *_decoders())]
    return max(int(found[1]) / 1000 for text in texts if (found := re.search(r"VmHWM:\s+(\d+) kB", text)))


READERS = {
    "photos": _photo,
    "photos, in the app": lambda random: _photo(random, pooled=True),
    "bombs": lambda random: _photo(random, odd_inputs.bomb, pooled=True),
    "zips": _archive,
    "clips": _clip,
    "pictures": _picture,
    "values": _values,
    "requests": _request,
}

if __name__ == "__main__":
    main()
