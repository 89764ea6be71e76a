"""Tests of wrong values on every route of the app: no file of the server is read, and errors are one sentence."""

import asyncio
import base64
import json
import logging
import math
import re
import socket
import uuid
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import gradio as gr
import httpx
import pytest
from conftest import free_port, wait_for
from gradio.exceptions import InvalidPathError
from PIL import Image

from fer.app.demo import build_demo, launch
from fer.app.server import cache, intake, payloads
from fer.app.server.limits import CONCURRENT, MAX_BODY, MAX_MARKS
from fer.app.server.payloads import CheckedBlocks
from fer.app.server.services import ServedModel
from fer.app.server.values import MAX_FILES, describe, is_file
from fer.labels import EMOTIONS

META = {"_type": "gradio.FileData"}
REFUSED = "Received: a path outside of the uploads"


@pytest.fixture(scope="module")
def fake_app(tmp_path_factory):
    """An app with a fake recognizer that finds no faces: its client, address, and cache, which has a photo in it."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        served_model = Future()
        recognizer = SimpleNamespace(model="fake", labels=EMOTIONS, image_size=48, recognize=lambda *_: [])
        served_model.set_result(ServedModel(recognizer, source=None))
        demo = build_demo(served_model)
        _, url, _ = launch(demo, server_port=free_port(), quiet=True)
        photo = cache / "sent" / "photo.png"
        photo.parent.mkdir()
        Image.new("RGB", (40, 30)).save(photo)
        with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as http:
            yield SimpleNamespace(
                http=http, url=url, cache=cache, photo=str(photo), fns=demo.fns, sessions=demo.state_holder.session_data
            )  # fmt: skip
        demo.close()


@pytest.fixture(autouse=True)
def log(capfd, caplog):
    """Check after each test that the app has printed and logged no traceback and no long text."""
    said = []
    with caplog.at_level(logging.WARNING):
        yield said
    said += [*capfd.readouterr(), caplog.text]
    assert not any("Traceback" in text or len(text) > 2000 for text in said)


@pytest.fixture
def join(fake_app):
    """Function that calls an event of the app as the page does, and returns its data or its error message."""

    def call(name, *values, **more):
        number = next(key for key, fn in fake_app.fns.items() if fn.api_name == name) if isinstance(name, str) else name
        session = more.setdefault("session_hash", uuid.uuid4().hex)
        body = json.dumps({"data": values, "fn_index": number, **more})
        answer = fake_app.http.post("queue/join", content=body, headers={"Content-Type": "application/json"})
        if not answer.is_success:
            return answer.json()["detail"]
        # The answers to a camera's frames have no end, so this does not wait for it.
        with fake_app.http.stream("GET", "queue/data", params={"session_hash": session}) as answers:
            messages = (json.loads(line[6:]) for line in answers.iter_lines() if line)
            ends = "process_completed", "process_streaming"
            output = next(message["output"] for message in messages if message["msg"] in ends)
        return output.get("error") or output["data"]

    return call


@pytest.fixture
def call(fake_app):
    """Function that calls a function of the API by the documented route; it returns the same as `join`."""

    def call(name, *values):
        answer = fake_app.http.post(f"call/{name}", json={"data": values})
        if not answer.is_success:
            return answer.json()["detail"]
        text = fake_app.http.get(f"call/{name}/{answer.json()['event_id']}").text
        event, data = re.findall("event: (complete|error)\ndata: (.*)\n", text)[-1]
        return json.loads(data)["error"] if event == "error" else json.loads(data)

    return call


@pytest.fixture
def tool(fake_app):
    """Function that calls a tool of MCP, and returns its decoded JSON or its error message."""

    def call(name, **arguments):
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        answer = fake_app.http.post(
            "mcp/",
            content=json.dumps(body),
            headers={"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
        )
        result = json.loads(re.search("data: (.*)", answer.text)[1])["result"]
        text = result["content"][0]["text"]
        return text if result["isError"] else json.loads(text)

    return call


@pytest.fixture(scope="module")
def foreign_paths(fake_app, tmp_path_factory):
    """Paths of files that are not uploads: a picture elsewhere, written in different ways, and a missing one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    secret, link = folder / "secret.png", fake_app.cache / "link.png"
    Image.new("RGB", (40, 30)).save(secret)
    link.symlink_to(secret)
    (fake_app.cache / "folder").symlink_to(folder)
    climbing = f"{fake_app.cache}/sent/../../{folder.name}/secret.png"
    others = ["../" * 30 + str(secret), "examples/astronaut.jpg", "file://" + str(secret), "\0", "\ud800", "a" * 9000]
    inside = [str(link), f"{fake_app.cache}/folder/secret.png", climbing]
    return [str(secret), str(folder / "gone.png"), "/etc/passwd", *inside, *others]


VALUES = {
    "predict": lambda file: [file],
    "analyze": lambda file: [file, False, 0],
    "predict_batch": lambda file: [[file]],
    "analyze_video": lambda file: [file, 0.2],
    "show": lambda file: [file, False, 0, "en"],
    "show_1": lambda file: [[file], "en"],
    "show_2": lambda file: [file, 0.2, "en"],
    "clear": lambda file: [file, "en"],
    "translate": lambda file: [[file], "en"],
}
"""Functions from a file to the arguments of each function of the app that takes one."""
PUBLIC = "predict", "analyze", "predict_batch", "analyze_video"
"""The functions in `VALUES` that are part of the public API."""


def test_values_has_every_function_that_takes_a_file(fake_app):
    taking = {fn.api_name for fn in fake_app.fns.values() if fn.fn and any(map(is_file, fn.inputs))}
    assert taking == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_only_uploads_are_read_and_errors_do_not_reveal_whether_a_file_exists(
    join, call, fake_app, foreign_paths, name
):
    answers = set()
    for path in foreign_paths:
        answers.add(join(name, *VALUES[name]({"path": path, "meta": META})))
    for meta in ({}, {"meta": {"_type": "other"}}, {"meta": META, "is_stream": True}, {"url": fake_app.photo}):
        answers.add(join(name, *VALUES[name]({"path": foreign_paths[0], **meta})))
    answers.add(join(name, *VALUES[name](foreign_paths[0])))
    if name in PUBLIC:
        answers |= {call(name, *VALUES[name]({"path": path})) for path in foreign_paths[:3]}
    (sentence,) = answers
    assert sentence.endswith(REFUSED)
    assert "secret" not in sentence


def test_tools_read_no_file_of_the_server(tool, foreign_paths):
    answers = set()
    for path in foreign_paths[:6]:
        file = {"path": path, "meta": META}
        answers |= {tool("predict", photo=wrong) for wrong in (path, file, [file])}
        answers |= {tool("predict_batch", files=wrong) for wrong in (path, [path], [file], [[file]], {"items": file})}
    assert answers == {f"`{name}`: A file must be given as an http(s) URL or as a data: URI in base64."
                       for name in ("photo", "files")}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("predict", {}, "`photo` is needed. Received: none"),
        ("predict", {"photo": None}, "`photo`: A file must be given as an http(s) URL or as a data: URI in base64."),
        ("predict", {"file": "x"}, 'The arguments are: `photo`. Received: "file"'),
        ("analyze", {"photo": "http://a.b/", "already_cropped": "false"}, 'must be true or false. Received: "false"'),
        (
            "analyze",
            {"photo": "http://a.b/", "smallest_face": 51},
            "must be a number from 0 to 50. Received: 51",
        ),
        ("analyze_video", {"clip": "http://a.b/", "every": True}, "must be a number from 0.05 to 0.5. Received: true"),
        ("nope", {}, 'There is no tool of that name. Received: "nope"'),
        ("model", {"a": 1}, 'The arguments are: none. Received: "a"'),
    ],
)
def test_errors_about_arguments_of_tools_are_one_sentence_with_the_name(tool, name, arguments, sentence):
    answer = tool(name, **arguments)
    assert answer.endswith(sentence)
    assert "\n" not in answer


def test_a_tool_accepts_a_data_uri_and_a_single_file_for_a_batch(tool, fake_app):
    uri = f"data:image/png;base64,{base64.b64encode(Path(fake_app.photo).read_bytes()).decode()}"
    assert tool("predict", photo=uri) == {}
    assert [row["file"] for row in tool("predict_batch", files=uri)] == ["file.png"]


def test_a_path_outside_of_the_cache_is_not_resolved(join, foreign_paths, monkeypatch):
    looked_up = []
    monkeypatch.setattr(
        "fer.app.server.values.os.path.realpath", lambda path, **more: looked_up.append(path) or str(path)
    )
    assert join("predict", {"path": foreign_paths[0]}).endswith(REFUSED)
    assert foreign_paths[0] not in looked_up


def test_events_of_the_browser_are_refused_by_the_server(fake_app, join, foreign_paths):
    numbers = [number for number, fn in fake_app.fns.items() if fn.fn is None]
    assert numbers
    for number in numbers:
        answer = join(number, *[{"path": foreign_paths[0], "meta": META}] * len(fake_app.fns[number].inputs))
        assert answer == "This event is answered by the browser, not here."


def test_a_live_frame_must_be_a_data_url(join, foreign_paths):
    for frame in ({"path": foreign_paths[0], "meta": META}, {"path": foreign_paths[0]}, foreign_paths[0], None, 5):
        assert join("read", frame, None, "en").startswith("`frame` must be a picture as a data: URL.")
    assert join("read", {"url": "http://127.0.0.1/"}, None, "en") == "A frame must be a small picture as a data URL."


def test_a_session_does_not_keep_frames(fake_app, join):
    frame = f"data:image/jpeg;base64,{base64.b64encode(b'frame' * 1000).decode()}"
    assert "not a picture" in join("read", {"url": frame}, None, "en", session_hash="camera")[1]
    assert frame not in str(list(fake_app.sessions["camera"].components))


@pytest.mark.parametrize("route", ["run/predict", "run/show", "api/predict"])
def test_no_function_is_called_without_the_queue(fake_app, route):
    answer = fake_app.http.post(route, json={"data": [None, False, 0, "en"]})
    assert answer.status_code == 404
    assert "Please join the queue" in answer.json()["detail"]


@pytest.mark.parametrize("name", [".photo.png", "._photo.png", "...", "..png"])
def test_a_file_whose_name_begins_with_a_dot_is_read(fake_app, join, name):
    with open(fake_app.photo, "rb") as photo:
        (path,) = fake_app.http.post("upload", files={"files": (name, photo)}).json()
    assert not Path(path).name.startswith(".")
    (row,) = join("predict_batch", [{"path": path, "orig_name": name, "meta": META}])[0]
    assert row["message"] == "No face found."


def test_rows_have_the_names_that_the_files_had_before_they_were_uploaded(fake_app, join):
    names = ["IMG (1).png", "=cmd|x.png", "???.png"]
    with open(fake_app.photo, "rb") as photo:
        content = photo.read()
    paths = fake_app.http.post("upload", files=[("files", (name, content)) for name in names]).json()
    files = [{"path": path, "orig_name": name, "meta": META} for path, name in zip(paths, names, strict=True)]
    assert [row["file"] for row in join("predict_batch", files)[0]] == names


def test_a_file_that_gradio_refuses_is_refused_in_one_sentence(monkeypatch):
    async def refuse(*_):
        raise InvalidPathError("Dotfiles located in the temporary directory cannot be moved to the cache")

    monkeypatch.setattr(gr.Blocks, "preprocess_data", refuse)
    nothing = SimpleNamespace(inputs=[], fn=print, input_parameter_names=[])
    with CheckedBlocks() as demo, pytest.raises(gr.Error, match="A file must be one that was uploaded"):
        asyncio.run(demo.preprocess_data(nothing, [], None))


def test_the_files_of_a_call_have_a_time_limit_together(monkeypatch):
    async def wait(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(gr.Blocks, "preprocess_data", wait)
    monkeypatch.setattr(payloads, "FETCH_ALL_SECONDS", 0)
    nothing = SimpleNamespace(inputs=[], fn=print, input_parameter_names=[])
    with CheckedBlocks() as demo, pytest.raises(gr.Error) as error:
        asyncio.run(demo.preprocess_data(nothing, [], None))
    assert error.value.message == "All files must arrive from their addresses within 0 seconds."
    assert not error.value.print_exception


def test_an_upload_has_a_time_limit(monkeypatch):
    async def wait(scope, receive, send):
        await asyncio.Event().wait()

    sent = []

    async def send(message):
        sent.append(message)

    monkeypatch.setattr(intake, "UPLOAD_SECONDS", 0)
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": []}
    asyncio.run(intake.Intake(wait)(scope, None, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"]) == {"detail": "An upload must arrive within 0 minutes."}
    assert not cache._open_uploads


def test_batches_do_not_wait_in_the_queue_of_photos(fake_app):
    queues = {fn.api_name: (fn.concurrency_id, fn.concurrency_limit) for fn in fake_app.fns.values()}
    assert (queues["show"], queues["show_1"]) == (("read", CONCURRENT), ("batch", 2))


def test_programs_wait_in_queues_of_their_own_since_their_addresses_may_answer_slowly(fake_app):
    queues = {
        is_public: {fn.concurrency_id for fn in fake_app.fns.values() if (fn.api_visibility == "public") is is_public}
        for is_public in (True, False)
    }
    assert not queues[True] & queues[False]


def test_each_client_gets_code_with_the_address_by_which_it_called_the_app(fake_app):
    for host in ("127.0.0.2", "localhost"):
        info = fake_app.http.get("info", headers={"Host": host, "X-Forwarded-Host": "other.example"}).json()
        assert set(info["named_endpoints"]) == {f"/{name}" for name in (*PUBLIC, "model")}
        for endpoint in info["named_endpoints"].values():
            assert f"http://{host}" in endpoint["code_snippets"]["python"]
            assert "other.example" not in str(endpoint)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("below", ["</script><script>alert(1)</script>/gradio_api/mcp", "x/gradio_api/mcp", "x"])
def test_no_page_below_mcp_repeats_its_path(fake_app, method, below):
    answer = fake_app.http.request(method, f"mcp/{quote(below)}", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such page."})


def test_only_files_of_the_cache_are_sent(fake_app, foreign_paths):
    assert fake_app.http.get(f"file={fake_app.photo}").status_code == 200
    texts = set()
    for path in (*foreign_paths[:6], "app.py", "/proc/self/environ"):
        answer = fake_app.http.get(f"file={path}")
        assert answer.status_code == 403
        texts.add(re.sub("allowed: .*", "", answer.json()["detail"]))
    assert texts == {"File not "}


def test_the_lock_of_the_cache_and_other_hidden_files_are_not_sent(fake_app):
    (fake_app.cache / cache.LOCK).write_bytes(b"")
    refused = {"detail": "Files whose names begin with a dot are not sent."}
    for route in ("file=", "file/"):
        for path in (
            f"{fake_app.cache}/.fer-app",
            f"{fake_app.cache}/sent/../.fer-app",
            f"{fake_app.cache}/.fer-app/.",
        ):
            answer = fake_app.http.get(route + quote(path.replace("/.", "/%2e"), safe="/%"))
            assert (answer.status_code, answer.json()) == (403, refused)


@pytest.mark.parametrize("path", ["a" * 400, "é" * 130, "a/" * 1600, "%ff" * 256])
@pytest.mark.parametrize("folder", ["assets", "static", "svelte", "gradio_api/file=", "device/page", "gradio_api/x"])
def test_a_path_that_is_too_long_for_a_file_is_no_server_error(fake_app, folder, path):
    answer = fake_app.http.get(f"{fake_app.url}{folder}/{path}")
    detail = "Each part of a path may have at most 255 bytes, and the path 3000."
    assert (answer.status_code, answer.json()) == (404, {"detail": detail})


@pytest.mark.parametrize(
    "route",
    [
        "proxy=http://example.com/", "deep_link?session_hash=a", "custom_component/a/client/b/c", "vibe-code",
        "run-history/buckets", "profiling/traces",
    ],
)  # fmt: skip
def test_unused_routes_of_gradio_are_closed(fake_app, route):
    assert fake_app.http.get(route).json() == {"detail": "There is no such page."}
    for route in ("component_server", "process_recording", "vibe-edit", "undo-vibe-edit/", "vibe-starter-queries"):
        assert fake_app.http.post(route, json={}).status_code == 404


def test_valid_files_are_accepted_in_every_form(join, call, fake_app):
    upload = fake_app.http.post("upload", files={"files": ("mine.png", Path(fake_app.photo).read_bytes())}).json()[0]
    assert join("analyze", {"path": upload, "orig_name": "a\nb.png"}, False, 0)[0]["image"] == "a b.png"
    assert join("analyze", {"path": upload, "orig_name": 5, "size": "x", "meta": 3}, False, 0)[0]["image"] == "mine.png"
    assert join("predict", upload) == [{}]
    one = {"path": upload, "meta": META}
    assert [row["file"] for row in call("predict_batch", one)[0]] == ["mine.png"]
    assert [row["file"] for row in call("predict_batch", [one, upload])[0]] == ["mine.png", "mine.png"]
    fetched = (
        "http://127.0.0.1/photo.jpg: could not be fetched. Addresses must be http or https, of public servers, on port "
        "80 or 443, and answer at most 150 MB within 20 seconds."
    )
    for address in ("http://127.0.0.1/photo.jpg", {"path": "http://127.0.0.1/photo.jpg"},
                    {"path": None, "url": "http://127.0.0.1/photo.jpg"}):  # fmt: skip
        assert join("predict", address) == fetched
    assert call("predict_batch", "http://127.0.0.1/photo.jpg") == fetched


def test_the_example_is_recognized(join):
    photo = join("load_example", 0)[0]["value"]
    assert join("analyze", photo, False, 0)[0]["image"] == "astronaut.jpg"
    assert join("load_example", 1) == "`example_tuple` must be the number of an example. Received: 1"


PHOTO = "`photo` must be a file that was uploaded to this app, or its http(s) address. Received: "
WRONG = [
    ("predict", [["x"]], PHOTO + "a list of 1"),
    ("predict", [5], PHOTO + "5"),
    ("predict", [{"video": {"path": "x"}}], PHOTO + "an object with `video`"),
    ("predict", [{}], PHOTO + "an empty object"),
    ("predict", [{"path": 5}], PHOTO + "an object with `path`"),
    ("predict", ["http://["], PHOTO + "a path outside of the uploads"),
    ("predict", [None], "A photo is needed. Received: none"),
    ("predict", [], "The number of values must be 1: `photo`. Received: 0"),
    ("predict", [None, None], "The number of values must be 1: `photo`. Received: 2"),
    ("predict_batch", [None], "Pictures are needed. Received: none"),
    ("predict_batch", [[None]], "or of their http(s) addresses. Received: null"),
    ("predict_batch", [["http://a/x"] * 201], "or of their http(s) addresses. Received: a list of 201"),
    ("predict_batch", [["x"] * 1001], "or of their http(s) addresses. Received: a list of 1001"),
    ("analyze_video", [{"video": "x"}, 0.2], "or its http(s) address. Received: an object with `video`"),
    ("analyze_video", [None, 0.2], "A clip is needed. Received: none"),
    ("analyze_video", [None, math.nan], "`every` must be a number from 0.05 to 0.5. Received: NaN"),
    ("analyze_video", [None, "0.2"], '`every` must be a number from 0.05 to 0.5. Received: "0.2"'),
    ("show_2", [None, math.inf, "en"], "`every` must be a number from 0.05 to 0.5. Received: Infinity"),
    ("analyze", [None, "false", 0], '`already_cropped` must be true or false. Received: "false"'),
    ("analyze", [None, 1, 0], "`already_cropped` must be true or false. Received: 1"),
    ("analyze", [None, None, 0], "`already_cropped` must be true or false. Received: null"),
    ("show", [None, "false", 0, "en"], '`already_cropped` must be true or false. Received: "false"'),
    ("analyze", [None, False, math.nan], "`smallest_face` must be a number from 0 to 50. Received: NaN"),
    ("analyze", [None, False, True], "`smallest_face` must be a number from 0 to 50. Received: true"),
    ("analyze", [None, False, 10**400], "`smallest_face` must be a number from 0 to 50. Received: a number too large"),
    ("analyze", [None, False, 50.5], "`smallest_face` must be a number from 0 to 50. Received: 50.5"),
    ("show", [None, False, math.nan, "en"], "`smallest_face` must be a number from 0 to 50. Received: NaN"),
    ("about_model", [["en"]], "`language` must be a text of at most 100 characters. Received: a list of 1"),
    ("about_model", ["e" * 101], f'`language` must be a text of at most 100 characters. Received: "{"e" * 58}…'),
    ("choose", [None, "x", "en"], '`number` must be one of the choices. Received: "x"'),
    ("click", [None, "en"], "`event_data` must have an `index` of two numbers."),
]


@pytest.mark.parametrize(("name", "values", "sentence"), WRONG)
def test_errors_about_values_are_one_sentence_with_the_name(join, name, values, sentence):
    answer = join(name, *values)
    assert answer.endswith(sentence)
    assert "\n" not in answer


@pytest.mark.parametrize("data", [None, 5, {"index": 1}, {"index": [1, "a"], "value": None},
                                  {"index": [1, 2], "value": {"path": "/etc/passwd"}}])  # fmt: skip
def test_a_click_is_two_numbers(join, data):
    assert join("click", None, "en", event_data=data) == "`event_data` must have an `index` of two numbers."


def test_without_a_clip_the_page_says_that_one_is_needed(join):
    assert join("show_2", None, 0.5, "en")[0] == "Choose a clip, then press “Read the clip”."


def test_a_click_beside_all_faces_and_an_empty_choice_are_valid(join):
    assert isinstance(join("click", None, "en", event_data={"index": [1, 2], "value": None}), list)
    assert isinstance(join("choose", None, None, "en"), list)


def test_received_values_are_described_briefly():
    assert describe("\ud800\n" * 5000) == r'"\ud800\n\ud800\n\ud800\n\ud800\n\ud800\n\ud800\n\ud800\n\u…'
    assert describe({"a\nb": 1, "c" * 99: 2, "d": 3, "e": 4}) == f"an object with `a b`, `{'c' * 19}…`, `d`"


@pytest.mark.parametrize(
    ("route", "body", "status", "sentence"),
    [
        ("call/nope", '{"data": []}', 404, 'There is no function of that name. Received: "nope"'),
        ("call/load_example", '{"data": [0]}', 404, 'There is no function of that name. Received: "load_example"'),
        ("call/show", '{"data": []}', 404, 'There is no function of that name. Received: "show"'),
        ("run/nope", '{"data": []}', 404, 'There is no function of that name. Received: "nope"'),
        ("call/v2/nope", "{}", 404, 'There is no function of that name. Received: "nope"'),
        ("call/v2/show", "{}", 404, 'There is no function of that name. Received: "show"'),
        ("call/v2/analyze", "{}", 400, "`photo` is needed. Received: none"),
        ("call/v2/analyze", '{"image": 5}', 400, "The arguments are: `photo`, `already_cropped`, `smallest_face`. "
                                                 'Received: "image"'),
        ("queue/join", '{"data": []}', 404, "`fn_index` must be the number of an event. Received: null"),
        ("queue/join", '{"data": [], "fn_index": 99}', 404, "`fn_index` must be the number of an event. Received: 99"),
        ("run/predict", '{"data": [], "fn_index": [1]}', 404, "`fn_index` must be the number of an event. "
                                                               "Received: a list of 1"),
        ("call/predict", "{", 400, "The body must be JSON."),
        ("call/predict", "[" * 20_000, 400, "The body must be JSON."),
        ("call/predict", "[]", 400, "The body must be a JSON object. Received: a list of 0"),
        ("call/predict", '{"data": {}}', 400, "`data` must be a list. Received: an empty object"),
        ("stream/x", "{}", 400, "`data` must be a list. Received: null"),
        ("queue/join", '{"data": [], "fn_index": 8, "session_hash": "\\ud800"}', 400,
         r'`session_hash` must be up to 100 letters and digits. Received: "\ud800"'),
        ("queue/join", '{"data": [], "fn_index": 8, "trigger_id": "a"}', 400,
         "`trigger_id`: Input should be a valid integer, unable to parse string as an integer."),
        ("cancel", "{}", 400, "`session_hash`: Field required."),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_in_one_sentence(fake_app, route, body, status, sentence):
    answer = fake_app.http.post(route, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (status, {"detail": sentence})


@pytest.mark.parametrize("route", ["upload", "upload_progress"])
def test_a_long_number_of_an_upload_is_refused(fake_app, route):
    method = "POST" if route == "upload" else "GET"
    answer = fake_app.http.request(method, route, params={"upload_id": "x" * 41})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("`upload_id` must be up to 40 letters and digits. Received: ")


@pytest.mark.parametrize("route", ["queue/data?session_hash=nobody", "call/predict/nothing"])
def test_waiting_for_an_unknown_event_ends_with_a_message(fake_app, route):
    answer = fake_app.http.get(route)
    assert "Not Found" in answer.text


CORRUPT = ["bytes=1-2-3", "bytes=a-b", "bytes=²-³", "bytes=", "x", f"bytes={'9' * 5000}-", "bytes=9-1"]


@pytest.mark.parametrize("wanted", CORRUPT)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_corrupt_range_is_no_server_error(fake_app, wanted, method):
    answer = fake_app.http.request(method, f"file={fake_app.photo}", headers={"Range": wanted.encode()})
    assert answer.status_code in (200, 400, 416)


PARTS = [("bytes=0-9", slice(10)), ("bytes=5-", slice(5, None)), ("bytes=-5", slice(-5, None))]


@pytest.mark.parametrize(("wanted", "part"), PARTS)
def test_a_valid_range_is_answered_with_that_part(fake_app, wanted, part):
    answer = fake_app.http.get(f"file={fake_app.photo}", headers={"Range": wanted, "X-Mine": "mine"})
    assert answer.status_code == 206
    assert answer.content == Path(fake_app.photo).read_bytes()[part]
    assert "x-mine" not in answer.headers


TOO_LARGE = {"detail": "A request may have at most 4 MB; files are uploaded first."}


@pytest.mark.parametrize("route", ["queue/join", "call/predict", "mcp/", "stream/x"])
def test_a_body_has_a_limit_with_and_without_content_length(fake_app, route):
    body = b" " * (MAX_BODY + 1)
    for content in (body, (body[start : start + 1_000_000] for start in range(0, len(body), 1_000_000))):
        answer = fake_app.http.post(route, content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (413, TOO_LARGE)


@pytest.mark.parametrize(
    "route", ["queue/join", "call/predict", "call/v2/predict", "run/predict", "cancel", "mcp/", "stream/x"]
)
def test_a_body_of_very_many_values_is_refused_before_it_is_parsed(fake_app, monkeypatch, route):
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("parsed"))
    texts = b'{"data": [' + b"[]," * MAX_MARKS + b"[]]}", b'{"a":0,' * MAX_MARKS, "[1,2]".encode("utf-16") * MAX_MARKS
    for content in texts:
        answer = fake_app.http.post(route, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert b"A request may have at most 30000 of the characters [ { , and : in all. Received: " in answer.content


def test_the_largest_list_of_files_that_the_page_can_send_is_read(fake_app, join):
    name = "Bild, [neu]: {1}.png"
    file = {"path": fake_app.photo, "url": f"{fake_app.url}gradio_api/file={fake_app.photo}", "orig_name": name,
            "size": 1000, "mime_type": "image/png", "is_stream": False, "meta": META}  # fmt: skip
    assert join("show_1", [file] * MAX_FILES, "en")[0] == "⚠️ A batch may have at most 200 pictures. Received: 1000"


def test_the_number_of_values_is_checked_before_a_call_waits(fake_app):
    answer = fake_app.http.post("call/model", json={"data": [[]]})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The number of values must be 0: none. Received: 1"


def test_errors_do_not_repeat_a_large_value(join):
    answer = join("predict", {"path": f"data:image/png;base64,{'a' * 3_500_000}", "meta": META})
    assert answer == PHOTO + "a path outside of the uploads"


def test_an_upload_may_be_larger_but_has_files_only(fake_app):
    large = bytes(MAX_BODY + 1)
    assert fake_app.http.post("upload", files={"files": ("large.jpg", large)}).status_code == 200
    answer = fake_app.http.post("upload?upload_id=a", files={"files": (None, large)})
    assert (answer.status_code, answer.text) == (400, "Too many fields. Maximum number of fields is 0.")


def test_files_of_an_upload_are_closed_as_soon_as_each_is_complete(tmp_path):
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    opened = []

    async def pieces():
        for number in range(20):
            yield head + b"%d\r\n" % number
            opened.append(sum(not file.file.closed for _, file in parser.items))
        yield b"--x--"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    parser = intake.FilesOnlyParser(headers, pieces(), upload_dir=tmp_path, max_file_size=100)
    files = asyncio.run(parser.parse()).getlist("files")
    assert [Path(file.file.name).read_text() for file in files] == [str(number) for number in range(20)]
    assert max(opened) <= 1


@pytest.mark.parametrize("route", ["upload", "queue/join"])
def test_an_aborted_request_is_not_logged(fake_app, route, log):
    head = (
        f"POST /gradio_api/{route} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\nabc'
    )
    before = set(fake_app.cache.iterdir())
    with socket.create_connection((fake_app.http.base_url.host, fake_app.http.base_url.port)) as connection:
        connection.sendall(head.encode())
        if route == "upload":
            wait_for(lambda: set(fake_app.cache.iterdir()) - before)
    fake_app.http.get("queue/status")
